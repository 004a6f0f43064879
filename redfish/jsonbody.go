package redfish

import (
	"bytes"
	"encoding/json"
	"io"
)

// maxDepth is how deep objects and arrays may nest in a request. Nothing that
// can be written is deeper than three.
const maxDepth = 16

// decodeObject decodes a request body that must be one JSON object and nothing
// after it. Numbers stay as they were written. Every error is a failure with
// status 400.
func decodeObject(body []byte) (object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fail(400, msg("EmptyJSON")).because("the request has no body; send a JSON object")
	}
	if depth(body) > maxDepth {
		return nil, fail(400, msg("MalformedJSON")).because("the request body nests too deep")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fail(400, msg("MalformedJSON")).because("the request body is not JSON; send a JSON object with Content-Type: application/json")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fail(400, msg("MalformedJSON")).because("something follows the JSON object in the request body")
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, fail(400, msg("UnrecognizedRequestBody")).because("the request body must be a JSON object")
	}
	return members, nil
}

// depth returns how deep brackets nest outside of strings.
func depth(body []byte) int {
	deepest, now := 0, 0
	inString, escaped := false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case inString && b == '\\':
			escaped = true
		case b == '"':
			inString = !inString
		case inString:
		case b == '{' || b == '[':
			now++
			deepest = max(deepest, now)
		case b == '}' || b == ']':
			now--
		}
	}
	return deepest
}
