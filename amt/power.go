package amt

import (
	"context"
	"errors"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// Power implements state.Machine. The request is sent again only after an
// answer that says that it was not executed and that may pass: refused
// credentials, once, after the wait that they demand. A sleeping engine is
// woken first.
func (m *Machine) Power(ctx context.Context, request state.PowerRequest) error {
	number, ok := requestedStates[request]
	if !ok {
		return m.refuse(state.KindInvalid, "request power", "%s is no power request", request)
	}
	m.forgetReading()
	defer m.forgetReading()
	t := task{op: "request power " + request.String(), returns: powerReturns, denied: state.KindConsent, connect: m.o.ActTimeout, patient: true}
	err := requestPowerStateChange(ctx, m.caller(t.connect), number)
	if wait, again := m.retryPower(err, t); again && pause(ctx, wait) == nil {
		err = requestPowerStateChange(ctx, m.caller(t.connect), number)
	}
	return m.judgePower(err, t)
}

// retryPower decides whether a power request is sent once more.
func (m *Machine) retryPower(err error, t task) (time.Duration, bool) {
	var failure *wsman.Error
	if !errors.As(err, &failure) || failure.MayHaveExecuted() {
		return 0, false
	}
	return m.retry(err, t, m.o.RetryPause)
}

// judgePower makes the result of a power request.
func (m *Machine) judgePower(err error, t task) error {
	m.mu.Lock()
	since := time.Since(m.accepted)
	if err == nil {
		m.accepted = time.Now()
	}
	m.mu.Unlock()
	if err == nil {
		return nil
	}
	var failure *wsman.Error
	if errors.As(err, &failure) && failure.MayHaveExecuted() {
		return m.refuse(state.KindIndeterminate, t.op, "%w", err)
	}
	var refusal *ReturnError
	if errors.As(err, &refusal) && refusal.Value == unspecified {
		return m.refuse(tooEarly(since, m.o.ActionWait), t.op, "%w", err)
	}
	return m.failure(t, err)
}

// tooEarly judges an unspecified refusal: until the BIOS has reported that the
// last change is done, which takes up to ten seconds, another is refused
// (Intel AMT Implementation and Reference Guide, change system power state).
// Later it means no, mostly because a redirection session is open.
func tooEarly(since, wait time.Duration) state.Kind {
	if since < wait {
		return state.KindBusy
	}
	return state.KindRefused
}
