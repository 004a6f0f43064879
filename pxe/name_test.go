package pxe

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestCandidates(t *testing.T) {
	prefixes := []string{"/tftpboot/", "/srv/boot"}
	for _, c := range []struct {
		requested string
		want      []string
	}{
		{"a", []string{"a"}},
		{"/a/b", []string{"a/b"}},
		{`\a\b`, []string{"a/b"}},
		{"a//b/./c/", []string{"a/b/c"}},
		{"/tftpboot/a", []string{"tftpboot/a", "a"}},
		{"tftpboot/a", []string{"tftpboot/a", "a"}},
		{"/srv/boot/a", []string{"srv/boot/a", "a"}},
		{"/srv/bootx/a", []string{"srv/bootx/a"}},
		{"/tftpboot/srv/boot/a", []string{"tftpboot/srv/boot/a", "srv/boot/a"}},
		{"/tftpboot/", []string{"tftpboot"}},
		{"...", []string{"..."}},
		{"a..b", []string{"a..b"}},
		{strings.Repeat("a", nameMax), []string{strings.Repeat("a", nameMax)}},
		{strings.Repeat("a", nameMax+1), nil},
		{"", nil},
		{"/", nil},
		{".", nil},
		{"..", nil},
		{"a/../b", nil},
		{`a\..\b`, nil},
		{"/tftpboot/../a", nil},
		{"a\x00b", nil},
		{"a\nb", nil},
		{"a\x7f", nil},
		{"\xff", nil},
	} {
		if got := candidates(c.requested, prefixes); !slices.Equal(got, c.want) {
			t.Errorf("candidates(%.60q) = %q, want %q", c.requested, got, c.want)
		}
	}
}

// FuzzCandidates: whatever a client asks for, what is looked up is a plain
// name below the root.
func FuzzCandidates(f *testing.F) {
	for _, seed := range []string{"pxelinux.0", "/tftpboot/a", `..\..\a`, "a/./..//b", "\x00", "tftpboot/tftpboot/../../a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, requested string) {
		for _, name := range candidates(requested, []string{"/tftpboot/", ""}) {
			if !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) || slices.Contains(strings.Split(name, "/"), "..") {
				t.Errorf("candidates(%q) holds %q", requested, name)
			}
		}
	})
}
