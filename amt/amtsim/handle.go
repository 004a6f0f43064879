package amtsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// verbs are the generic operations by action.
var verbs = map[string]string{
	nsTransfer + "/Get":          "Get",
	nsTransfer + "/Put":          "Put",
	nsTransfer + "/Create":       "Create",
	nsTransfer + "/Delete":       "Delete",
	nsEnumeration + "/Enumerate": "Enumerate",
	nsEnumeration + "/Pull":      "Pull",
	nsEnumeration + "/Release":   "Release",
}

// handle answers an authenticated request. The lock is held, and let go while
// an injected fault waits.
func (m *Machine) handle(c *connection, body []byte) (reply, error) {
	request, fault := decodeEnvelope(body)
	call := Call{Connection: c.number, Selectors: request.selectors, ReturnValue: -1, Executed: true, Replied: true}
	class, known := classOf(request.resource)
	call.Class, call.Method = request.resource, request.action
	if known {
		call.Class = class.Name
	}
	if verb := verbs[request.action]; verb != "" {
		call.Method = verb
	} else if name, ok := strings.CutPrefix(request.action, request.resource+"/"); ok && known {
		call.Method = name
	}
	if fault != nil {
		call.Executed = false
		return m.finish(request, call, outcome{fault: fault}), nil
	}
	injected := m.aim(call.Class, call.Method)
	if injected != nil {
		if answer, done, err := m.before(injected, request, call, class); done {
			return answer, err
		}
		call.Replied = injected.fault.Effect != EffectLoseReply
	}
	m.calls++
	call.Seq = m.calls
	o := m.execute(request, &call, class, known, c.wire != c.tcp)
	answer := m.finish(request, call, o)
	if injected == nil {
		return answer, nil
	}
	return m.afterwards(injected, answer)
}

// before applies what a fault does ahead of execution, and reports whether the
// call ends there. The lock is held but while waiting.
func (m *Machine) before(i *Injected, request envelope, call Call, class schemas.Class) (answer reply, done bool, err error) {
	f := i.fault
	call.Executed = false
	switch f.Effect {
	case EffectStatus:
		call.Status = f.Status
		m.enter(call)
		answer = reply{status: f.Status, html: f.Body}
	case EffectFault:
		answer = m.finish(request, call, outcome{fault: statusFault(f.Subcode, f.AMTStatus)})
	case EffectReturnValue:
		call.ReturnValue = f.ReturnValue
		answer = m.finish(request, call, outcome{space: class.URI, action: request.action + "Response", method: call.Method, returnValue: f.ReturnValue})
	case EffectUnauthorized:
		call.Status = http.StatusUnauthorized
		m.enter(call)
		answer = m.unauthorized()
	case EffectDrop:
		call.Replied = false
		m.enter(call)
		err = errDropped
	case EffectDelay:
		m.unlocked(func() { m.pause(f.Delay) })
		return reply{}, false, nil
	case EffectHold:
		goesOn := false
		m.unlocked(func() { goesOn = i.wait() })
		if goesOn {
			return reply{}, false, nil
		}
		call.Replied = false
		m.enter(call)
		err = errDropped
	default:
		return reply{}, false, nil
	}
	m.unlocked(i.arrive)
	return answer, true, err
}

// afterwards applies what a fault does once the call was executed.
func (m *Machine) afterwards(i *Injected, answer reply) (reply, error) {
	goesOn := true
	m.unlocked(func() {
		if i.fault.Effect == EffectHoldReply {
			goesOn = i.wait()
			return
		}
		i.arrive()
	})
	if !goesOn || i.fault.Effect == EffectLoseReply {
		return reply{}, errDropped
	}
	return answer, nil
}

// unlocked runs act without the lock.
func (m *Machine) unlocked(act func()) {
	m.notify()
	m.mu.Unlock()
	defer m.mu.Lock()
	act()
}

// pause waits, or returns when the machine closes.
func (m *Machine) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.closing:
	}
}

