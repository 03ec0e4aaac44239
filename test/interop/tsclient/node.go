// The nodes: start, watch, ask, close. A node reports its state, its login link, its errors and its address
// as events, as soon as its backend says so.

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"tailscale.com/client/tailscale/apitype"
	"tailscale.com/ipn"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
	"tailscale.com/version"
)

func clientVersion() string { return version.Long() }

// localAPI is the part of the local client that the tests use. Its type moved between packages from one client
// version to the next, so it is held as functions.
type localAPI struct {
	status   func(context.Context) (*ipnstate.Status, error)
	login    func(context.Context) error
	logout   func(context.Context) error
	whois    func(context.Context, string) (*apitype.WhoIsResponse, error)
	pingPeer func(context.Context, netip.Addr, tailcfg.PingType) (*ipnstate.PingResult, error)
	derpMap  func(context.Context) (*tailcfg.DERPMap, error)
	edit     func(context.Context, *ipn.MaskedPrefs) (*ipn.Prefs, error)
	next     func() (ipn.Notify, error)
	watch    func(context.Context, ipn.NotifyWatchOpt) (next func() (ipn.Notify, error), stop func() error, err error)
}

type node struct {
	name   string
	server *tsnet.Server
	local  localAPI
	log    *os.File
	stop   context.CancelFunc
}

type nodeSet struct {
	mu    sync.Mutex
	nodes map[string]*node
}

func newNodeSet() *nodeSet { return &nodeSet{nodes: map[string]*node{}} }

func (s *nodeSet) get(name string) (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("no node %q was started", name)
}

// start makes a node from req and returns at once: what becomes of it arrives as events.
func (s *nodeSet) start(req *request) (any, error) {
	if err := os.MkdirAll(req.Dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(req.Dir, "client.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	logf := func(format string, args ...any) {
		fmt.Fprintf(log, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
	}
	srv := &tsnet.Server{
		Dir: req.Dir, Hostname: req.Hostname, ControlURL: req.Control, AuthKey: req.AuthKey, Ephemeral: req.Ephemeral,
		Logf: logf, UserLogf: logf,
	}
	if len(req.Tags) > 0 {
		// The field is younger than the oldest client in the tests.
		field := reflect.ValueOf(srv).Elem().FieldByName("AdvertiseTags")
		if !field.IsValid() {
			return nil, fmt.Errorf("client %s cannot ask for tags", clientVersion())
		}
		field.Set(reflect.ValueOf(req.Tags))
	}
	if err := srv.Start(); err != nil {
		return nil, err
	}
	lc, err := srv.LocalClient()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	watcher, err := lc.WatchIPNBus(ctx, ipn.NotifyInitialState)
	if err != nil {
		stop()
		return nil, err
	}
	n := &node{name: req.Node, server: srv, log: log, stop: stop, local: localAPI{
		status: lc.Status, login: lc.StartLoginInteractive, logout: lc.Logout, whois: lc.WhoIs, pingPeer: lc.Ping,
		derpMap: lc.CurrentDERPMap, edit: lc.EditPrefs, next: watcher.Next,
		watch: func(ctx context.Context, mask ipn.NotifyWatchOpt) (func() (ipn.Notify, error), func() error, error) {
			watcher, err := lc.WatchIPNBus(ctx, mask)
			if err != nil {
				return nil, nil, err
			}
			return watcher.Next, watcher.Close, nil
		},
	}}
	s.mu.Lock()
	s.nodes[req.Node] = n
	s.mu.Unlock()
	go n.report(ctx)
	return nil, nil
}

// report turns what the backend announces into events until the node is closed.
func (n *node) report(ctx context.Context) {
	for {
		said, err := n.local.next()
		if err != nil {
			if ctx.Err() == nil {
				emit(map[string]any{"event": "closed", "node": n.name, "error": err.Error()})
			}
			return
		}
		if said.State != nil {
			emit(map[string]any{"event": "state", "node": n.name, "state": said.State.String()})
		}
		if said.BrowseToURL != nil && *said.BrowseToURL != "" {
			emit(map[string]any{"event": "url", "node": n.name, "url": *said.BrowseToURL})
		}
		if said.ErrMessage != nil && *said.ErrMessage != "" {
			emit(map[string]any{"event": "error", "node": n.name, "error": *said.ErrMessage})
		}
		if said.LoginFinished != nil {
			emit(map[string]any{"event": "login", "node": n.name})
		}
	}
}

func (n *node) ping(ctx context.Context, address, kind string) (any, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nil, err
	}
	return n.local.pingPeer(ctx, ip, tailcfg.PingType(kind))
}

func (n *node) advertise(ctx context.Context, routes []string) error {
	prefixes := []netip.Prefix{}
	for _, text := range routes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		prefixes = append(prefixes, prefix)
	}
	_, err := n.local.edit(ctx, &ipn.MaskedPrefs{AdvertiseRoutesSet: true, Prefs: ipn.Prefs{AdvertiseRoutes: prefixes}})
	return err
}

// netmap is what the server has told this node, as far as a test may see it: private keys stay here.
func (n *node) netmap(ctx context.Context) (any, error) {
	next, stop, err := n.local.watch(ctx, ipn.NotifyInitialNetMap)
	if err != nil {
		return nil, err
	}
	defer stop()
	for {
		said, err := next()
		if err != nil {
			return nil, err
		}
		if nm := said.NetMap; nm != nil {
			return map[string]any{
				"self": nm.SelfNode, "peers": nm.Peers, "rules": nm.PacketFilterRules, "ssh": nm.SSHPolicy, "dns": nm.DNS,
			}, nil
		}
	}
}

// close ends one node the way a program that uses tsnet does. Its name is free again afterwards.
func (s *nodeSet) close(name string) error {
	s.mu.Lock()
	n := s.nodes[name]
	delete(s.nodes, name)
	s.mu.Unlock()
	if n == nil {
		return fmt.Errorf("no node %q was started", name)
	}
	n.stop()
	err := n.server.Close()
	n.log.Close()
	return err
}

func (s *nodeSet) closeAll() {
	s.mu.Lock()
	names := []string{}
	for name := range s.nodes {
		names = append(names, name)
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, name := range names {
		all.Add(1)
		go func() { defer all.Done(); s.close(name) }()
	}
	all.Wait()
}
