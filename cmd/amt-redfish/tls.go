package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

const (
	certificateKey      = "service/certificate"
	certificateVersion  = 1
	certificateLifetime = 5 * 365 * 24 * time.Hour
	certificateRenew    = 30 * 24 * time.Hour // so long before its end
	certificateFile     = "gateway.crt"
)

// certificateRecord is the stored form of the self-signed certificate.
type certificateRecord struct {
	Version     int    `json:"version"`
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`         // PEM
}

// tlsConfig returns how callers are served, after the configuration.
func (g *gateway) tlsConfig(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.config.TLS.Mode == tlsFiles {
		pair, err := tls.LoadX509KeyPair(g.config.TLS.Cert, g.config.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("load tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
		return config, nil
	}
	pair, err := g.selfSigned(ctx)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// selfSigned returns the certificate kept in state. It is made if there is
// none, if it ends soon, or if it lacks a name that callers are told to use. A
// copy without the key is put beside the state for clients to trust.
func (g *gateway) selfSigned(ctx context.Context) (tls.Certificate, error) {
	hosts, others, err := certificateHosts(g.config.Listen, g.config.TLS.Hosts)
	if err != nil {
		return tls.Certificate{}, err
	}
	var pair tls.Certificate
	entry, err := g.store.Update(ctx, certificateKey, func(old state.Entry) ([]byte, error) {
		if stored, err := decodeCertificate(old.Value); err == nil && serves(stored.Leaf, hosts, time.Now()) {
			pair = stored
			return old.Value, nil
		}
		fresh, err := makeCertificate(append(hosts, others...), time.Now())
		if err != nil {
			return nil, err
		}
		if pair, err = decodeCertificate(fresh); err != nil {
			return nil, err
		}
		return fresh, nil
	})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("keep the self-signed certificate: %w", err)
	}
	var record certificateRecord
	if err := json.Unmarshal(entry.Value, &record); err != nil {
		return tls.Certificate{}, err
	}
	path := filepath.Join(g.config.State.Dir, certificateFile)
	if err := os.WriteFile(path, []byte(record.Certificate), 0o644); err != nil {
		return tls.Certificate{}, fmt.Errorf("write the certificate for clients: %w", err)
	}
	g.log.Info("serving with a self-signed certificate", "file", path, "hosts", hosts, "until", pair.Leaf.NotAfter)
	return pair, nil
}

// certificateHosts are the names and addresses under which callers may reach
// the gateway: what is configured, this host's name, and the address listened
// on. Where that is every address, others are those that this host has now; a
// certificate is not made anew because they change, since clients hold a copy
// of it.
func certificateHosts(listen string, configured []string) (hosts, others []string, err error) {
	hosts = append([]string{"localhost", "127.0.0.1", "::1"}, configured...)
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, nil, err
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		hosts = append(hosts, host)
	} else if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if network, ok := a.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
				others = append(others, network.IP.String())
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), others, nil
}

// serves reports whether a certificate is good for all hosts for a while.
func serves(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	return now.Add(certificateRenew).Before(leaf.NotAfter) && !slices.ContainsFunc(hosts, func(host string) bool {
		return leaf.VerifyHostname(host) != nil
	})
}

// makeCertificate returns the stored form of a new certificate. Its key is
// ECDSA, because clients of this service make a handshake for each request.
func makeCertificate(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "amt-redfish"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, // so that clients can take it as their CA file
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(certificateRecord{
		Version:     certificateVersion,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	})
}

func decodeCertificate(value []byte) (tls.Certificate, error) {
	var record certificateRecord
	if err := json.Unmarshal(value, &record); err != nil {
		return tls.Certificate{}, err
	}
	if record.Version != certificateVersion {
		return tls.Certificate{}, errors.New("unknown version")
	}
	return tls.X509KeyPair([]byte(record.Certificate), []byte(record.Key))
}
