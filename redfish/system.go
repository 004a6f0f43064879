package redfish

import (
	"context"
	"net/http"
	"time"

	"github.com/amt-redfish/amt-redfish/schemas"
	"github.com/amt-redfish/amt-redfish/state"
)

// systemURI is one node (DSP0268, ComputerSystem). Its ETag leaves out what
// the host changes by itself.
const systemURI = rootURI + "/Systems/{id}"

var _ = register(resource{
	name: "System", uri: systemURI, typ: "ComputerSystem", volatile: true,
	methods: map[string]operation{
		http.MethodGet:   {anyOf: []privilege{login}, serve: getSystem},
		http.MethodPatch: {anyOf: []privilege{configureComponents}, serve: patchSystem},
	},
})

// The boot override's properties, as paths.
const (
	bootTarget  = "BootSourceOverrideTarget"
	bootEnabled = "BootSourceOverrideEnabled"
	bootMode    = "BootSourceOverrideMode"
)

// observe reads a node's power within a budget. A power state that is not
// known is an error, as is one that cannot be read: neither is shown.
func (c *call) observe(id string, budget time.Duration) (state.Observation, error) {
	ctx, cancel := context.WithTimeout(c.ctx, budget)
	defer cancel()
	o, err := c.Nodes.Observe(ctx, id)
	if err != nil {
		return state.Observation{}, err
	}
	if !o.Power.IsOn() && !o.Power.IsOff() {
		return state.Observation{}, state.Errorf(state.KindProtocol, "observe", id, "firmware reports the power state as %v", o.Power)
	}
	return o, nil
}

// powerState returns an observed power state in Redfish's words, and the
// system's state that follows from it (DSP0268, Resource.PowerState and
// Resource.State). A sleeping host keeps its memory and shows as On; one that
// waits for somebody to start or wake it is in standby.
func powerState(o state.Observation) (power, status string) {
	switch {
	case o.Power == state.PowerOn:
		return "On", "Enabled"
	case o.Power.IsOn():
		return "On", "StandbyOffline"
	}
	return "Off", "StandbyOffline"
}

// systemTag returns the ETag of a system: over its identity and what clients
// may write.
func systemTag(node state.Node, wish state.Override) string {
	return etagOf(object{"@odata.id": at(systemURI, node.ID), bootTarget: wish.Target, bootEnabled: wish.Enabled, bootMode: node.Mode})
}

// systemBody returns the representation of a system.
func (s *Server) systemBody(snapshot state.Snapshot, o state.Observation) object {
	id := snapshot.Node.ID
	power, status := powerState(o)
	body := s.represent(systemURI, id, object{
		"Id": id, "Name": id, "SystemType": "Physical",
		"PowerState": power, "Status": object{"State": status},
		"Boot": bootBody(snapshot),
		"Links": object{
			"Chassis":   []object{link(at(chassisURI, id))},
			"ManagedBy": []object{link(at(managerURI, id))},
		},
		"Actions": object{"#" + resetName: resetDescription(id, o)},
	})
	if uuid := snapshot.Capability.UUID; uuid != "" {
		body["UUID"] = uuid
	}
	return body
}

// bootBody returns the boot override as it was wished and not yet consumed.
func bootBody(snapshot state.Snapshot) object {
	const allowable = "@Redfish.AllowableValues"
	return object{
		bootTarget:                     string(snapshot.Override.Target),
		bootTarget + allowable:         texts(snapshot.Capability.BootTargets()),
		bootEnabled:                    string(snapshot.Override.Enabled),
		bootEnabled + allowable:        texts(state.EnabledValues()),
		bootMode:                       string(snapshot.Node.Mode),
		bootMode + allowable:           []string{string(snapshot.Node.Mode)},
		"@Redfish.WriteableProperties": []string{bootTarget, bootEnabled, bootMode},
	}
}

func getSystem(c *call) (reply, error) {
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	o, err := c.observe(snapshot.Node.ID, c.Observe)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: c.systemBody(snapshot, o), etag: systemTag(snapshot.Node, snapshot.Override)}, nil
}

// bootWish is what a PATCH asks for.
type bootWish struct{ change state.OverrideChange }

// bootForm returns what a PATCH of the system may write. The mode is a fact
// that the operator states; writing it as it is succeeds and changes nothing.
func (s *Server) bootForm(snapshot state.Snapshot, o state.Observation, wish *bootWish) form {
	typ, _ := schemas.Redfish("ComputerSystem")
	return form{
		typ: typ, current: s.systemBody(snapshot, o),
		fields: map[string]field{
			"Boot/" + bootTarget: {texts(snapshot.Capability.BootTargets()), func(value string) {
				target := state.Target(value)
				wish.change.Target = &target
			}},
			"Boot/" + bootEnabled: {texts(state.EnabledValues()), func(value string) {
				enabled := state.Enabled(value)
				wish.change.Enabled = &enabled
			}},
			"Boot/" + bootMode: {[]string{string(snapshot.Node.Mode)}, func(string) {}},
		},
	}
}

// patchSystem records a boot wish. It needs no firmware; the power state is
// asked for only because the answer shows the whole system, and before the
// write, so that a refusal leaves nothing behind.
func patchSystem(c *call) (reply, error) {
	started := time.Now()
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	if err := c.checkIfMatch(systemTag(snapshot.Node, snapshot.Override)); err != nil {
		return reply{}, err
	}
	body, err := decodeObject(c.body)
	if err != nil {
		return reply{}, err
	}
	o, unobserved := c.observe(snapshot.Node.ID, c.PatchObserve)
	var wish bootWish
	filled := c.bootForm(snapshot, o, &wish).fill(body)
	if err := filled.check(unobserved == nil); err != nil {
		return reply{}, err
	}
	if snapshot.Override, err = c.recordWish(snapshot, wish.change, started); err != nil {
		return reply{}, err
	}
	answer := reply{status: http.StatusNoContent, etag: systemTag(snapshot.Node, snapshot.Override)}
	if unobserved == nil {
		answer.status, answer.body = http.StatusOK, c.systemBody(snapshot, o)
		answer.tag()
		if len(filled.ignored) > 0 {
			answer.body["@Message.ExtendedInfo"] = renderAll(filled.ignored)
		}
	}
	return answer, nil
}

// recordWish writes the wish, comparing the ETag in the same step. A PATCH of
// nothing but the mode writes nothing: a wish that is written again counts as
// a new one, and a start under way would then not consume it.
func (c *call) recordWish(snapshot state.Snapshot, change state.OverrideChange, started time.Time) (state.Override, error) {
	if change.Target == nil && change.Enabled == nil {
		return snapshot.Override, nil
	}
	wish, err := c.Nodes.UpdateOverride(c.ctx, snapshot.Node.ID, func(now state.Override, _ state.Capability) (state.Override, error) {
		if err := c.checkIfMatch(systemTag(snapshot.Node, now)); err != nil {
			return state.Override{}, err
		}
		return now.Apply(change), nil
	})
	if err != nil {
		c.audit("boot override", snapshot.Node.ID, changeText(change), "failed", err, started)
		return state.Override{}, err
	}
	c.audit("boot override", snapshot.Node.ID, changeText(change), string(wish.Enabled)+" "+string(wish.Target), nil, started)
	return wish, nil
}

// changeText shows a change in the audit log.
func changeText(change state.OverrideChange) string {
	text := ""
	if change.Target != nil {
		text = string(*change.Target)
	}
	if change.Enabled != nil {
		text += " " + string(*change.Enabled)
	}
	return text
}
