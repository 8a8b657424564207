package main

import (
	"fmt"
	"os"
	"time"
)

// startHealthy starts a behaviour that loses nothing.
func (c *client) startHealthy() error {
	s := c.setup
	switch s.Behaviour {
	case "steady", "prefork", "validated", "refill", "half-dead":
		c.workers(s.Workers)
	case "burst", "keepalive":
		go func() {
			c.burst(5)
			c.workers(min(s.Workers, 2))
		}()
	case "bursts":
		go func() {
			for {
				c.burst(4)
				s.pause(s.PeriodS)
			}
		}()
		c.workers(1)
	case "ebb":
		c.startEbb()
	case "uneven":
		c.startUneven()
	case "standby":
		c.serve()
	case "rare":
		for worker := 0; worker < s.Workers; worker++ {
			go func() {
				sleep(float64(s.draw(5000)) / 1000)
				for {
					c.serve()
					s.pause(s.PeriodS)
				}
			}()
		}
	case "batch":
		go c.runBatch()
		c.workers(s.Workers - 1)
	case "listener":
		c.workers(s.Workers)
		return c.hold(fmt.Sprintf("listen changes_%d", len(s.ID)))
	case "leader":
		c.workers(s.Workers)
		return c.hold(fmt.Sprintf("select pg_advisory_lock(%d)", 5000+len(s.ID)))
	case "drain":
		go func() {
			for end := time.Now().Add(time.Duration(s.PeriodS * float64(time.Second))); time.Now().Before(end); {
				c.burst(2)
			}
		}()
	case "streaming":
		go c.stream()
		c.workers(s.Workers)
	default:
		return fmt.Errorf("no healthy behaviour %s", s.Behaviour)
	}
	return nil
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// runJobs opens a pool for each job and closes it.
func (c *client) runJobs() {
	for {
		if err := c.open(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		for step := 0; step < 6; step++ {
			c.serve()
			sleep(0.25)
		}
		c.current().close()
		c.setup.pause(c.setup.PeriodS)
	}
}

// runBatch works in long transactions.
func (c *client) runBatch() {
	for {
		s, err := c.take()
		if err != nil {
			continue
		}
		if err := s.begin(); err == nil {
			for step := 0; step < 60; step++ {
				_ = c.work.order(s)
				c.setup.pause(1.5)
			}
			_ = s.commit()
		}
		s.release()
	}
}

var heldSession session

// hold keeps a session for as long as the program runs.
func (c *client) hold(sql string) (err error) {
	if heldSession, err = c.take(); err == nil {
		err = heldSession.run(sql)
	}
	return
}

// stream reads a result slowly through a cursor.
func (c *client) stream() {
	for {
		s, err := c.take()
		if err != nil {
			continue
		}
		if err := s.begin(); err == nil {
			_ = s.run("declare export cursor for select id, name, stock from items order by name")
			for fetch := 0; fetch < 20; fetch++ {
				_ = s.run("fetch 50 from export")
				sleep(1)
			}
			_ = s.commit()
		}
		s.release()
		c.setup.pause(c.setup.PaceMS / 1000)
	}
}
