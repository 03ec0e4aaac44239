// What flows between nodes: a small web server on each, and a client that counts, sums and times what it gets.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"
)

// serve answers on the node's tailnet address:
//
//	/hello            "hello from NAME"
//	/who              whom the server takes the caller for, as JSON
//	/bytes?n=N&bps=B  N bytes whose SHA-256 follows as a trailer; at most B bytes a second if B is given
func (n *node) serve(port int) (any, error) {
	listener, err := n.server.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "hello from %s", n.name) })
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		who, err := n.local.whois(r.Context(), r.RemoteAddr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(who)
	})
	mux.HandleFunc("/bytes", sendBytes)
	go http.Serve(listener, mux)
	return map[string]any{"address": listener.Addr().String()}, nil
}

func sendBytes(w http.ResponseWriter, r *http.Request) {
	total, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
	if err != nil {
		http.Error(w, "want n=BYTES", http.StatusBadRequest)
		return
	}
	perSecond, _ := strconv.ParseInt(r.FormValue("bps"), 10, 64)
	w.Header().Set("Trailer", "Sha256")
	sum := sha256.New()
	block := make([]byte, 16<<10)
	state := uint64(88172645463325252)
	began := time.Now()
	for sent := int64(0); sent < total; {
		for i := range block {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			block[i] = byte(state)
		}
		piece := block[:min(int64(len(block)), total-sent)]
		sum.Write(piece)
		if _, err := w.Write(piece); err != nil {
			return
		}
		sent += int64(len(piece))
		if perSecond > 0 {
			due := began.Add(time.Duration(float64(sent) / float64(perSecond) * float64(time.Second)))
			time.Sleep(time.Until(due))
		}
	}
	w.Header().Set("Sha256", hex.EncodeToString(sum.Sum(nil)))
}

// tally reads a body, and knows how long it had to wait for the first piece and, at most, for any later one.
type tally struct {
	req    *request
	sum    hash.Hash
	bytes  int64
	began  time.Time
	first  time.Duration
	last   time.Time
	maxGap time.Duration
	said   time.Time
}

func (t *tally) Write(piece []byte) (int, error) {
	now := time.Now()
	if t.bytes == 0 {
		t.first = now.Sub(t.began)
	} else {
		t.maxGap = max(t.maxGap, now.Sub(t.last))
	}
	t.last = now
	t.bytes += int64(len(piece))
	if t.req.Progress && now.Sub(t.said) >= 100*time.Millisecond {
		t.said = now
		emit(map[string]any{"event": "progress", "node": t.req.Node, "request": t.req.ID, "bytes": t.bytes})
	}
	return t.sum.Write(piece)
}

// fetch gets req.URL through the tailnet. "intact" says that the sum in the trailer is that of the bytes read.
func (n *node) fetch(ctx context.Context, req *request) (any, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.server.Dial, DisableKeepAlives: true}}
	return fetchWith(ctx, client, req)
}

// fetchPlain gets req.URL through the network that the process is in, not through a tailnet.
func fetchPlain(ctx context.Context, req *request) (any, error) {
	return fetchWith(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req)
}

func fetchWith(ctx context.Context, client *http.Client, req *request) (any, error) {
	began := time.Now()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, req.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range req.Headers {
		get.Header.Set(name, value)
	}
	answer, err := client.Do(get)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	counted := &tally{req: req, sum: sha256.New(), began: began}
	var text []byte
	if answer.ContentLength >= 0 && answer.ContentLength < 1<<16 {
		if text, err = io.ReadAll(io.TeeReader(answer.Body, counted)); err != nil {
			return nil, err
		}
	} else if _, err := io.Copy(counted, answer.Body); err != nil {
		return nil, fmt.Errorf("after %d bytes: %w", counted.bytes, err)
	}
	sum := hex.EncodeToString(counted.sum.Sum(nil))
	return map[string]any{
		"status": answer.StatusCode, "text": string(text), "bytes": counted.bytes, "sha256": sum,
		"intact": answer.Trailer.Get("Sha256") == sum, "ms": time.Since(began).Milliseconds(),
		"firstMs": counted.first.Milliseconds(), "maxGapMs": counted.maxGap.Milliseconds(),
	}, nil
}
