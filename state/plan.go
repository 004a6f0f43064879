package state

// plan is the pure answer to a reset: what to do to this node in this state.
type plan struct {
	// noop says that the node is where the caller wants it.
	noop bool
	// start says that the node boots by the request, so that the firmware is
	// armed first.
	start bool
	// target is what to arm; TargetNone clears.
	target  Target
	request PowerRequest
}

// planReset decides what a reset does (DSP0268, Resource.ResetType, in the
// words of amt-redfish's contract): a start of a node that is off is a power
// on whatever restart was asked for; On wakes a sleeping node, which is not a
// boot; what is already so is a success without any request. Errors are of
// KindUnsupported, or KindProtocol where the power state is not known: a
// machine whose state is unknown is left alone.
func planReset(node Node, reset Reset, o Observation, wish Override) (plan, error) {
	if o.Power == PowerUnknown {
		return plan{}, Errorf(KindProtocol, "reset", node.ID, "firmware reports no power state that is known; nothing was done")
	}
	start := func(request PowerRequest) plan {
		if o.Power.IsOff() {
			request = RequestOn
		}
		return plan{start: true, target: node.armTarget(wish), request: request}
	}
	offered := func(request PowerRequest, p plan) (plan, error) {
		if !o.Offers(request) {
			return plan{}, Errorf(KindUnsupported, "reset", node.ID, "firmware does not offer %q while the node is %v; it offers %v", request, o.Power, o.Available)
		}
		return p, nil
	}
	switch reset {
	case ResetOn, ResetForceOn:
		switch o.Power {
		case PowerOn:
			return plan{noop: true}, nil
		case PowerSleeping:
			return plan{request: RequestOn}, nil
		}
		return start(RequestOn), nil
	case ResetForceOff:
		return plan{noop: o.Power.IsOff(), request: RequestOff}, nil
	case ResetForceRestart:
		return start(RequestReset), nil
	case ResetPowerCycle:
		return start(RequestCycle), nil
	case ResetGracefulShutdown:
		if o.Power.IsOff() {
			return plan{noop: true}, nil
		}
		return offered(RequestGracefulOff, plan{request: RequestGracefulOff})
	case ResetGracefulRestart:
		return offered(RequestGracefulReset, start(RequestGracefulReset))
	case ResetNmi:
		return offered(RequestNMI, plan{request: RequestNMI})
	}
	return plan{}, Errorf(KindUnsupported, "reset", node.ID, "reset type %q is none of %v", reset, Resets(o))
}
