// Knocking: short connections to one port, over and over, which tell when a change of policy takes effect.

package main

import (
	"context"
	"fmt"
	"time"
)

const (
	knockEvery = 25 * time.Millisecond
	// Less than the second after which a lost SYN is sent again: an answer then belongs to the time of the knock.
	knockPatience = 700 * time.Millisecond
	// A port that refused for so long without a break is closed; a single connection may also be lost on a busy machine.
	closedFor = 350 * time.Millisecond
)

type knocked struct {
	number int
	at     time.Time
	open   bool
}

// knock opens and closes connections to req.Address until the port is as req.Kind says, "open" or "closed". It
// answers when the first connection was begun that found it so, in ms since 1970, and how many before found it
// otherwise. The first outcome of all is an event, so that a test can make its change while knocking goes on.
func (n *node) knock(ctx context.Context, req *request) (any, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	outcomes := make(chan knocked)
	go func() {
		ticks := time.NewTicker(knockEvery)
		defer ticks.Stop()
		for number := 0; ctx.Err() == nil; number++ {
			go n.knockOnce(ctx, req.Address, number, outcomes)
			select {
			case <-ticks.C:
			case <-ctx.Done():
			}
		}
	}()
	// Outcomes come in any order; they are looked at in the order in which the connections were begun.
	early := map[int]knocked{}
	next, others := 0, 0
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("not %s, after %d knocks", req.Kind, next)
		case outcome := <-outcomes:
			early[outcome.number] = outcome
		}
		for outcome, ok := early[next]; ok; outcome, ok = early[next] {
			delete(early, next)
			if next++; next == 1 {
				emit(map[string]any{"event": "knocked", "node": n.name, "request": req.ID, "open": outcome.open})
			}
			if outcome.open != (req.Kind == "open") {
				others = next
				since = time.Time{}
				continue
			}
			if since.IsZero() {
				since = outcome.at
			}
			if outcome.open || outcome.at.Sub(since) >= closedFor {
				return map[string]any{"since": since.UnixMilli(), "others": others}, nil
			}
		}
	}
}

func (n *node) knockOnce(ctx context.Context, address string, number int, outcomes chan<- knocked) {
	dial, cancel := context.WithTimeout(ctx, knockPatience)
	defer cancel()
	at := time.Now()
	conn, err := n.server.Dial(dial, "tcp", address)
	if err == nil {
		conn.Close()
	}
	select {
	case outcomes <- knocked{number, at, err == nil}:
	case <-ctx.Done():
	}
}
