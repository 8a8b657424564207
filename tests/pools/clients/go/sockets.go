package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// sockets are the open connections of one pool, by their local port.
type sockets struct {
	lock      sync.Mutex
	open      map[int]bool
	latest    int
	forgotten string
}

// socket leaves the set when it is closed. It embeds the TCP connection, since drivers look for its system calls.
type socket struct {
	*net.TCPConn
	set  *sockets
	port int
}

func newSockets() *sockets { return &sockets{open: map[int]bool{}} }

func (s *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	opened, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	port := opened.LocalAddr().(*net.TCPAddr).Port
	s.lock.Lock()
	defer s.lock.Unlock()
	s.open[port] = true
	s.latest = port
	if s.forgotten != "" {
		how := s.forgotten
		// The server process exists once the driver has logged in.
		time.AfterFunc(time.Second, func() { reportLost(port, how) })
	}
	return &socket{opened.(*net.TCPConn), s, port}, nil
}

func (s *sockets) latestPort() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.latest
}

func (s *sockets) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

func (s *sockets) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.DialContext(ctx, network, address)
}

func (s *socket) Close() error {
	s.set.lock.Lock()
	delete(s.set.open, s.port)
	s.set.lock.Unlock()
	return s.TCPConn.Close()
}

// forget reports all open connections as lost, and those that are opened later.
func (s *sockets) forget(how string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.forgotten = how
	for port := range s.open {
		reportLost(port, how)
	}
}
