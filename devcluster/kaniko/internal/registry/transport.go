// Package registry talks to registries: permission probe, pulls through maps
// and mirrors, pushes, the layer cache, and the files a push writes.
package registry

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"devcluster/kaniko/internal/options"
)

// transportFor gives the HTTP transport for one host. Go reads the system
// roots itself and honours SSL_CERT_DIR; a given certificate is added to them.
func transportFor(o *options.Registry, host string, pull bool) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// Layers go up in parallel to one host; Go's default of 2 would close and
	// reopen TLS connections, which is what costs most on a small CPU share.
	t.MaxIdleConnsPerHost = 20
	skip := o.SkipTLSVerify || o.SkipTLSVerifyRegistries.Contains(host) || (pull && o.SkipTLSVerifyPull)
	if skip {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	} else if path := o.Certificates[host]; path != "" {
		pool, err := poolWith(path)
		if err != nil {
			return nil, fmt.Errorf("failed to load certificate %s for %s: %w", path, host, err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	if pair := o.ClientCertificates[host]; pair != "" {
		certFile, keyFile, found := strings.Cut(pair, ",")
		if !found || strings.Contains(keyFile, ",") {
			return nil, fmt.Errorf("failed to load client certificate/key '%s=%s', expected format: %s=/path/to/cert,/path/to/key", host, pair, host)
		}
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("failed to load client certificate/key '%s' for %s: %w", pair, host, err)
		}
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

func poolWith(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	return pool, nil
}

// pushTransport adds what kaniko's pushes have and its pulls have not: retries
// of temporary errors.
func pushTransport(o *options.Registry, host string) (http.RoundTripper, error) {
	t, err := transportFor(o, host, false)
	if err != nil {
		return nil, fmt.Errorf("making transport for registry %q: %w", host, err)
	}
	return transport.NewRetry(t), nil
}

// userAgent names us as kaniko does, so that registry logs look alike.
type userAgent struct{ inner http.RoundTripper }

func (u userAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	agent := "kaniko/double"
	if upstream := os.Getenv("UPSTREAM_CLIENT_TYPE"); upstream != "" {
		agent += "," + upstream
	}
	r.Header.Set("User-Agent", agent)
	return u.inner.RoundTrip(r)
}

// pushTag parses a destination, with plain HTTP where asked for.
func pushTag(o *options.Registry, destination string) (name.Tag, error) {
	tag, err := name.NewTag(destination, name.WeakValidation)
	if err != nil {
		return name.Tag{}, fmt.Errorf("getting tag for destination: %w", err)
	}
	host := tag.Registry.Name()
	if o.Insecure || o.InsecureRegistries.Contains(host) {
		plain, err := name.NewRegistry(host, name.WeakValidation, name.Insecure)
		if err != nil {
			return name.Tag{}, fmt.Errorf("getting new insecure registry: %w", err)
		}
		tag.Registry = plain
	}
	return tag, nil
}
