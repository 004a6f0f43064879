package redfish

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// registryPrefix is the Base message registry and version whose message keys
// and arguments are used (DSP8011).
const registryPrefix = "Base.1.18."

// definition is one message of the Base registry: the key and the number of
// arguments are the registry's, the words are ours.
type definition struct {
	severity, text, resolution string
}

// definitions are the messages in use, by key.
var definitions = map[string]definition{
	"AccessDenied":                     {"Critical", "Access to %1 is refused on this connection.", "Use the service's HTTPS address."},
	"ActionParameterMissing":           {"Critical", "The action %1 needs the parameter %2.", "Send the parameter in the request body."},
	"ActionParameterUnknown":           {"Warning", "The action %1 has no parameter %2.", "Leave the parameter out."},
	"ActionParameterValueNotInList":    {"Warning", "The value %1 of the parameter %2 is none that the action %3 takes.", "Choose one of the allowable values."},
	"ActionParameterValueTypeError":    {"Warning", "The value %1 of the parameter %2 of the action %3 has the wrong type.", "Send a value of the type that the schema gives."},
	"CreateFailedMissingReqProperties": {"Critical", "The resource cannot be created without the property %1.", "Send the property in the request body."},
	"EmptyJSON":                        {"Warning", "The request body holds nothing.", "Send a JSON object with the properties to change."},
	"GeneralError":                     {"Critical", "The request failed; see the message of the error.", "See the message of the error."},
	"HeaderInvalid":                    {"Warning", "The value of the header %1 is not acceptable.", "Correct the header or leave it out."},
	"InsufficientPrivilege":            {"Critical", "The account's role lacks the privilege that this needs.", "Use an account whose role has the privilege."},
	"InternalError":                    {"Critical", "The service failed to perform the request.", "Repeat the request; if it fails again, look for the request id in the service's log."},
	"MalformedJSON":                    {"Critical", "The request body is not well-formed JSON.", "Correct the request body."},
	"NoOperation":                      {"Warning", "The request changes nothing.", "Name at least one property that can be written."},
	"NoValidSession":                   {"Critical", "The request needs valid credentials.", "Log in, or send valid Basic credentials or a valid session token."},
	"OperationFailed":                  {"Warning", "A part of the request that the managed system had to perform failed.", "See the message of the error."},
	"OperationNotAllowed":              {"Critical", "The resource does not have this method.", "Use one of the methods that the Allow header lists."},
	"OperationTimeout":                 {"Warning", "The managed system did not answer in time.", "Read the state, then repeat the request if it is still wanted."},
	"PreconditionFailed":               {"Critical", "The resource is not at the ETag that the request names.", "Read the resource again and repeat the request with its ETag."},
	"PropertyNotWritable":              {"Warning", "The property %1 cannot be written.", "Leave the property out."},
	"PropertyUnknown":                  {"Warning", "The resource has no property %1.", "Leave the property out."},
	"PropertyValueNotInList":           {"Warning", "The value %1 of the property %2 is none that it takes.", "Choose one of the allowable values."},
	"PropertyValueTypeError":           {"Warning", "The value %1 of the property %2 has the wrong type.", "Send a value of the type that the schema gives."},
	"QueryNotSupportedOnResource":      {"Warning", "The resource does not support this query.", "Leave the query out."},
	"QueryParameterOutOfRange":         {"Warning", "The value %1 of the query parameter %2 is outside of %3.", "Choose a value in that range."},
	"QueryParameterUnsupported":        {"Warning", "The query parameter %1 is not supported.", "Leave the query parameter out."},
	"QueryParameterValueFormatError":   {"Warning", "The value %1 of the query parameter %2 has the wrong form.", "Correct the query parameter or leave it out."},
	"ResourceAlreadyExists":            {"Critical", "There is a resource of that name already.", "Choose another name."},
	"ResourceInUse":                    {"Warning", "Another request changes the resource just now.", "Repeat the request."},
	"ResourceMissingAtURI":             {"Critical", "There is no resource at %1.", "Correct the URI; read the collection to see what there is."},
	"ServiceInUnknownState":            {"Critical", "The state of the managed system cannot be told.", "Repeat the request later."},
	"ServiceShuttingDown":              {"Critical", "The service is shutting down.", "Repeat the request when the service is up again."},
	"ServiceTemporarilyUnavailable":    {"Critical", "The managed system is unavailable; try again in %1 seconds.", "Wait as long and repeat the request."},
	"UnrecognizedRequestBody":          {"Warning", "The request body is not of a form that the service understands.", "Correct the request body."},
}

// message is one message to a caller.
type message struct {
	key  string
	args []string
	// property is the path of the property concerned, such as
	// "Boot/BootSourceOverrideMode"; empty where none is.
	property string
}

func msg(key string, args ...string) message { return message{key: key, args: args} }

// about returns the message with the property it concerns.
func (m message) about(path string) message {
	m.property = path
	return m
}

// text returns the message's words with its arguments in place.
func (m message) text() string {
	text := definitions[m.key].text
	for i, arg := range m.args {
		text = strings.ReplaceAll(text, fmt.Sprintf("%%%d", i+1), arg)
	}
	return text
}

