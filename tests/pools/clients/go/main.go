// Application of one set-up: `pool-client SETUP`.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// client is the application of this process.
type client struct {
	setup *setup
	work  *work
	pool  atomic.Value
}

// held wraps pools, since an atomic value takes only one type.
type held struct{ pool }

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		printEvent(`{"event":"end"}`)
		os.Exit(0)
	}()
	if err := start(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	printEvent(`{"event":"ready"}`)
	select {}
}

func start(text string) error {
	s, err := parseSetup(text)
	if err != nil {
		return err
	}
	c := &client{setup: s, work: newWork(s)}
	if s.Behaviour == "cron" {
		go c.runJobs()
		return nil
	}
	if err := c.open(); err != nil {
		return err
	}
	if s.Lose > 0 {
		return c.startLeaks()
	}
	return c.startHealthy()
}

func (c *client) open() error {
	opened, err := openPool(c.setup)
	if err == nil {
		c.pool.Store(held{opened})
	}
	return err
}

func (c *client) current() pool { return c.pool.Load().(held).pool }

func (c *client) take() (session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := c.current().take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			reportExhausted()
		}
		fmt.Fprintln(os.Stderr, err)
	}
	return s, err
}

// serve handles one request, as it should be done.
func (c *client) serve() {
	c.serveAnd(func() {
		if c.setup.draw(3) == 0 {
			sleep(float64(c.setup.draw(150)) / 1000)
		}
	})
}

// serveAnd handles one request, which does something else before it returns its session.
func (c *client) serveAnd(computes func()) {
	s, err := c.take()
	if err != nil {
		return
	}
	defer s.release()
	if err := c.work.request(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	computes()
}

func (c *client) workers(count int) {
	for worker := 0; worker < count; worker++ {
		go func() {
			for {
				c.serve()
				c.setup.pause(c.setup.PaceMS / 1000)
			}
		}()
	}
}

// burst takes sessions all at once and works with each, for this time.
func (c *client) burst(seconds float64) {
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	done := make(chan bool)
	for index := 0; index < c.setup.Size; index++ {
		go func() {
			for time.Now().Before(end) {
				if s, err := c.take(); err == nil {
					_ = c.work.request(s)
					sleep(0.2)
					s.release()
				}
			}
			done <- true
		}()
	}
	for index := 0; index < c.setup.Size; index++ {
		<-done
	}
}
