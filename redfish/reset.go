package redfish

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// resetURI is where the action is that starts, stops and restarts a system
// (DSP0268, ComputerSystem, action Reset).
const resetURI = systemURI + "/Actions/" + resetName

var _ = register(resource{
	name: "System.Reset", uri: resetURI,
	methods: map[string]operation{http.MethodPost: {anyOf: []privilege{configureComponents}, serve: postReset}},
})

// resetInfoURI is where the action's parameter is described (DSP0268,
// ActionInfo).
const resetInfoURI = systemURI + "/ResetActionInfo"

var _ = register(resource{
	name: "System.ResetActionInfo", uri: resetInfoURI, typ: "ActionInfo",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getResetActionInfo}},
})

const (
	resetName = "ComputerSystem.Reset"
	resetType = "ResetType"
)

// resetDescription is the action as a system shows it.
func resetDescription(id string, o state.Observation) object {
	return object{
		"target":                               at(resetURI, id),
		"@Redfish.ActionInfo":                  at(resetInfoURI, id),
		resetType + "@Redfish.AllowableValues": texts(state.Resets(o)),
	}
}

// getResetActionInfo lists the reset types. While the management engine is
// silent these are the ones that work in every state, which is true, if short.
func getResetActionInfo(c *call) (reply, error) {
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	o, err := c.observe(snapshot.Node.ID, c.Observe)
	if err != nil {
		o = state.Observation{}
	}
	return ok(c.represent(resetInfoURI, snapshot.Node.ID, object{
		"Id": lastSegment(resetInfoURI), "Name": "Reset Action Info",
		"Parameters": []object{{
			"Name": resetType, "Required": true, "DataType": "String",
			"AllowableValues": texts(state.Resets(o)),
		}},
	}))
}

// postReset performs the action. Preconditions are ignored: a client that set
// a boot override just before sends the ETag from before that.
func postReset(c *call) (reply, error) {
	started := time.Now()
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	wish, err := resetFrom(c.body)
	if err != nil {
		return reply{}, err
	}
	id := snapshot.Node.ID
	outcome, err := c.reset(id, wish)
	if err != nil {
		f := failureOf(err)
		c.audit("reset", id, wish, "failed", err, started)
		return reply{}, f
	}
	c.audit("reset", id, wish, string(outcome), nil, started)
	return noContent()
}

// reset checks that the type is one that the node advertises and performs it.
func (c *call) reset(id string, wish state.Reset) (state.Outcome, error) {
	offered := state.Resets(state.Observation{})
	if !slices.Contains(offered, wish) { // it depends on what firmware offers now
		o, err := c.observe(id, c.Observe)
		if err != nil {
			return "", err
		}
		if offered = state.Resets(o); !slices.Contains(offered, wish) {
			return "", fail(http.StatusBadRequest, msg("ActionParameterValueNotInList", clip(string(wish)), resetType, resetName)).
				because("the system does not offer the reset type %s now; it offers %s", clip(string(wish)), strings.Join(texts(offered), ", "))
		}
	}
	outcome, err := c.Nodes.Reset(c.ctx, id, wish)
	if err != nil {
		return "", advertisedFailure(err)
	}
	return outcome, nil
}

// advertisedFailure makes sure that a reset type that was advertised and
// failed is not answered with 400 or 409: for a restart of a running host,
// clients take these for success.
func advertisedFailure(err error) error {
	f := failureOf(err)
	if f.status != http.StatusBadRequest && f.status != http.StatusConflict {
		return err
	}
	return &failure{
		status: http.StatusServiceUnavailable, messages: []message{msg("OperationFailed")},
		summary: "the reset was not performed: " + strings.ToLower(f.text()[:1]) + f.text()[1:], retryAfter: unavailable, cause: err,
	}
}

// resetFrom reads the action's parameters.
func resetFrom(body []byte) (state.Reset, error) {
	missingType := fail(http.StatusBadRequest, msg("ActionParameterMissing", resetName, resetType))
	if len(strings.TrimSpace(string(body))) == 0 {
		return "", missingType
	}
	parameters, err := decodeObject(body)
	if err != nil {
		return "", err
	}
	for name := range parameters {
		if name != resetType && !strings.Contains(name, "@") {
			return "", fail(http.StatusBadRequest, msg("ActionParameterUnknown", resetName, clip(name)))
		}
	}
	value, sent := parameters[resetType]
	if !sent {
		return "", missingType
	}
	text, isText := value.(string)
	if !isText {
		return "", fail(http.StatusBadRequest, msg("ActionParameterValueTypeError", show(value), resetType, resetName))
	}
	return state.Reset(text), nil
}

// texts returns values as plain strings.
func texts[T ~string](values []T) []string {
	plain := make([]string, len(values))
	for i, value := range values {
		plain[i] = string(value)
	}
	return plain
}

// show returns a caller's value for a message.
func show(value any) string { return clip(fmt.Sprint(value)) }
