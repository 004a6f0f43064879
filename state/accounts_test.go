package state_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

func TestAccounts(t *testing.T) {
	store := storetest.NewMemory()
	accounts := state.NewAccounts(store)
	if _, err := accounts.Get(t.Context(), "admin"); !state.IsKind(err, state.KindNotFound) {
		t.Errorf("an account that is not there: %v", err)
	}
	admin := state.Account{Username: "admin", PasswordHash: "h", Role: state.RoleAdministrator}
	confined := state.Account{Username: "ironic", PasswordHash: "h", Role: state.RoleOperator, Systems: []string{"desk-01"}}
	for _, a := range []state.Account{confined, admin} {
		if err := accounts.Create(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := accounts.Create(t.Context(), admin); !state.IsKind(err, state.KindExists) {
		t.Errorf("an account twice: %v", err)
	}
	list, err := accounts.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Username != "admin" || list[1].Username != "ironic" {
		t.Errorf("list: %+v, %v", list, err)
	}
	got, err := accounts.Get(t.Context(), "ironic")
	if err != nil || !got.Sees("desk-01") || got.Sees("desk-02") || got.Role != state.RoleOperator {
		t.Errorf("confined account: %+v, %v", got, err)
	}
	if !list[0].Sees("desk-02") {
		t.Error("an account without a view does not see every node")
	}
	for key, value := range map[string]string{"account/new": `{"version": 99}`, "account/bad": `{`} {
		if _, err := store.Update(t.Context(), key, func(state.Entry) ([]byte, error) { return []byte(value), nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.Get(t.Context(), key[len("account/"):]); !state.IsKind(err, state.KindStore) {
			t.Errorf("%s: %v", key, err)
		}
		if _, err := accounts.List(t.Context()); !state.IsKind(err, state.KindStore) {
			t.Errorf("a list with %s: %v", key, err)
		}
	}
}

// TestAccountGolden freezes the stored form. If it fails, do not change the
// golden here: a new form is a new version.
func TestAccountGolden(t *testing.T) {
	store := storetest.NewMemory()
	err := state.NewAccounts(store).Create(t.Context(), state.Account{Username: "u", PasswordHash: "h", Role: state.RoleReadOnly, Systems: []string{"n"}})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := store.Get(t.Context(), "account/u")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(entry.Value), `{"version":1,"username":"u","password_hash":"h","role":"ReadOnly","systems":["n"]}`; got != want {
		t.Errorf("stored as %s, want %s", got, want)
	}
	if !json.Valid(entry.Value) {
		t.Error("no JSON")
	}
}

func TestServiceUUID(t *testing.T) {
	store := storetest.NewMemory()
	first, err := state.ServiceUUID(t.Context(), store)
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(first) {
		t.Errorf("UUID %q, %v", first, err)
	}
	if again, err := state.ServiceUUID(t.Context(), store); again != first || err != nil {
		t.Errorf("the second time it is %q, %v", again, err)
	}
	if other, _ := state.ServiceUUID(t.Context(), storetest.NewMemory()); other == first {
		t.Error("two services have one UUID")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.ServiceUUID(t.Context(), store); !state.IsKind(err, state.KindClosed) {
		t.Errorf("a closed store: %v", err)
	}
}
