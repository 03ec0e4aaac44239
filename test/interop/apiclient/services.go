package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type byName struct {
	Name string `json:"name"`
}

func init() {
	register("services.List", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.Services().List(ctx)
	})
	register("services.Get", func(ctx context.Context, c *tailscale.Client, a byName) (any, error) {
		return c.Services().Get(ctx, a.Name)
	})
	register("services.CreateOrUpdate", func(ctx context.Context, c *tailscale.Client, a tailscale.Service) (any, error) {
		return nil, c.Services().CreateOrUpdate(ctx, a)
	})
	register("services.Delete", func(ctx context.Context, c *tailscale.Client, a byName) (any, error) {
		return nil, c.Services().Delete(ctx, a.Name)
	})
}
