package main

import (
	"crypto/tls"
	"net"
	"net/netip"
	"os"
)

// validate checks what one setting alone cannot show: settings against each
// other, and the files they name.
func (l *loader) validate() {
	l.validateTLS()
	l.validateAdmin()
	l.validateTFTP()
}

func (l *loader) validateTLS() {
	c := &l.config.TLS
	if c.Mode != tlsFiles {
		for _, file := range []struct{ key, path string }{{"tls.cert", c.Cert}, {"tls.key", c.Key}} {
			if file.path != "" {
				l.problem(l.origins[file.key], file.key, "has no effect with tls.mode %s; use tls.mode files, or leave it out", c.Mode)
			}
		}
		if host, _, err := net.SplitHostPort(l.config.Listen); c.Mode == tlsOff && err == nil {
			if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
				l.warn(l.origins["tls.mode"], "tls.mode", "is off and %s is not a loopback address: passwords cross the network in clear", l.config.Listen)
			}
		}
		return
	}
	if len(c.Hosts) > 0 {
		l.problem(l.origins["tls.hosts"], "tls.hosts", "has no effect with tls.mode files; the names are those of the certificate")
	}
	if c.Cert == "" || c.Key == "" {
		l.problem(l.origins["tls.mode"], "tls.mode", "files needs tls.cert and tls.key")
		return
	}
	readable := true
	for _, file := range []struct{ key, path string }{{"tls.cert", c.Cert}, {"tls.key", c.Key}} {
		if _, err := readCapped(file.path, fileMax); err != nil {
			l.problem(l.origins[file.key], file.key, "%s: %s", file.path, err)
			readable = false
		}
	}
	if !readable {
		return
	}
	if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
		l.problem(l.origins["tls.cert"], "tls.cert", "%s and %s are not a certificate and its key: %s", c.Cert, c.Key, err)
	}
	if othersMayRead(c.Key) {
		l.warn(l.origins["tls.key"], "tls.key", "%s may be read by other users; use chmod 600", c.Key)
	}
}

func (l *loader) validateAdmin() {
	c := &l.config.Admin
	if c.PasswordFile == "" {
		return
	}
	source := l.origins["admin.password_file"]
	var err error
	if c.Password, err = l.passwordFile(source, "admin.password_file", c.PasswordFile); err != nil {
		l.problem(source, "admin.password_file", "%s", err)
	}
}

func (l *loader) validateTFTP() {
	root := l.config.PXE.TFTPRoot
	if root == "" {
		return
	}
	info, err := os.Stat(root)
	switch {
	case err != nil:
		l.problem(l.origins["pxe.tftp.root"], "pxe.tftp.root", "%s: cannot be read: %s", root, reason(err))
	case !info.IsDir():
		l.problem(l.origins["pxe.tftp.root"], "pxe.tftp.root", "%s: is not a directory", root)
	}
}
