package main

import (
	"context"
	"fmt"
)

// pool of a library, in the configuration of a set-up.
type pool interface {
	take(ctx context.Context) (session, error)
	close()
	// forget reports every session of the pool as lost.
	forget(how string)
}

// session that a pool has checked out.
type session interface {
	// run executes a statement and reads its rows.
	run(sql string, arguments ...any) error
	// number returns the first column of the first row.
	number(sql string) (int, error)
	begin() error
	commit() error
	// leaveRows opens a result and reads one row of it.
	leaveRows(sql string) error
	port() int
	release()
}

func openPool(s *setup) (pool, error) {
	switch s.Library {
	case "pgxpool":
		return openPgxPool(s)
	case "sql-pgx", "sql-pq":
		return openSQL(s)
	}
	return nil, fmt.Errorf("no library %s", s.Library)
}
