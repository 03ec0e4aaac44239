package main

import (
	"context"

	tailscale "tailscale.com/client/tailscale/v2"
)

type listDevices struct {
	Fields  string              `json:"fields"`
	Filters map[string][]string `json:"filters"`
}

type setDevice struct {
	ID         string   `json:"id"`
	Authorized bool     `json:"authorized"`
	Name       string   `json:"name"`
	Tags       []string `json:"tags"`
	NoExpiry   bool     `json:"keyExpiryDisabled"`
	IPv4       string   `json:"ipv4"`
	Routes     []string `json:"routes"`
}

type deviceAttribute struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func init() {
	register("devices.Get", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Devices().Get(ctx, a.ID)
	})
	register("devices.GetWithAllFields", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Devices().GetWithAllFields(ctx, a.ID)
	})
	register("devices.List", func(ctx context.Context, c *tailscale.Client, a listDevices) (any, error) {
		options := []tailscale.ListDevicesOptions{}
		if a.Fields != "" {
			options = append(options, tailscale.WithFields(tailscale.IncludeFields(a.Fields)))
		}
		for key, values := range a.Filters {
			options = append(options, tailscale.WithFilter(key, values))
		}
		return c.Devices().List(ctx, options...)
	})
	register("devices.ListWithAllFields", func(ctx context.Context, c *tailscale.Client, _ none) (any, error) {
		return c.Devices().ListWithAllFields(ctx)
	})
	register("devices.SetAuthorized", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetAuthorized(ctx, a.ID, a.Authorized)
	})
	register("devices.SetName", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetName(ctx, a.ID, a.Name)
	})
	register("devices.SetTags", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetTags(ctx, a.ID, a.Tags)
	})
	register("devices.SetKey", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetKey(ctx, a.ID, tailscale.DeviceKey{KeyExpiryDisabled: a.NoExpiry})
	})
	register("devices.SetIPv4Address", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetIPv4Address(ctx, a.ID, a.IPv4)
	})
	register("devices.SetSubnetRoutes", func(ctx context.Context, c *tailscale.Client, a setDevice) (any, error) {
		return nil, c.Devices().SetSubnetRoutes(ctx, a.ID, a.Routes)
	})
	register("devices.SubnetRoutes", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Devices().SubnetRoutes(ctx, a.ID)
	})
	register("devices.GetPostureAttributes", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return c.Devices().GetPostureAttributes(ctx, a.ID)
	})
	register("devices.SetPostureAttribute", func(ctx context.Context, c *tailscale.Client, a deviceAttribute) (any, error) {
		return nil, c.Devices().SetPostureAttribute(ctx, a.ID, a.Key, tailscale.DevicePostureAttributeRequest{Value: a.Value})
	})
	register("devices.DeletePostureAttribute", func(ctx context.Context, c *tailscale.Client, a deviceAttribute) (any, error) {
		return nil, c.Devices().DeletePostureAttribute(ctx, a.ID, a.Key)
	})
	register("devices.Delete", func(ctx context.Context, c *tailscale.Client, a byID) (any, error) {
		return nil, c.Devices().Delete(ctx, a.ID)
	})
}
