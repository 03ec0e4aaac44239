// Command apiclient calls a server with the official client of API v2, driven by lines of JSON.
//
// Each line on stdin is a request {"id":1,"call":"keys.Get","auth":{...},"args":{...}}; each line on stdout is its answer
// {"id":1,"result":...} or {"id":1,"error":{"message":"...","status":404,"notFound":true}}. Requests run one after the
// other. What can be called is in one file for each resource, which registers its calls in calls. The server is the
// first argument.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	tailscale "tailscale.com/client/tailscale/v2"
)

// auth says who asks: an API token or access token, an OAuth client, or a federated identity.
type auth struct {
	Key          string   `json:"key"`
	ClientID     string   `json:"clientId"`
	ClientSecret string   `json:"clientSecret"`
	Scopes       []string `json:"scopes"`
	IDToken      string   `json:"idToken"`
	Tailnet      string   `json:"tailnet"`
}

type request struct {
	ID   int             `json:"id"`
	Call string          `json:"call"`
	Auth auth            `json:"auth"`
	Args json.RawMessage `json:"args"`
}

type failure struct {
	Message  string                   `json:"message"`
	Status   int                      `json:"status,omitempty"`
	NotFound bool                     `json:"notFound,omitempty"`
	Data     []tailscale.APIErrorData `json:"data,omitempty"`
}

type answer struct {
	ID     int      `json:"id"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

// calls holds every call by its name, RESOURCE.METHOD.
var calls = map[string]func(context.Context, *tailscale.Client, json.RawMessage) (any, error){}

// register adds a call whose arguments are one JSON object.
func register[A any](name string, call func(context.Context, *tailscale.Client, A) (any, error)) {
	calls[name] = func(ctx context.Context, c *tailscale.Client, raw json.RawMessage) (any, error) {
		var args A
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &args); err != nil {
				return nil, fmt.Errorf("cannot read the arguments of %s: %w", name, err)
			}
		}
		return call(ctx, c, args)
	}
}

// none is for calls without arguments.
type none struct{}

func clientOf(base *url.URL, a auth) *tailscale.Client {
	tailnet := a.Tailnet
	if tailnet == "" {
		tailnet = "-"
	}
	c := &tailscale.Client{BaseURL: base, Tailnet: tailnet}
	switch {
	case a.ClientSecret != "":
		c.Auth = &tailscale.OAuth{ClientID: a.ClientID, ClientSecret: a.ClientSecret, Scopes: a.Scopes}
	case a.IDToken != "":
		c.Auth = &tailscale.IdentityFederation{
			ClientID:    a.ClientID,
			IDTokenFunc: func() (string, error) { return a.IDToken, nil },
		}
	default:
		c.APIKey = a.Key
	}
	return c
}

func failureOf(err error) *failure {
	f := &failure{Message: err.Error(), NotFound: tailscale.IsNotFound(err), Data: tailscale.ErrorData(err)}
	var apiErr tailscale.APIError
	if errors.As(err, &apiErr) {
		f.Status = apiErr.Status
	}
	return f
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apiclient URL")
		os.Exit(2)
	}
	base, err := url.Parse(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	clients := map[string]*tailscale.Client{}
	for in.Scan() {
		var req request
		if err := json.Unmarshal(in.Bytes(), &req); err != nil {
			fmt.Fprintln(os.Stderr, "cannot read a request:", err)
			os.Exit(2)
		}
		// The same credentials are the same client, which keeps its access token.
		who, _ := json.Marshal(req.Auth)
		c, ok := clients[string(who)]
		if !ok {
			c = clientOf(base, req.Auth)
			clients[string(who)] = c
		}
		ans := answer{ID: req.ID}
		if call, ok := calls[req.Call]; ok {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			result, err := call(ctx, c, req.Args)
			cancel()
			if err != nil {
				ans.Error = failureOf(err)
			} else {
				ans.Result = result
			}
		} else {
			ans.Error = &failure{Message: "there is no call " + req.Call}
		}
		if err := out.Encode(ans); err != nil {
			os.Exit(1)
		}
	}
}
