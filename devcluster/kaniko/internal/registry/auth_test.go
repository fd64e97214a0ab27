package registry

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"devcluster/kaniko/internal/options"
)

func TestTLS(t *testing.T) {
	image, _ := randomImage(t)
	server := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	host := strings.TrimPrefix(server.URL, "https://")
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		set  func(*options.Options)
		push bool
		pull bool
	}{
		"nothing":                  {func(*options.Options) {}, false, false},
		"registry-certificate":     {func(o *options.Options) { o.Certificates[host] = certificate }, true, true},
		"skip-tls-verify":          {func(o *options.Options) { o.SkipTLSVerify = true }, true, true},
		"skip-tls-verify-registry": {func(o *options.Options) { o.SkipTLSVerifyRegistries = options.Multi{host} }, true, true},
		"skip-tls-verify-pull":     {func(o *options.Options) { o.SkipTLSVerifyPull = true }, false, true},
	}
	for _, name := range []string{"skip-tls-verify", "nothing", "registry-certificate", "skip-tls-verify-registry", "skip-tls-verify-pull"} {
		c := cases[name]
		o := options.New()
		o.Destinations = options.Multi{host + "/a:1"}
		c.set(o)
		if err := CheckPushPermissions(o); (err == nil) != c.push {
			t.Errorf("%s: permission check: %v", name, err)
		}
		if err := Push(image, o); (err == nil) != c.push {
			t.Errorf("%s: push: %v", name, err)
		}
		if _, err := NewPuller(&o.Registry, "linux/amd64").Image(host + "/a:1"); (err == nil) != c.pull {
			t.Errorf("%s: pull: %v", name, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	image, _ := randomImage(t)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	o := options.New()
	o.Destinations = options.Multi{host + "/a:1"}
	o.CredentialHelpers = options.Multi{""}
	if err := Push(image, o); err == nil || !strings.Contains(err.Error(), "401 Unauthorized") {
		t.Errorf("push without login: %v", err)
	}
	_, err := NewPuller(&o.Registry, "linux/amd64").Image(host + "/a:1")
	if err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED: authentication required") {
		t.Errorf("pull without login: %v", err)
	}
	config := fmt.Sprintf(`{"auths":{%q:{"auth":"dTpw"}}}`, host)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Push(image, o); err != nil {
		t.Errorf("push with login: %v", err)
	}
}
