package redfish

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// field is a property that a PATCH may write.
type field struct {
	// values are those that it takes.
	values []string
	// set notes the wish; it is called with one of the values.
	set func(value string)
}

// form is what a PATCH may write of a resource.
type form struct {
	// typ tells properties that the schema has from those that it has not.
	typ schemas.RedfishType
	// current is the representation as it is now.
	current object
	// fields are the writable properties by path, such as "Boot/BootNext".
	fields map[string]field
}

// filled is what became of a PATCH's body.
type filled struct {
	// used counts the members that are as wished now, or will be.
	used int
	// ignored are members that cannot be written. They do not hinder others.
	ignored []message
	// wrong are values that a writable property cannot take.
	wrong []message
}

// fill reads the body of a PATCH (DSP0266, 7.8.2) into the form's fields.
//
// Annotations are skipped, and so is a read-only member that has the value it
// has anyway, or is null and absent, because clients send back what they got.
func (f form) fill(body object) filled {
	var result filled
	f.fillObject(body, f.current, "", &result)
	sortMessages(result.ignored)
	sortMessages(result.wrong)
	return result
}

func (f form) fillObject(body, current object, path string, result *filled) {
	for name, value := range body {
		if strings.Contains(name, "@") {
			continue
		}
		full := path + name
		now, present := current[name]
		field, writable := f.fields[full]
		nested, isObject := value.(map[string]any)
		inside, wasObject := now.(object)
		switch {
		case writable:
			f.fillField(field, full, value, result)
		case present && equal(value, now), !present && value == nil && f.typ.Has(full):
			result.used++
		case f.holdsFields(full) && !isObject:
			result.wrong = append(result.wrong, msg("PropertyValueTypeError", show(value), full).about(full))
		case isObject && wasObject:
			f.fillObject(nested, inside, full+"/", result)
		case present || f.typ.Has(full):
			result.ignored = append(result.ignored, msg("PropertyNotWritable", clip(full)).about(clip(full)))
		default:
			result.ignored = append(result.ignored, msg("PropertyUnknown", clip(full)).about(clip(full)))
		}
	}
}

func (f form) fillField(field field, path string, value any, result *filled) {
	text, isText := value.(string)
	switch {
	case !isText:
		result.wrong = append(result.wrong, msg("PropertyValueTypeError", show(value), path).about(path))
	case !slices.Contains(field.values, text):
		result.wrong = append(result.wrong, msg("PropertyValueNotInList", clip(text), path).about(path))
	default:
		field.set(text)
		result.used++
	}
}

// holdsFields reports whether a writable property lies inside the object at
// path.
func (f form) holdsFields(path string) bool {
	for field := range f.fields {
		if strings.HasPrefix(field, path+"/") {
			return true
		}
	}
	return false
}

// check returns the refusal of a PATCH of which nothing can be used, or which
// has a wrong value. annotate says whether the answer will have a body to name
// ignored members in; where it has none, they are refused too.
func (r filled) check(annotate bool) error {
	switch {
	case len(r.wrong) > 0:
		return fail(http.StatusBadRequest, append(r.wrong, r.ignored...)...)
	case len(r.ignored) > 0 && (r.used == 0 || !annotate):
		return fail(http.StatusBadRequest, r.ignored...)
	case r.used == 0:
		return fail(http.StatusBadRequest, msg("NoOperation"))
	}
	return nil
}

// equal reports whether a decoded value is what a representation holds.
func equal(sent, held any) bool {
	encoded, err := json.Marshal(held)
	if err != nil {
		return false
	}
	var again, plain any
	if json.Unmarshal(encoded, &again) != nil {
		return false
	}
	resent, err := json.Marshal(sent)
	return err == nil && json.Unmarshal(resent, &plain) == nil && reflect.DeepEqual(again, plain)
}

// sortMessages puts messages in a stable order, since members of JSON objects
// come in none.
func sortMessages(messages []message) {
	slices.SortFunc(messages, func(a, b message) int {
		return strings.Compare(a.property+"\x00"+a.key, b.property+"\x00"+b.key)
	})
}
