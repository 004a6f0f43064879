package wsman

import (
	"context"
	"fmt"
	"net/http"

	"github.com/beevik/etree"
)

// Bounds on one enumeration, and what is asked for in one pull: no class of
// interest has more instances, and firmware cuts at its own limits.
const (
	maxPulls      = 64
	maxItems      = 4096
	pullElements  = "999"
	pullCharacter = "99999"
)

// Enumerate reads all instances of a resource (DSP0226, 8): one Enumerate and
// as many Pulls as firmware needs until it says that the sequence has ended.
// Each is a request of its own, so others may come in between. Instances of
// derived classes come in their own class. After an error the enumeration
// must begin anew.
func (k Caller) Enumerate(ctx context.Context, resource string) ([]Instance, error) {
	op := "Enumerate " + className(resource)
	start := request{op: op, header: header{action: actionEnumerate, resource: resource}, limits: k.limits,
		body: func(body *etree.Element) {
			body.CreateElement("n:Enumerate").CreateAttr("xmlns:n", nsEnumeration)
		}}
	rep, err := k.client.do(ctx, start)
	if err != nil {
		return nil, err
	}
	position := ""
	if e := child(rep.body, nsEnumeration, "EnumerateResponse"); e != nil {
		position = childText(e, nsEnumeration, "EnumerationContext")
	}
	unusable := func(cause error) error {
		return &Error{Op: op, Reason: ReasonAnswer, Status: http.StatusOK, Err: cause}
	}
	if position == "" {
		return nil, unusable(fmt.Errorf("the answer holds no enumeration context"))
	}
	var items []Instance
	for range maxPulls {
		rep, err := k.client.do(ctx, k.pull(resource, position))
		if err != nil {
			return nil, err
		}
		p, err := rep.page()
		if err != nil {
			return nil, unusable(err)
		}
		items = append(items, p.items...)
		if p.end {
			return items, nil
		}
		if len(items) > maxItems {
			break
		}
		if p.next != "" {
			position = p.next
		}
	}
	return nil, unusable(fmt.Errorf("the sequence has no end after %d pulls and %d instances", maxPulls, len(items)))
}

// pull is sent once: executed, it has moved the sequence on.
func (k Caller) pull(resource, position string) request {
	return request{op: "Pull " + className(resource), header: header{action: actionPull, resource: resource}, limits: k.limits, once: true,
		body: func(body *etree.Element) {
			e := body.CreateElement("n:Pull")
			e.CreateAttr("xmlns:n", nsEnumeration)
			e.CreateElement("n:EnumerationContext").SetText(position)
			e.CreateElement("n:MaxElements").SetText(pullElements)
			e.CreateElement("n:MaxCharacters").SetText(pullCharacter)
		}}
}

// page is the answer to one pull.
type page struct {
	items []Instance
	next  string
	end   bool
}

func (r reply) page() (page, error) {
	e := child(r.body, nsEnumeration, "PullResponse")
	if e == nil {
		return page{}, fmt.Errorf("the body holds no PullResponse")
	}
	p := page{next: childText(e, nsEnumeration, "EnumerationContext"), end: child(e, nsEnumeration, "EndOfSequence") != nil}
	if items := child(e, nsEnumeration, "Items"); items != nil {
		for _, item := range items.ChildElements() {
			p.items = append(p.items, decodeInstance(item))
		}
	}
	return p, nil
}

// DecodeItems decodes a recorded reply to a Pull, and says whether it ends the
// sequence.
func DecodeItems(envelope []byte) (items []Instance, end bool, err error) {
	r, err := decode(envelope)
	if err != nil {
		return nil, false, err
	}
	if r.fault != nil {
		return nil, false, r.fault
	}
	p, err := r.page()
	return p.items, p.end, err
}
