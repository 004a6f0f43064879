package redfish

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// sessionsURI is where callers log in (DSP0268, SessionCollection;
// DSP0266, 13.3.4).
const sessionsURI = rootURI + "/SessionService/Sessions"

var _ = register(resource{
	name: "Sessions", uri: sessionsURI, typ: "SessionCollection",
	parent: rootURI + "/SessionService", property: "Sessions",
	methods: map[string]operation{
		http.MethodGet:  {anyOf: []privilege{login}, serve: getSessions},
		http.MethodPost: {serve: postSession},
	},
})

// sessionURI is one login (DSP0268, Session). Everyone may see and end
// their own; those that configure the manager see and end all.
const sessionURI = sessionsURI + "/{id}"

var _ = register(resource{
	name: "Session", uri: sessionURI, typ: "Session",
	methods: map[string]operation{
		http.MethodGet:    {anyOf: []privilege{login}, serve: getSession},
		http.MethodDelete: {anyOf: []privilege{configureManager, configureSelf}, serve: deleteSession},
	},
})

// sessionsInSight returns the sessions that the caller may know of.
func (c *call) sessionsInSight() []session {
	if slices.Contains(grants[c.account.Role], configureManager) {
		return c.sessions.list("")
	}
	return c.sessions.list(c.account.Username)
}

func getSessions(c *call) (reply, error) {
	var uris []string
	for _, s := range c.sessionsInSight() {
		uris = append(uris, at(sessionURI, s.id))
	}
	return c.collect(sessionsURI, "Sessions", uris)
}

// findSession returns the session that the path names, if the caller may know of it.
func (c *call) findSession() (session, error) {
	for _, s := range c.sessionsInSight() {
		if s.id == c.vars["id"] {
			return s, nil
		}
	}
	return session{}, missing(clip(c.path))
}

func (c *call) sessionBody(s session) object {
	return c.represent(sessionURI, s.id, object{
		"Id": s.id, "Name": "Session " + s.id, "UserName": s.username,
		"ClientOriginIPAddress": s.source, "CreatedTime": s.created.UTC().Format(time.RFC3339),
	})
}

func getSession(c *call) (reply, error) {
	s, err := c.findSession()
	if err != nil {
		return reply{}, err
	}
	return ok(c.sessionBody(s))
}

// deleteSession ends a session. Preconditions are ignored: a client that wants
// out must get out.
func deleteSession(c *call) (reply, error) {
	s, err := c.findSession()
	if err != nil {
		return reply{}, err
	}
	c.sessions.end(s.id)
	return noContent()
}

// postSession logs in. Credentials in headers are ignored, those in the body
// count.
func postSession(c *call) (reply, error) {
	if !c.mayAuthenticate() {
		return reply{}, c.refusePlain()
	}
	username, password, err := credentialsFrom(c.body)
	if err != nil {
		return reply{}, err
	}
	account, err := c.auth.login(c.ctx, c.source, username, password)
	if err != nil {
		return reply{}, err
	}
	made, token, err := c.sessions.begin(account.Username, c.source, time.Now())
	if err != nil {
		return reply{}, err
	}
	c.account = &account
	answer := reply{status: http.StatusCreated, body: c.sessionBody(made), header: http.Header{}}
	answer.header.Set("X-Auth-Token", token)
	answer.header.Set("Location", at(sessionURI, made.id))
	answer.tag()
	return answer, nil
}

// credentialsFrom reads a login request. It names what is wrong but repeats no
// value, since people put passwords into the wrong field.
func credentialsFrom(body []byte) (username, password string, err error) {
	members, err := decodeObject(body)
	if err != nil {
		return "", "", err
	}
	fields := map[string]*string{"UserName": &username, "Password": &password}
	var problems []message
	for name, value := range members {
		field, known := fields[name]
		text, isText := value.(string)
		switch {
		case strings.Contains(name, "@"):
		case !known:
			problems = append(problems, msg("PropertyUnknown", clip(name)).about(clip(name)))
		case !isText:
			problems = append(problems, msg("PropertyValueTypeError", "(not shown)", name).about(name))
		default:
			*field = text
		}
	}
	for _, name := range []string{"UserName", "Password"} {
		if _, sent := members[name]; !sent {
			problems = append(problems, msg("CreateFailedMissingReqProperties", name).about(name))
		}
	}
	if len(problems) > 0 {
		sortMessages(problems)
		return "", "", fail(http.StatusBadRequest, problems...)
	}
	return username, password, nil
}
