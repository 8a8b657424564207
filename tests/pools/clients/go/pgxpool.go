package main

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

// pgxPool is pgx's own pool: last in, first out, at most the greater of 4 and the number of CPUs by default.
type pgxPool struct {
	pool    *pgxpool.Pool
	sockets *sockets
}

type pgxSession struct {
	conn *pgxpool.Conn
	tx   pgx.Tx
	rows pgx.Rows
}

func openPgxPool(s *setup) (pool, error) {
	config, err := pgxpool.ParseConfig(s.conninfo())
	if err != nil {
		return nil, err
	}
	set := newSockets()
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return set.DialContext(ctx, network, address)
	}
	config.MaxConns = int32(s.Size)
	if s.Min != nil {
		config.MinConns = int32(*s.Min)
		config.HealthCheckPeriod = 5 * time.Second
	}
	if s.Mode == "bouncer-transaction" {
		config.ConnConfig.PreferSimpleProtocol = true
		config.ConnConfig.BuildStatementCache = nil
	}
	switch s.Behaviour {
	case "refill":
		config.MaxConnLifetime = 15 * time.Second
		config.HealthCheckPeriod = 5 * time.Second
		if s.Min == nil {
			config.MinConns = 2
		}
	case "validated":
		config.BeforeAcquire = func(ctx context.Context, conn *pgx.Conn) bool { return conn.Ping(ctx) == nil }
	}
	opened, err := pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	result := &pgxPool{opened, set}
	if s.Behaviour == "keepalive" {
		go result.keepAlive()
	}
	return result, nil
}

// keepAlive pings all idle sessions, as a service behind a firewall that drops silent connections does.
func (p *pgxPool) keepAlive() {
	for {
		sleep(4)
		for _, conn := range p.pool.AcquireAllIdle(context.Background()) {
			_ = conn.Conn().Ping(context.Background())
			conn.Release()
		}
	}
}

func (p *pgxPool) take(ctx context.Context) (session, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &pgxSession{conn: conn}, nil
}

func (p *pgxPool) close()            { p.pool.Close() }
func (p *pgxPool) forget(how string) { p.sockets.forget(how) }

func (c *pgxSession) run(sql string, arguments ...any) error {
	rows, err := c.conn.Query(context.Background(), sql, arguments...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func (c *pgxSession) number(sql string) (number int, err error) {
	err = c.conn.QueryRow(context.Background(), sql).Scan(&number)
	return
}

func (c *pgxSession) begin() (err error) {
	c.tx, err = c.conn.Begin(context.Background())
	return
}

func (c *pgxSession) commit() error { return c.tx.Commit(context.Background()) }

func (c *pgxSession) leaveRows(sql string) (err error) {
	c.rows, err = c.conn.Query(context.Background(), sql)
	if err == nil {
		c.rows.Next()
	}
	return
}

func (c *pgxSession) port() int {
	return c.conn.Conn().PgConn().Conn().(*socket).port
}

func (c *pgxSession) release() { c.conn.Release() }
