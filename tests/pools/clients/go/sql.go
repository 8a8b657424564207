package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

// sqlPool is database/sql. By default it opens without a limit, keeps two idle, and closes the others on return.
type sqlPool struct {
	db      *sql.DB
	sockets *sockets
	pings   bool
}

type sqlSession struct {
	conn *sql.Conn
	tx   *sql.Tx
	rows *sql.Rows
}

func openSQL(s *setup) (pool, error) {
	set := newSockets()
	connector, err := pgxConnector(s, set)
	if s.Library == "sql-pq" {
		connector, err = pqConnector(s, set)
	}
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(s.Size)
	if !s.flag("defaultIdle") {
		db.SetMaxIdleConns(s.number("maxIdle", s.Size))
	}
	if s.Behaviour == "refill" {
		db.SetConnMaxLifetime(15 * time.Second)
	}
	result := &sqlPool{db: db, sockets: set, pings: s.Behaviour == "validated"}
	if s.Behaviour == "keepalive" {
		go result.keepAlive(s.Size)
	}
	if s.Behaviour == "standby" && s.Min != nil {
		result.hold(*s.Min)
	}
	return result, nil
}

func pgxConnector(s *setup, set *sockets) (driver.Connector, error) {
	config, err := pgx.ParseConfig(s.conninfo())
	if err != nil {
		return nil, err
	}
	config.DialFunc = set.DialContext
	if s.Mode == "bouncer-transaction" {
		config.PreferSimpleProtocol = true
		config.BuildStatementCache = nil
	}
	return stdlib.GetDefaultDriver().(*stdlib.Driver).OpenConnector(stdlib.RegisterConnConfig(config))
}

func pqConnector(s *setup, set *sockets) (driver.Connector, error) {
	info := s.conninfo()
	if s.Mode == "bouncer-transaction" {
		info += " binary_parameters=yes"
	}
	connector, err := pq.NewConnector(info)
	if err != nil {
		return nil, err
	}
	connector.Dialer(set)
	return &portConnector{connector, set}, nil
}

// hold opens sessions as a readiness check does, and returns them all.
func (p *sqlPool) hold(count int) {
	taken := make([]session, 0, count)
	for len(taken) < count {
		one, err := p.take(context.Background())
		if err != nil {
			break
		}
		_ = one.(*sqlSession).conn.PingContext(context.Background())
		taken = append(taken, one)
	}
	for _, one := range taken {
		one.release()
	}
}

// keepAlive pings as many sessions as are idle, first in, first out.
func (p *sqlPool) keepAlive(size int) {
	for {
		sleep(4)
		if idle := p.db.Stats().Idle; idle > 0 {
			p.hold(idle)
		}
	}
}

func (p *sqlPool) take(ctx context.Context) (session, error) {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if p.pings {
		if err := conn.PingContext(ctx); err != nil {
			return nil, err
		}
	}
	return &sqlSession{conn: conn}, nil
}

func (p *sqlPool) close()            { p.db.Close() }
func (p *sqlPool) forget(how string) { p.sockets.forget(how) }

func (c *sqlSession) run(text string, arguments ...any) error {
	query := c.conn.QueryContext
	if c.tx != nil {
		query = c.tx.QueryContext
	}
	rows, err := query(context.Background(), text, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func (c *sqlSession) number(text string) (number int, err error) {
	row := c.conn.QueryRowContext
	if c.tx != nil {
		row = c.tx.QueryRowContext
	}
	err = row(context.Background(), text).Scan(&number)
	return
}

func (c *sqlSession) begin() (err error) {
	c.tx, err = c.conn.BeginTx(context.Background(), nil)
	return
}

func (c *sqlSession) commit() error {
	tx := c.tx
	c.tx = nil
	return tx.Commit()
}

func (c *sqlSession) leaveRows(text string) (err error) {
	c.rows, err = c.conn.QueryContext(context.Background(), text)
	if err == nil {
		c.rows.Next()
	}
	return
}

func (c *sqlSession) port() (port int) {
	_ = c.conn.Raw(func(raw any) error {
		switch conn := raw.(type) {
		case *stdlib.Conn:
			port = conn.Conn().PgConn().Conn().(*socket).port
		case driver.Conn:
			port = pqPort(conn)
		}
		return nil
	})
	return
}

func (c *sqlSession) release() { c.conn.Close() }
