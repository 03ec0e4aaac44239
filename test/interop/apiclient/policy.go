package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

// policyText is a policy as a text, and the ETag that it rests on.
type policyText struct {
	HuJSON string `json:"hujson"`
	ETag   string `json:"etag"`
}

// policyObject is a policy as the client's own type, or tests for the one that is there.
type policyObject struct {
	ACL   tailscale.ACL       `json:"acl"`
	Tests []tailscale.ACLTest `json:"tests"`
	ETag  string              `json:"etag"`
}

// policyGot is what the client has read, with the ETag that its own JSON leaves out.
type policyGot struct {
	ACL  *tailscale.ACL `json:"acl"`
	ETag string         `json:"etag"`
}

type organization struct {
	DisplayName string `json:"displayName"`
}

func init() {
	register("policy.Get", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		acl, err := c.PolicyFile().Get(ctx)
		if err != nil {
			return nil, err
		}
		return policyGot{ACL: acl, ETag: acl.ETag}, nil
	})
	register("policy.Raw", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		raw, err := c.PolicyFile().Raw(ctx)
		if err != nil {
			return nil, err
		}
		return policyText{HuJSON: raw.HuJSON, ETag: raw.ETag}, nil
	})
	register("policy.SetText", func(ctx context.Context, c *tailscale.Client, a policyText) (any, error) {
		return nil, c.PolicyFile().Set(ctx, a.HuJSON, a.ETag)
	})
	register("policy.SetObject", func(ctx context.Context, c *tailscale.Client, a policyObject) (any, error) {
		return nil, c.PolicyFile().Set(ctx, a.ACL, a.ETag)
	})
	register("policy.SetAndGet", func(ctx context.Context, c *tailscale.Client, a policyObject) (any, error) {
		acl, err := c.PolicyFile().SetAndGet(ctx, a.ACL, a.ETag)
		if err != nil {
			return nil, err
		}
		return policyGot{ACL: acl, ETag: acl.ETag}, nil
	})
	register("policy.ValidateText", func(ctx context.Context, c *tailscale.Client, a policyText) (any, error) {
		return nil, c.PolicyFile().Validate(ctx, a.HuJSON)
	})
	register("policy.ValidateObject", func(ctx context.Context, c *tailscale.Client, a policyObject) (any, error) {
		return nil, c.PolicyFile().Validate(ctx, a.ACL)
	})
	register("policy.ValidateTests", func(ctx context.Context, c *tailscale.Client, a policyObject) (any, error) {
		return nil, c.PolicyFile().Validate(ctx, a.Tests)
	})
	register("tailnets.Create", func(ctx context.Context, c *tailscale.Client, a organization) (any, error) {
		return c.Tailnets().Create(ctx, tailscale.CreateTailnetRequest{DisplayName: a.DisplayName})
	})
	register("tailnets.List", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.Tailnets().List(ctx)
	})
	register("tailnets.Delete", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return nil, c.Tailnets().Delete(ctx)
	})
}
