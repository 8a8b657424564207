package main

import (
	"context"
	"database/sql/driver"
	"sync"

	"github.com/lib/pq"
)

// portConnector notes which socket belongs to which connection of lib/pq, which does not show it.
type portConnector struct {
	*pq.Connector
	set *sockets
}

var (
	pqPorts sync.Map
	// One at a time, so that the socket opened last is this connection's.
	pqOpening sync.Mutex
)

func (c *portConnector) Connect(ctx context.Context) (driver.Conn, error) {
	pqOpening.Lock()
	defer pqOpening.Unlock()
	conn, err := c.Connector.Connect(ctx)
	if err == nil {
		pqPorts.Store(conn, c.set.latestPort())
	}
	return conn, err
}

func pqPort(conn driver.Conn) int {
	port, _ := pqPorts.Load(conn)
	return port.(int)
}
