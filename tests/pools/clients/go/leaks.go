package main

import (
	"context"
	"fmt"
	"os"
)

// kept holds what an application keeps without a use, against the collector.
var kept []any

// startLeaks starts a behaviour that loses sessions.
func (c *client) startLeaks() error {
	losses := map[string]func() error{
		"lost-checkout":    c.loseCheckout,
		"exhausted":        c.loseCheckout,
		"lost-transaction": c.loseTransaction,
		"lost-result":      c.loseResult,
		"lost-task":        c.loseTask,
		"lost-prepared":    c.losePrepared,
		"global":           c.keepGlobally,
		"pool-reload":      c.reload,
		"pool-per-request": c.openForRequest,
	}
	lose, found := losses[c.setup.Behaviour]
	if !found {
		return fmt.Errorf("no leak %s", c.setup.Behaviour)
	}
	go func() {
		if c.setup.flag("burst") {
			c.burst(4)
		}
		c.workers(c.setup.Workers)
	}()
	go func() {
		sleep(c.setup.FirstLossS)
		for count := 0; count < c.setup.Lose; count++ {
			if err := lose(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			c.setup.pause(c.setup.LossEveryS)
		}
	}()
	return nil
}

func (c *client) loseCheckout() error {
	s, err := c.take()
	if err != nil {
		return err
	}
	path := c.setup.text("path", []string{"error", "return", "panic"}[c.setup.draw(3)])
	switch path {
	case "error":
		if err := s.run(c.work.fail, 3); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	case "return":
		err = s.run(c.work.item, 12)
	default:
		err = c.work.request(s)
	}
	kept = append(kept, s)
	reportLost(s.port(), "checkout never returned ("+path+")")
	return err
}

// loseTransaction returns early without a rollback. Behind a pooler the transaction holds a server process.
func (c *client) loseTransaction() error {
	s, err := c.take()
	if err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	const how = "transaction left open by a request that failed"
	if c.setup.Mode == "bouncer-transaction" {
		pid, err := s.number("select pg_backend_pid()")
		if err != nil {
			return err
		}
		err = c.work.order(s)
		reportLostPid(pid, how)
		kept = append(kept, s)
		return err
	}
	port := s.port()
	err = c.work.order(s)
	kept = append(kept, s)
	reportLost(port, how)
	return err
}

// loseResult returns while rows are left: the commonest leak of database/sql and of pgx.
func (c *client) loseResult() error {
	s, err := c.take()
	if err != nil {
		return err
	}
	port := s.port()
	if err := s.leaveRows(fmt.Sprintf("select id, name from items where stock > %d limit 20", c.setup.draw(40))); err != nil {
		return err
	}
	kept = append(kept, s)
	reportLost(port, "rows not closed")
	return nil
}

func (c *client) loseTask() error {
	go func() {
		s, err := c.take()
		if err != nil {
			return
		}
		defer s.release()
		_ = c.work.request(s)
		reportLost(s.port(), "goroutine waits for ever on a channel")
		<-make(chan bool)
	}()
	return nil
}

func (c *client) losePrepared() error {
	s, err := c.take()
	if err != nil {
		return err
	}
	if err := s.run("set statement_timeout = '2min'"); err != nil {
		return err
	}
	err = s.run(c.work.page, 30)
	kept = append(kept, s)
	reportLost(s.port(), "taken out for a report with its own settings and forgotten")
	return err
}

func (c *client) keepGlobally() error {
	own, err := openPool(c.setup)
	if err != nil {
		return err
	}
	s, err := own.take(context.Background())
	if err != nil {
		return err
	}
	err = s.run("select count(*), max(id) from items")
	kept = append(kept, own, s)
	reportLost(s.port(), "opened at the start and kept in a global")
	return err
}

// reload opens a new pool; the old one stays open and is never used again.
func (c *client) reload() error {
	old := c.current()
	if err := c.open(); err != nil {
		return err
	}
	kept = append(kept, old)
	// Requests in progress still return their sessions to the old pool.
	sleep(1)
	old.forget("its pool was replaced and not closed")
	return nil
}

func (c *client) openForRequest() error {
	own, err := openPool(c.setup)
	if err != nil {
		return err
	}
	s, err := own.take(context.Background())
	if err != nil {
		return err
	}
	err = c.work.request(s)
	s.release()
	kept = append(kept, own)
	sleep(0.5)
	own.forget("its pool was made for one request")
	return err
}
