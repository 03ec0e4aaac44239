package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type list struct {
	List []string `json:"list"`
}

func init() {
	register("dns.SetNameservers", func(ctx context.Context, c *tailscale.Client, a list) (any, error) {
		return nil, c.DNS().SetNameservers(ctx, a.List)
	})
	register("dns.Nameservers", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DNS().Nameservers(ctx)
	})
	register("dns.SetSearchPaths", func(ctx context.Context, c *tailscale.Client, a list) (any, error) {
		return nil, c.DNS().SetSearchPaths(ctx, a.List)
	})
	register("dns.SearchPaths", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DNS().SearchPaths(ctx)
	})
	register("dns.UpdateSplitDNS", func(ctx context.Context, c *tailscale.Client, a tailscale.SplitDNSRequest) (any, error) {
		return c.DNS().UpdateSplitDNS(ctx, a)
	})
	register("dns.SetSplitDNS", func(ctx context.Context, c *tailscale.Client, a tailscale.SplitDNSRequest) (any, error) {
		return nil, c.DNS().SetSplitDNS(ctx, a)
	})
	register("dns.SplitDNS", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DNS().SplitDNS(ctx)
	})
	register("dns.SetPreferences", func(ctx context.Context, c *tailscale.Client, a tailscale.DNSPreferences) (any, error) {
		return nil, c.DNS().SetPreferences(ctx, a)
	})
	register("dns.Preferences", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DNS().Preferences(ctx)
	})
	register("dns.SetConfiguration", func(ctx context.Context, c *tailscale.Client, a tailscale.DNSConfiguration) (any, error) {
		return nil, c.DNS().SetConfiguration(ctx, a)
	})
	register("dns.Configuration", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DNS().Configuration(ctx)
	})
}
