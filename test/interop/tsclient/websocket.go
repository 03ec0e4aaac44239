// The control channel over a WebSocket, as clients in a browser open it: the official Noise code over a plain
// WebSocket, so that a server (or a proxy before it) can be tested for it without a browser.

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"tailscale.com/control/controlbase"
	"tailscale.com/net/wsconn"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// controlOverWebSocket fetches the server's key from req.Control, does the whole handshake over a WebSocket and
// says how long the connection then stays up while this end keeps silent, for at most req.HoldMs.
func controlOverWebSocket(ctx context.Context, req *request) (any, error) {
	serverKey, err := fetchServerKey(ctx, req.Control)
	if err != nil {
		return nil, err
	}
	hello, finish, err := controlbase.ClientDeferred(key.NewMachine(), serverKey, uint16(tailcfg.CurrentCapabilityVersion))
	if err != nil {
		return nil, err
	}
	address := "ws" + strings.TrimPrefix(req.Control, "http") + "/ts2021?X-Tailscale-Handshake=" +
		url.QueryEscape(base64.StdEncoding.EncodeToString(hello))
	const protocol = "tailscale-control-protocol"
	socket, answer, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Subprotocols: []string{protocol},
		HTTPHeader:   http.Header{"Origin": {"https://console.example"}},
	})
	if err != nil {
		return nil, err
	}
	defer socket.CloseNow()
	socket.SetReadLimit(1 << 20)
	conn := wsconn.NetConn(context.Background(), socket, websocket.MessageBinary, address)
	noise, err := finish(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	defer noise.Close()
	began := time.Now()
	noise.SetReadDeadline(began.Add(time.Duration(req.HoldMs) * time.Millisecond))
	buffer := make([]byte, 4096)
	first := 0
	for {
		n, err := noise.Read(buffer)
		if first == 0 {
			first = n
		}
		if err != nil {
			break
		}
	}
	return map[string]any{
		"subprotocol": socket.Subprotocol(), "status": answer.StatusCode, "protocolVersion": noise.ProtocolVersion(),
		"firstBytes": first, "upMs": time.Since(began).Milliseconds(),
	}, nil
}

func fetchServerKey(ctx context.Context, control string) (k key.MachinePublic, err error) {
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/key?v=%d", control, tailcfg.CurrentCapabilityVersion), nil)
	if err != nil {
		return k, err
	}
	answer, err := http.DefaultClient.Do(get)
	if err != nil {
		return k, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return k, fmt.Errorf("/key: %s", answer.Status)
	}
	var keys struct {
		PublicKey key.MachinePublic `json:"publicKey"`
	}
	err = json.NewDecoder(answer.Body).Decode(&keys)
	return keys.PublicKey, err
}
