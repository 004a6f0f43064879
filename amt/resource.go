package amt

import (
	"strconv"
	"strings"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

// Resource URI prefixes (Intel AMT Implementation and Reference Guide, WS-Management
// resource URIs; DSP0227, 5).
const (
	cimSchema = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	amtSchema = "http://intel.com/wbem/wscim/1/amt-schema/1/"
	ipsSchema = "http://intel.com/wbem/wscim/1/ips-schema/1/"
)

// ReturnError is a method's refusal: a ReturnValue other than 0.
type ReturnError struct {
	// Method is class and method.
	Method string
	// Value is the ReturnValue: a value of the method's own map, or 32768 plus
	// an AMT status.
	Value int
}

// Error renders the refusal with its raw value.
func (e *ReturnError) Error() string {
	text := e.Method + " returned " + strconv.Itoa(e.Value)
	if e.Value > vendorReturn {
		text += " (AMT status " + strconv.Itoa(e.Value-vendorReturn) + ")"
	}
	return text
}

// checkReturn returns a method's refusal as an error.
func checkReturn(method string, output wsman.Instance) error {
	value, ok := output.Int("ReturnValue")
	if !ok {
		// A success that does not say so is none: the caller must look.
		return &wsman.Error{Op: method, Reason: wsman.ReasonAnswer, Status: 200, Err: errNoReturnValue}
	}
	if value != 0 {
		return &ReturnError{Method: method, Value: value}
	}
	return nil
}

// reference is a method's parameter that refers to an instance.
func reference(name, resource string, selectors ...wsman.Selector) wsman.Property {
	return wsman.Property{Name: name, Reference: &wsman.Reference{Resource: resource, Selectors: selectors}}
}

func numbers(texts []string) []int {
	list := make([]int, 0, len(texts))
	for _, text := range texts {
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
			list = append(list, n)
		}
	}
	return list
}
