package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/amt-redfish/amt-redfish/redfish"
	"github.com/amt-redfish/amt-redfish/state"
)

// firstAccount makes the administrator if there is no account at all.
func (g *gateway) firstAccount(ctx context.Context, accounts *state.Accounts) error {
	existing, err := accounts.List(ctx)
	if err != nil || len(existing) > 0 {
		return err
	}
	admin := g.config.Admin
	password := admin.Password.Reveal()
	made := admin.Password.IsZero()
	if made {
		password = rand.Text() // 26 characters, 128 bits
	}
	hash, err := redfish.HashPassword(password)
	if err != nil {
		return fmt.Errorf("hash the first account's password: %w", err)
	}
	err = accounts.Create(ctx, state.Account{Username: admin.Username, PasswordHash: hash, Role: state.RoleAdministrator})
	if err != nil {
		return err
	}
	g.log.Info("made the first account", "username", admin.Username)
	if made && g.hooks.password != nil {
		g.hooks.password(admin.Username, password)
	}
	return nil
}
