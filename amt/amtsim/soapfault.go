package amtsim

import "strconv"

// Fault subcodes, by the local name they have on the wire.
const (
	faultAccessDenied              = "AccessDenied"
	faultActionNotSupported        = "ActionNotSupported"
	faultDestinationUnreachable    = "DestinationUnreachable"
	faultEncodingLimit             = "EncodingLimit"
	faultInternalError             = "InternalError"
	faultInvalidEnumerationContext = "InvalidEnumerationContext"
	faultInvalidMessage            = "InvalidMessageInformationHeader"
	faultInvalidRepresentation     = "InvalidRepresentation"
	faultInvalidSelectors          = "InvalidSelectors"
	faultMissingHeader             = "MessageInformationHeaderRequired"
	faultMustUnderstand            = "MustUnderstand"
	faultQuotaLimit                = "QuotaLimit"
	faultSchemaValidation          = "SchemaValidationError"
	faultTimedOut                  = "TimedOut"
	faultUnsupportedFeature        = "UnsupportedFeature"
)

// faultKind is how one subcode looks on the wire.
type faultKind struct {
	// prefix is that of the fault's own prefix table, see replyPrefixes.
	prefix string
	status int
	reason string
}

// faultKinds are the faults AMT is known or documented to send. AMT sends the
// reasons of DSP0226 nearly word by word, but answers every client-class fault
// with 400, whatever DSP0226 suggests.
var faultKinds = map[string]faultKind{
	faultAccessDenied:              {"e", 400, "The sender was not authorized to access the resource."},
	faultActionNotSupported:        {"b", 400, "The action is not supported by the service."},
	faultDestinationUnreachable:    {"b", 400, "No route can be determined to reach the destination role defined by the WSAddressing To."},
	faultEncodingLimit:             {"e", 400, "An internal encoding limit was exceeded in a request or would be violated if the message were processed."},
	faultInternalError:             {"e", 500, "The service cannot comply with the request due to internal processing errors."},
	faultInvalidEnumerationContext: {"c", 400, "The supplied enumeration context is invalid."},
	faultInvalidMessage:            {"b", 400, "A message information header is not valid and the message cannot be processed."},
	faultInvalidRepresentation:     {"d", 400, "The XML content is not valid."},
	faultInvalidSelectors:          {"e", 400, "The Selectors for the resource are not valid."},
	faultMissingHeader:             {"b", 400, "A required header is missing."},
	faultMustUnderstand:            {"a", 400, "A header that must be understood was not."},
	faultQuotaLimit:                {"e", 400, "The service is busy servicing other requests."},
	faultSchemaValidation:          {"e", 400, "The supplied SOAP violates the corresponding XML schema definition."},
	faultTimedOut:                  {"e", 500, "The operation has timed out."},
	faultUnsupportedFeature:        {"e", 400, "The specified feature is not supported."},
}

// soapFault is a refusal in SOAP.
type soapFault struct {
	subcode string
	detail  string // text of Detail, "" mostly
	bogus   string // why no correct client gets it; "" if one may
}

func refusedFault(subcode string) *soapFault { return &soapFault{subcode: subcode} }

func bogusFault(subcode, reason string) *soapFault {
	return &soapFault{subcode: subcode, bogus: reason}
}

// statusFault is a firmware-level refusal with a PT status.
func statusFault(subcode string, status int) *soapFault {
	f := &soapFault{subcode: subcode}
	if status != 0 {
		f.detail = "AMT-STATUS " + strconv.Itoa(status)
	}
	return f
}

// kind returns how the fault looks; a subcode that is not in the table, which
// only injection can bring, is a WS-Management one with status 400.
func (f *soapFault) kind() faultKind {
	if k, ok := faultKinds[f.subcode]; ok {
		return k
	}
	return faultKind{"e", 400, "The request was refused."}
}
