package pxe

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// nameMax bounds a requested name, in bytes. Requests of firmware are far
// shorter.
const nameMax = 512

var (
	errNoFile  = errors.New("file not found")
	errRefused = errors.New("access refused")
)

// candidates returns the names, relative to the root, that a requested name
// may stand for, best first: as it is, and without a prefix by which clients
// call the root. Backslashes are slashes, leading slashes fall away. It
// returns none for a name that must be refused.
func candidates(requested string, prefixes []string) []string {
	if requested == "" || len(requested) > nameMax || !utf8.ValidString(requested) || strings.ContainsFunc(requested, unicode.IsControl) {
		return nil
	}
	name := strings.ReplaceAll(requested, `\`, "/")
	if slices.Contains(strings.Split(name, "/"), "..") {
		return nil
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	names := []string{name}
	for _, prefix := range prefixes {
		prefix = strings.Trim(prefix, "/") + "/"
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, rest)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" || n == "." || !fs.ValidPath(n) })
}

// openFile opens the regular file that a requested name stands for, and
// returns its name relative to the root. Symbolic links are followed inside
// the root only. The error is errNoFile or errRefused.
func openFile(root *os.Root, requested string, prefixes []string) (*os.File, string, error) {
	names := candidates(requested, prefixes)
	if len(names) == 0 {
		return nil, "", errRefused
	}
	failure := errNoFile
	for _, name := range names {
		file, err := openRegular(root, name)
		switch {
		case err == nil:
			return file, name, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			failure = errRefused
		}
	}
	return nil, "", failure
}

// openRegular opens a regular file. It looks before it opens, because opening
// a device may act on it, and opens without waiting, because a FIFO may have
// taken the file's place in between.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errRefused
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errRefused, err, file.Close())
	}
	return file, nil
}
