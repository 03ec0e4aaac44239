// Testcontrol is the official module's own control server with its relay and STUN server, as one program: what our
// node must cope with besides our server.
//
//	testcontrol ADDRESS     an IPv4 address of this machine that clients reach it at
//
// It says where each listens as one line of JSON: {"control":"http://ADDRESS:PORT","derp":PORT,"stun":PORT}.
// Lines on stdin are commands: "expire" and "renew" change every node's key. The end of stdin ends the program.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stunserver"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: testcontrol ADDRESS")
	}
	address := os.Args[1]

	stun := stunserver.New(context.Background())
	if err := stun.Listen(net.JoinHostPort(address, "0")); err != nil {
		log.Fatal(err)
	}
	go stun.Serve()
	stunPort := stun.LocalAddr().(*net.UDPAddr).Port

	relay := derpserver.New(key.NewNode(), log.Printf)
	relayServer := serveOn(address, derpserver.Handler(relay))
	// Relays upgrade connections of HTTP/1.1.
	relayServer.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	relayServer.StartTLS()
	relayPort := relayServer.Listener.Addr().(*net.TCPAddr).Port

	control := &testcontrol.Server{
		Logf:             log.Printf,
		MagicDNSDomain:   "test.example",
		AllNodesSameUser: true,
		AllOnline:        true,
		DERPMap: &tailcfg.DERPMap{Regions: map[int]*tailcfg.DERPRegion{1: {
			RegionID: 1, RegionCode: "test",
			Nodes: []*tailcfg.DERPNode{{
				Name: "t1", RegionID: 1, HostName: address, IPv4: address, IPv6: "none", STUNPort: stunPort,
				DERPPort: relayPort, InsecureForTests: true, STUNTestIP: address,
			}},
		}}},
	}
	control.HTTPTestServer = serveOn(address, control)
	control.HTTPTestServer.Start()

	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"control": control.HTTPTestServer.URL, "derp": relayPort, "stun": stunPort,
	})
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		switch commands.Text() {
		case "expire":
			control.SetExpireAllNodes(true)
		case "renew":
			control.SetExpireAllNodes(false)
		}
	}
}

// serveOn is a web server on a port of address that is free; it has not been started.
func serveOn(address string, handler http.Handler) *httptest.Server {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listener
	return server
}
