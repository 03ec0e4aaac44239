package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type updateIntegration struct {
	ID string `json:"id"`
	tailscale.UpdatePostureIntegrationRequest
}

func init() {
	register("posture.ListIntegrations", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.DevicePosture().ListIntegrations(ctx)
	})
	register("posture.CreateIntegration", func(ctx context.Context, c *tailscale.Client, a tailscale.CreatePostureIntegrationRequest) (any, error) {
		return c.DevicePosture().CreateIntegration(ctx, a)
	})
	register("posture.UpdateIntegration", func(ctx context.Context, c *tailscale.Client, a updateIntegration) (any, error) {
		return c.DevicePosture().UpdateIntegration(ctx, a.ID, a.UpdatePostureIntegrationRequest)
	})
	register("posture.GetIntegration", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.DevicePosture().GetIntegration(ctx, a.ID)
	})
	register("posture.DeleteIntegration", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return nil, c.DevicePosture().DeleteIntegration(ctx, a.ID)
	})
}
