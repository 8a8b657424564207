package main

import "time"

// unevenMS are the mean pauses of the workers of `uneven`, in turn.
var unevenMS = []float64{1_000, 5_000, 15_000, 30_000}

// startEbb starts workers that end one by one until a fast and a slow one are left; the sessions stay in the pool.
func (c *client) startEbb() {
	s := c.setup
	slow, slowMS := s.number("slow", 1), float64(s.number("slow_ms", 14_000))
	go c.workUntil(time.Time{}, s.PaceMS)
	go c.workUntil(time.Time{}, slowMS)
	begin := time.Now()
	for number := 0; number < s.Workers-2; number++ {
		paceMS := s.PaceMS
		if number >= s.Workers-slow-1 {
			paceMS = slowMS
		}
		after := s.FirstLossS + float64(number)*s.LossEveryS
		go c.workUntil(begin.Add(time.Duration(after*float64(time.Second))), paceMS)
	}
}

func (c *client) startUneven() {
	for number := 0; number < c.setup.Workers; number++ {
		go c.workUntil(time.Time{}, unevenMS[number%len(unevenMS)])
	}
}

// workUntil serves requests at a pace of its own; without an end if that is zero.
func (c *client) workUntil(end time.Time, paceMS float64) {
	held := float64(c.setup.number("hold_ms", 300)) / 1000
	for end.IsZero() || time.Now().Before(end) {
		c.serveAnd(func() { sleep(held) })
		c.setup.pause(paceMS / 1000)
	}
}
