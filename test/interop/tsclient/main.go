// Command tsclient runs official clients (tsnet) for the interop tests, driven by lines of JSON.
//
// Each line on stdin is a request {"id":1,"cmd":"up","node":"a",...}; each line on stdout is an answer
// {"id":1,"result":...} or {"id":1,"error":"..."}, or an event {"event":"state","node":"a",...}. Requests run
// side by side, so a long transfer does not hold up a status. One process holds any number of nodes, which keeps
// a test with 25 clients cheap. The end of stdin closes every node and ends the program.
//
// What a node can do is node.go; what it serves and fetches is traffic.go; knocking at ports is knock.go; the control
// channel over a WebSocket, which only browsers speak by themselves, is websocket.go. The same source builds against
// every client version that the tests use (the *.mod files in the folder above), so it leans on nothing that only some
// of them have.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// request holds the fields of all commands; each command reads its own.
type request struct {
	ID        int               `json:"id"`
	Cmd       string            `json:"cmd"`
	Node      string            `json:"node"`
	Dir       string            `json:"dir"`
	Control   string            `json:"control"`
	AuthKey   string            `json:"authKey"`
	Hostname  string            `json:"hostname"`
	Ephemeral bool              `json:"ephemeral"`
	Tags      []string          `json:"tags"`
	Routes    []string          `json:"routes"`
	URL       string            `json:"url"`
	Address   string            `json:"address"`
	Kind      string            `json:"kind"`
	Port      int               `json:"port"`
	TimeoutMs int               `json:"timeoutMs"`
	HoldMs    int               `json:"holdMs"`
	Progress  bool              `json:"progress"`
	Headers   map[string]string `json:"headers"`
}

// timeout is the time the request may take: its own figure, or half a minute.
func (r *request) timeout() time.Duration {
	if r.TimeoutMs > 0 {
		return time.Duration(r.TimeoutMs) * time.Millisecond
	}
	return 30 * time.Second
}

var stdout struct {
	sync.Mutex
	enc *json.Encoder
}

func emit(fields map[string]any) {
	stdout.Lock()
	defer stdout.Unlock()
	stdout.enc.Encode(fields)
}

func main() {
	stdout.enc = json.NewEncoder(os.Stdout)
	nodes := newNodeSet()
	emit(map[string]any{"event": "ready", "version": clientVersion()})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var req request
		if err := json.Unmarshal(lines.Bytes(), &req); err != nil {
			emit(map[string]any{"event": "error", "error": fmt.Sprintf("cannot read request: %v", err)})
			continue
		}
		go answer(nodes, &req)
	}
	nodes.closeAll()
}

func answer(nodes *nodeSet, req *request) {
	ctx, cancel := context.WithTimeout(context.Background(), req.timeout())
	defer cancel()
	result, err := run(ctx, nodes, req)
	if err != nil {
		emit(map[string]any{"id": req.ID, "error": err.Error()})
		return
	}
	emit(map[string]any{"id": req.ID, "result": result})
}

func run(ctx context.Context, nodes *nodeSet, req *request) (any, error) {
	switch req.Cmd {
	case "start":
		return nodes.start(req)
	case "plain":
		return fetchPlain(ctx, req)
	case "websocket":
		return controlOverWebSocket(ctx, req)
	}
	n, err := nodes.get(req.Node)
	if err != nil {
		return nil, err
	}
	switch req.Cmd {
	case "status":
		return n.local.status(ctx)
	case "login":
		return nil, n.local.login(ctx)
	case "logout":
		return nil, n.local.logout(ctx)
	case "whois":
		return n.local.whois(ctx, req.Address)
	case "ping":
		return n.ping(ctx, req.Address, req.Kind)
	case "derpmap":
		return n.local.derpMap(ctx)
	case "netmap":
		return n.netmap(ctx)
	case "routes":
		return nil, n.advertise(ctx, req.Routes)
	case "serve":
		return n.serve(req.Port)
	case "get":
		return n.fetch(ctx, req)
	case "knock":
		return n.knock(ctx, req)
	case "close":
		return nil, nodes.close(req.Node)
	}
	return nil, fmt.Errorf("unknown command %q", req.Cmd)
}
