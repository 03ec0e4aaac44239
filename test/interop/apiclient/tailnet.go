package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type listUsers struct {
	Type *tailscale.UserType `json:"type"`
	Role *tailscale.UserRole `json:"role"`
}

type updateContact struct {
	Type tailscale.ContactType `json:"type"`
	tailscale.UpdateContactRequest
}

func init() {
	register("users.List", func(ctx context.Context, c *tailscale.Client, a listUsers) (any, error) {
		return c.Users().List(ctx, a.Type, a.Role)
	})
	register("users.Get", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Users().Get(ctx, a.ID)
	})
	register("contacts.Get", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.Contacts().Get(ctx)
	})
	register("contacts.Update", func(ctx context.Context, c *tailscale.Client, a updateContact) (any, error) {
		return nil, c.Contacts().Update(ctx, a.Type, a.UpdateContactRequest)
	})
	register("settings.Get", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.TailnetSettings().Get(ctx)
	})
	register("settings.Update", func(ctx context.Context, c *tailscale.Client, a tailscale.UpdateTailnetSettingsRequest) (any, error) {
		return nil, c.TailnetSettings().Update(ctx, a)
	})
}
