package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

var output sync.Mutex

// printEvent writes a line to the runner.
func printEvent(format string, arguments ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", arguments...)
}

func now() int64 { return time.Now().UnixMicro() }

// reportLost reports a session by its socket's port, which the runner resolves to a server process.
func reportLost(port int, how string) {
	printEvent(`{"event":"lost","port":%d,"at_us":%d,"how":%q}`, port, now(), how)
}

// reportLostPid reports the server process that a transaction holds behind a pooler.
func reportLostPid(pid int, how string) {
	printEvent(`{"event":"lost","pid":%d,"at_us":%d,"how":%q}`, pid, now(), how)
}

func reportExhausted() { printEvent(`{"event":"exhausted","at_us":%d}`, now()) }
