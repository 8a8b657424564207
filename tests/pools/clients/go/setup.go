package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"time"
)

// setup of this process, as PROTOCOL.md describes it.
type setup struct {
	ID              string         `json:"id"`
	Library         string         `json:"library"`
	Behaviour       string         `json:"behaviour"`
	Host            string         `json:"host"`
	Port            int            `json:"port"`
	User            string         `json:"user"`
	Password        string         `json:"password"`
	Database        string         `json:"database"`
	Mode            string         `json:"mode"`
	ApplicationName *string        `json:"application_name"`
	Size            int            `json:"size"`
	Min             *int           `json:"min"`
	Workers         int            `json:"workers"`
	PaceMS          float64        `json:"pace_ms"`
	Seed            int64          `json:"seed"`
	Lose            int            `json:"lose"`
	FirstLossS      float64        `json:"first_loss_s"`
	LossEveryS      float64        `json:"loss_every_s"`
	PeriodS         float64        `json:"period_s"`
	Instance        int64          `json:"instance"`
	Options         map[string]any `json:"options"`
	random          *rand.Rand     `json:"-"`
	lock            sync.Mutex     `json:"-"`
}

func parseSetup(text string) (*setup, error) {
	read := &setup{}
	if err := json.Unmarshal([]byte(text), read); err != nil {
		return nil, err
	}
	read.random = rand.New(rand.NewSource(read.Seed*1000 + read.Instance))
	return read, nil
}

// conninfo is understood by pgx and by lib/pq. Neither sets a name by itself.
func (s *setup) conninfo() string {
	info := fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable",
		s.Host, s.Port, s.User, s.Password, s.Database)
	if s.ApplicationName != nil && *s.ApplicationName != "" {
		name := strings.ReplaceAll(*s.ApplicationName, "{pid}", fmt.Sprint(os.Getpid()))
		info += fmt.Sprintf(" application_name='%s'", name)
	}
	return info
}

func (s *setup) flag(name string) bool {
	value, _ := s.Options[name].(bool)
	return value
}

func (s *setup) number(name string, otherwise int) int {
	if value, found := s.Options[name].(float64); found {
		return int(value)
	}
	return otherwise
}

func (s *setup) text(name string, otherwise string) string {
	if value, found := s.Options[name].(string); found {
		return value
	}
	return otherwise
}

// draw returns a number from 0 to the limit, exclusively.
func (s *setup) draw(limit int) int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.random.Intn(limit)
}

// pause sleeps for half to one and a half of the mean.
func (s *setup) pause(seconds float64) {
	s.lock.Lock()
	factor := 0.5 + s.random.Float64()
	s.lock.Unlock()
	sleep(seconds * factor)
}

func sleep(seconds float64) {
	time.Sleep(time.Duration(seconds * float64(time.Second)))
}