// render returns the message as DSP0268 has it (Message).
func (m message) render() object {
	d := definitions[m.key]
	args := m.args
	if args == nil {
		args = []string{}
	}
	o := object{
		"@odata.type": "#Message.v1_1_1.Message",
		"MessageId":   registryPrefix + m.key,
		"Message":     m.text(), "MessageArgs": args, "Resolution": d.resolution,
		"Severity": d.severity, "MessageSeverity": d.severity,
	}
	if m.property != "" {
		o["RelatedProperties"] = []string{"#/" + m.property}
	}
	return o
}

func renderAll(messages []message) []object {
	all := make([]object, len(messages))
	for i, m := range messages {
		all[i] = m.render()
	}
	return all
}

// failure is an error that a caller is told of: the status and what to say.
type failure struct {
	status   int
	messages []message
	// summary replaces the first message's text in error.message.
	summary string
	// retryAfter is for the header of that name; 0 sends none.
	retryAfter time.Duration
	// cause is for the log only.
	cause error
}

// fail returns a failure.
func fail(status int, messages ...message) *failure {
	return &failure{status: status, messages: messages}
}

// because returns the failure with a summary.
func (f *failure) because(format string, args ...any) *failure {
	f.summary = fmt.Sprintf(format, args...)
	return f
}

// Error is for logs.
func (f *failure) Error() string {
	text := f.text()
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func (f *failure) text() string {
	if f.summary != "" {
		return f.summary
	}
	return f.messages[0].text()
}

// body returns the error response (DSP0266, 8.6). The request id stands in the
// message, because that is the part people copy.
func (f *failure) body(requestID string) object {
	code := registryPrefix + "GeneralError"
	if len(f.messages) == 1 {
		code = registryPrefix + f.messages[0].key
	}
	info := renderAll(f.messages)
	if f.summary != "" {
		info[0]["Message"] = f.summary + "." // many clients show this one and nothing else
	}
	return object{"error": object{
		"code":                  code,
		"message":               strings.TrimSuffix(f.text(), ".") + " (request " + requestID + ").",
		"@Message.ExtendedInfo": info,
	}}
}

// unavailable is how soon a caller should come back to a silent system.
const unavailable = 10 * time.Second

// kindAnswer says what an error kind means to a caller.
type kindAnswer struct {
	status     int
	message    message
	retryAfter time.Duration
	summary    string
}

// kindAnswers maps every error kind; it is the only such map. What firmware or
// the way to it failed at is a 503 in every case: 400 and 409 are taken for
// success by clients that restart a running host, and 401 and 403 would be
// about the caller.
var kindAnswers = map[state.Kind]kindAnswer{
	state.KindInternal:     {500, msg("InternalError"), 0, ""},
	state.KindNotFound:     {404, msg("GeneralError"), 0, "There is no such resource"},
	state.KindExists:       {409, msg("ResourceAlreadyExists"), 0, ""},
	state.KindInvalid:      {400, msg("GeneralError"), 0, "The request asks for something that cannot be"},
	state.KindUnsupported:  {400, msg("GeneralError"), 0, "The managed system cannot do this; read its allowable values"},
	state.KindPrecondition: {412, msg("PreconditionFailed"), 0, ""},
	state.KindConflict:     {409, msg("ResourceInUse"), 0, ""},
	state.KindUnreachable: {503, msg("ServiceTemporarilyUnavailable", "10"), unavailable,
		"The management engine of the system does not answer, so nothing was done and its power state is not known"},
	state.KindCredentials: {503, msg("OperationFailed"), unavailable,
		"The management engine of the system rejects the service's own credentials; correct them in the service's configuration"},
	state.KindRefused: {503, msg("OperationFailed"), 0, "The firmware of the system refused the request"},
	state.KindBusy:    {503, msg("ServiceTemporarilyUnavailable", "10"), unavailable, "The firmware of the system is busy; nothing was done"},
	state.KindConsent: {503, msg("OperationFailed"), 0, "A person at the system must agree first; set its firmware to admin control mode, or to ask for no consent"},
	state.KindIndeterminate: {503, msg("OperationTimeout"), unavailable,
		"The request was sent to the system and its answer was lost, so it may have taken effect; read PowerState before repeating it"},
	state.KindProtocol: {503, msg("ServiceInUnknownState"), unavailable, "The firmware of the system answered something that makes no sense"},
	state.KindStore:    {500, msg("InternalError"), 0, "The service could not read or write its records"},
	state.KindTimeout:  {503, msg("OperationTimeout"), unavailable, "The system did not answer in time; nothing was done"},
	state.KindClosed:   {503, msg("ServiceShuttingDown"), unavailable, ""},
}

// failureOf returns what to tell a caller of an error: itself if it is a
// failure, else what its kind means.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	a, ok := kindAnswers[state.KindOf(err)]
	if !ok {
		a = kindAnswers[state.KindInternal]
	}
	return &failure{status: a.status, messages: []message{a.message}, summary: a.summary, retryAfter: a.retryAfter, cause: err}
}

// missing is the answer for a path at which this caller has nothing.
func missing(path string) *failure {
	return fail(http.StatusNotFound, msg("ResourceMissingAtURI", path))
}
