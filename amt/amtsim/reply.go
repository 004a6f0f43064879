package amtsim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Sizes of the first and the following chunks of recorded replies.
const (
	firstChunk = 0x220
	nextChunk  = 0x2FA
)

// reply is one HTTP reply.
type reply struct {
	status    int
	challenge string // WWW-Authenticate
	close     bool
	html      string // a sentence for the HTML page
	soap      string
}

// render makes the bytes of a reply. SOAP is chunked with sizes of four
// upper-case hex digits, replies in several pieces that heed no tag and faults
// in one, or ends with the connection; HTML carries its length.
func (m *Machine) render(r reply) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	if r.soap == "" {
		page := "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">\r\n<html><head><title>Simulated AMT</title></head><body><p>" + r.html + "</p></body></html>\r\n"
		if r.challenge != "" {
			b.WriteString("WWW-Authenticate: " + r.challenge + "\r\n")
		}
		fmt.Fprintf(&b, "Content-Type: text/html\r\nServer: %s\r\nContent-Length: %d\r\n", m.serverName(), len(page))
		m.endHead(&b, r.close)
		b.WriteString(page)
		return []byte(b.String())
	}
	fmt.Fprintf(&b, "Date: %s\r\nServer: %s\r\nX-Frame-Options: DENY\r\nContent-Type: application/soap+xml; charset=UTF-8\r\n",
		time.Now().UTC().Format(http.TimeFormat), m.serverName())
	if m.profile.untilClose {
		m.endHead(&b, true)
		b.WriteString(r.soap)
		return []byte(b.String())
	}
	b.WriteString("Transfer-Encoding: chunked\r\n")
	m.endHead(&b, r.close)
	rest, size := r.soap, firstChunk
	for len(rest) > 0 {
		if r.status != http.StatusOK {
			size = len(rest)
		} else if !m.options.Quirks.EvenChunks {
			size = 1 + m.random.IntN(nextChunk)
		}
		size = min(size, len(rest))
		fmt.Fprintf(&b, "%04X\r\n%s\r\n", size, rest[:size])
		rest, size = rest[size:], nextChunk
	}
	b.WriteString("0\r\n\r\n")
	return []byte(b.String())
}

func (m *Machine) endHead(b *strings.Builder, closes bool) {
	if closes {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
}

func (m *Machine) serverName() string {
	return "Intel(R) Active Management Technology " + m.profile.version + "." + m.profile.build
}
