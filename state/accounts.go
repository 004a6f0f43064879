package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
)

// Role names what an account may do, in Redfish's spelling (DSP0266, 13.8).
type Role string

// The standard roles.
const (
	RoleAdministrator Role = "Administrator"
	RoleOperator      Role = "Operator"
	RoleReadOnly      Role = "ReadOnly"
)

// Account is a caller known to the gateway. Its credentials are never passed
// on to firmware.
type Account struct {
	// Version is the record's form.
	Version int `json:"version"`
	// Username is the name used at login; it is the record's key as well.
	Username string `json:"username"`
	// PasswordHash is made and checked by package redfish.
	PasswordHash string `json:"password_hash"`
	// Role is one of the standard roles.
	Role Role `json:"role"`
	// Systems confines the account to these node ids; nil means every node.
	Systems []string `json:"systems,omitempty"`
}

const (
	accountVersion = 1
	accountPrefix  = "account/"
	uuidKey        = "service/uuid"
)

// Sees reports whether the account may know of the node at all.
func (a Account) Sees(node string) bool { return a.Systems == nil || slices.Contains(a.Systems, node) }

// Accounts keeps accounts in a store.
type Accounts struct{ store Store }

// NewAccounts returns the accounts of that store.
func NewAccounts(store Store) *Accounts { return &Accounts{store: store} }

// Get returns the account, or an error of KindNotFound.
func (a *Accounts) Get(ctx context.Context, username string) (Account, error) {
	entry, err := a.store.Get(ctx, accountPrefix+username)
	if err != nil {
		return Account{}, fmt.Errorf("read account: %w", err)
	}
	return decodeAccount(entry)
}

// List returns all accounts, sorted by name.
func (a *Accounts) List(ctx context.Context) ([]Account, error) {
	entries, err := a.store.List(ctx, accountPrefix)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	accounts := make([]Account, 0, len(entries))
	for _, entry := range entries {
		account, err := decodeAccount(entry)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account)
	}
	return accounts, nil
}

// Create adds an account, or fails with KindExists.
func (a *Accounts) Create(ctx context.Context, account Account) error {
	account.Version = accountVersion
	value, err := json.Marshal(account)
	if err != nil {
		return fmt.Errorf("encode account: %w", err)
	}
	_, err = a.store.Update(ctx, accountPrefix+account.Username, func(old Entry) ([]byte, error) {
		if old.Value != nil {
			return nil, Errorf(KindExists, "create account", "", "there is an account %q", account.Username)
		}
		return value, nil
	})
	if err != nil {
		return fmt.Errorf("store account: %w", err)
	}
	return nil
}

func decodeAccount(entry Entry) (Account, error) {
	var account Account
	if err := json.Unmarshal(entry.Value, &account); err != nil {
		return Account{}, Errorf(KindStore, "read account", "", "%s: %w", entry.Key, err)
	}
	if account.Version != accountVersion {
		return Account{}, Errorf(KindStore, "read account", "", "%s has version %d, this program knows %d", entry.Key, account.Version, accountVersion)
	}
	return account, nil
}

// ServiceUUID returns the gateway's own UUID (RFC 9562, version 4), made once
// and kept in the store.
func ServiceUUID(ctx context.Context, store Store) (string, error) {
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("make service UUID: %w", err)
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	fresh := fmt.Appendf(nil, "%x-%x-%x-%x-%x", raw[0:4], raw[4:6], raw[6:8], raw[8:10], raw[10:16])
	entry, err := store.Update(ctx, uuidKey, func(old Entry) ([]byte, error) {
		if old.Value != nil {
			return old.Value, nil
		}
		return fresh, nil
	})
	if err != nil {
		return "", fmt.Errorf("store service UUID: %w", err)
	}
	return string(entry.Value), nil
}
