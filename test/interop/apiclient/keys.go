package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type byID struct {
	ID string `json:"id"`
}

type listKeys struct {
	All bool `json:"all"`
}

type setOAuthClient struct {
	ID string `json:"id"`
	tailscale.SetOAuthClientRequest
}

type setFederatedIdentity struct {
	ID string `json:"id"`
	tailscale.SetFederatedIdentityRequest
}

func init() {
	register("keys.CreateAuthKey", func(ctx context.Context, c *tailscale.Client, a tailscale.CreateKeyRequest) (any, error) {
		return c.Keys().CreateAuthKey(ctx, a)
	})
	register("keys.CreateOAuthClient", func(ctx context.Context, c *tailscale.Client, a tailscale.CreateOAuthClientRequest) (any, error) {
		return c.Keys().CreateOAuthClient(ctx, a)
	})
	register("keys.SetOAuthClient", func(ctx context.Context, c *tailscale.Client, a setOAuthClient) (any, error) {
		return c.Keys().SetOAuthClient(ctx, a.ID, a.SetOAuthClientRequest)
	})
	register("keys.CreateFederatedIdentity", func(ctx context.Context, c *tailscale.Client, a tailscale.CreateFederatedIdentityRequest) (any, error) {
		return c.Keys().CreateFederatedIdentity(ctx, a)
	})
	register("keys.SetFederatedIdentity", func(ctx context.Context, c *tailscale.Client, a setFederatedIdentity) (any, error) {
		return c.Keys().SetFederatedIdentity(ctx, a.ID, a.SetFederatedIdentityRequest)
	})
	register("keys.Get", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Keys().Get(ctx, a.ID)
	})
	register("keys.List", func(ctx context.Context, c *tailscale.Client, a listKeys) (any, error) {
		return c.Keys().List(ctx, a.All)
	})
	register("keys.Delete", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return nil, c.Keys().Delete(ctx, a.ID)
	})
}
