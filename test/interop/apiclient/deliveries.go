package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type updateWebhook struct {
	ID            string                              `json:"id"`
	Subscriptions []tailscale.WebhookSubscriptionType `json:"subscriptions"`
}

type logstream struct {
	LogType tailscale.LogType                          `json:"logType"`
	Config  tailscale.SetLogstreamConfigurationRequest `json:"config"`
}

type externalID struct {
	Reusable bool   `json:"reusable"`
	ID       string `json:"id"`
	RoleARN  string `json:"roleArn"`
}

func init() {
	register("webhooks.Create", func(ctx context.Context, c *tailscale.Client, a tailscale.CreateWebhookRequest) (any, error) {
		return c.Webhooks().Create(ctx, a)
	})
	register("webhooks.List", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.Webhooks().List(ctx)
	})
	register("webhooks.Get", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Webhooks().Get(ctx, a.ID)
	})
	register("webhooks.Update", func(ctx context.Context, c *tailscale.Client, a updateWebhook) (any, error) {
		return c.Webhooks().Update(ctx, a.ID, a.Subscriptions)
	})
	register("webhooks.Delete", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return nil, c.Webhooks().Delete(ctx, a.ID)
	})
	register("webhooks.Test", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return nil, c.Webhooks().Test(ctx, a.ID)
	})
	register("webhooks.RotateSecret", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Webhooks().RotateSecret(ctx, a.ID)
	})
	register("logging.LogstreamConfiguration", func(ctx context.Context, c *tailscale.Client, a logstream) (any, error) {
		return c.Logging().LogstreamConfiguration(ctx, a.LogType)
	})
	register("logging.SetLogstreamConfiguration", func(ctx context.Context, c *tailscale.Client, a logstream) (any, error) {
		return nil, c.Logging().SetLogstreamConfiguration(ctx, a.LogType, a.Config)
	})
	register("logging.DeleteLogstreamConfiguration", func(ctx context.Context, c *tailscale.Client, a logstream) (any, error) {
		return nil, c.Logging().DeleteLogstreamConfiguration(ctx, a.LogType)
	})
	register("logging.CreateOrGetAwsExternalId", func(ctx context.Context, c *tailscale.Client, a externalID) (any, error) {
		return c.Logging().CreateOrGetAwsExternalId(ctx, a.Reusable)
	})
	register("logging.ValidateAWSTrustPolicy", func(ctx context.Context, c *tailscale.Client, a externalID) (any, error) {
		return nil, c.Logging().ValidateAWSTrustPolicy(ctx, a.ID, a.RoleARN)
	})
}