// execute performs the operation. The lock is held.
func (m *Machine) execute(request envelope, call *Call, class schemas.Class, known, secure bool) outcome {
	if !known {
		return outcome{fault: bogusFault(faultDestinationUnreachable, "unknown class "+request.resource)}
	}
	if !m.present(class) {
		return outcome{fault: refusedFault(faultDestinationUnreachable)}
	}
	o := outcome{space: class.URI, action: request.action + "Response"}
	switch call.Method {
	case "Get", "Put", "Enumerate", "Pull":
		if !class.Can(call.Method) {
			return outcome{fault: bogusFault(faultActionNotSupported, class.Name+" has no "+call.Method)}
		}
	}
	switch call.Method {
	case "Get":
		if request.body != nil {
			return outcome{fault: bogusFault(faultSchemaValidation, "Get with a body")}
		}
		o.instance, o.fault = m.get(class, request.selectors)
	case "Put":
		o.instance, o.fault = m.put(class, request.selectors, request.body)
	case "Enumerate":
		o.space = nsEnumeration
		if !request.body.is(nsEnumeration, "Enumerate") || len(request.body.children) > 0 {
			return outcome{fault: bogusFault(faultSchemaValidation, "Enumerate with options, filters or another body")}
		}
		o.opened, o.fault = m.enumerate(class)
	case "Pull":
		o.space = nsEnumeration
		o.page, o.fault = m.pullPage(class, request.body)
	default:
		m.invoke(request, call, class, secure, &o)
	}
	return o
}

// pullPage reads a Pull's body and answers it. The lock is held.
func (m *Machine) pullPage(class schemas.Class, body *node) (*page, *soapFault) {
	context := body.child(nsEnumeration, "EnumerationContext")
	if !body.is(nsEnumeration, "Pull") || context == nil {
		return nil, bogusFault(faultSchemaValidation, "Pull without an enumeration context")
	}
	limit := 1 // DSP0226, 8.4: the default of MaxElements
	if n := body.child(nsEnumeration, "MaxElements"); n != nil {
		wanted, err := strconv.Atoi(n.text)
		if err != nil || wanted < 1 {
			return nil, bogusFault(faultSchemaValidation, "MaxElements is no positive number")
		}
		limit = wanted
	}
	items, end, fault := m.pull(class, context.text, limit)
	if fault != nil {
		return nil, fault
	}
	return &page{items: items, context: context.text, end: end}, nil
}

// invoke runs a method. The lock is held.
func (m *Machine) invoke(request envelope, call *Call, class schemas.Class, secure bool, o *outcome) {
	table, described := class.Method(call.Method)
	run := behaviours[class.Name].methods[call.Method]
	if !described || run == nil {
		o.fault = bogusFault(faultActionNotSupported, class.Name+" has no method "+call.Method)
		return
	}
	if _, fault := m.pick(class, request.selectors); fault != nil {
		o.fault = fault
		return
	}
	in, wrong := readInput(class, table, request.body)
	if wrong != "" {
		o.fault = bogusFault(faultSchemaValidation, wrong)
		return
	}
	in.secure, in.call = secure, call.Seq
	call.Argument = in.summary()
	o.method = call.Method
	o.returnValue, o.fault = run(m, in)
	call.ReturnValue = o.returnValue
}

// summary is what the journal shows of an input.
func (in invocation) summary() string {
	for _, name := range []string{"PowerState", "Role", "RequestedState", "OSPowerSavingState"} {
		if text, ok := in.texts[name]; ok {
			return text
		}
	}
	if sources := in.references["Source"]; len(sources) > 0 {
		return sources[0].Selectors["InstanceID"]
	}
	return ""
}

// finish enters the call in the journal and renders its outcome. The lock is
// held.
func (m *Machine) finish(request envelope, call Call, o outcome) reply {
	r := reply{status: http.StatusOK}
	if o.fault != nil {
		r.status = o.fault.kind().status
		call.Fault, call.ReturnValue = o.fault.subcode, -1
	}
	switch {
	case o.fault != nil && o.fault.bogus != "":
		m.noteBogus(call.Class + " " + call.Method + ": " + o.fault.bogus)
	case o.fault != nil || call.ReturnValue > 0:
		m.counters.Refused++
	}
	call.Status = r.status
	m.enter(call)
	m.messageID++
	r.soap = encodeReply(o, request, m.messageID)
	return r
}

// enter puts a call in the journal. The lock is held.
func (m *Machine) enter(call Call) {
	if call.Seq == 0 {
		m.calls++
		call.Seq = m.calls
	}
	call.At = time.Now()
	if call.Status != http.StatusUnauthorized {
		m.counters.Exchanges++
	}
	m.journal = limited(m.journal, call)
}
