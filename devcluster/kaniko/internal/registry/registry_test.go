package registry

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/testimage"
)

func randomImage(t *testing.T) (v1.Image, string) {
	t.Helper()
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return image, digest.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}

// watched is a registry that looks at each request before it is served, and
// may refuse it.
func watched(t *testing.T, look func(*http.Request) int) string {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var one sync.Mutex // requests come in parallel
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		status := look(r)
		one.Unlock()
		if status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"requested access is denied"}]}`)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestDigestFileIsThereBeforeThePush(t *testing.T) {
	image, digest := randomImage(t)
	o := options.New()
	o.DigestFile = filepath.Join(t.TempDir(), "sub", "digest")
	requests, seen := 0, ""
	host := watched(t, func(*http.Request) int {
		if requests++; requests == 1 {
			seen = read(t, o.DigestFile)
		}
		return 0
	})
	o.Destinations = options.Multi{host + "/a/b:1"}
	if err := Push(image, o); err != nil {
		t.Fatal(err)
	}
	if seen != digest {
		t.Errorf("at the first request the file held %q, want %q", seen, digest)
	}
}

func TestDigestFileIsThereThoughThePushFails(t *testing.T) {
	image, digest := randomImage(t)
	o := options.New()
	o.DigestFile = filepath.Join(t.TempDir(), "digest")
	o.Destinations = options.Multi{"127.0.0.1:1/a/b:1"}
	err := Push(image, o)
	if err == nil || !strings.HasPrefix(err.Error(), "failed to push to destination 127.0.0.1:1/a/b:1: ") {
		t.Errorf("error: %v", err)
	}
	if read(t, o.DigestFile) != digest {
		t.Errorf("digest file: %q", read(t, o.DigestFile))
	}
}

func TestTagsBeforeTheFailingOneAreLive(t *testing.T) {
	image, digest := randomImage(t)
	host := watched(t, func(r *http.Request) int {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/two") {
			return http.StatusForbidden
		}
		return 0
	})
	o := options.New()
	o.Destinations = options.Multi{host + "/a:one", host + "/a:two", host + "/a:three"}
	if err := Push(image, o); err == nil || !strings.Contains(err.Error(), "/a:two: ") || !strings.Contains(err.Error(), "DENIED") {
		t.Fatalf("error: %v", err)
	}
	if got, _ := testimage.Pull(t, host+"/a:one").Digest(); got.String() != digest {
		t.Errorf("first tag: %s", got)
	}
	puller := NewPuller(&o.Registry, "linux/amd64")
	if _, err := puller.Image(host + "/a:three"); err == nil {
		t.Error("the third tag was pushed")
	}
}

func TestNameFiles(t *testing.T) {
	image, digest := randomImage(t)
	dir := t.TempDir()
	o := options.New()
	o.NoPush = true
	o.Destinations = options.Multi{"r.io/a:1", "r.io/b"}
	o.ImageNameDigestFile = filepath.Join(dir, "name")
	if err := Push(image, o); err != nil {
		t.Fatal(err)
	}
	if want := "r.io/a@" + digest + "\nr.io/b@" + digest + "\n"; read(t, o.ImageNameDigestFile) != want {
		t.Errorf("without tag: %q", read(t, o.ImageNameDigestFile))
	}
	o.ImageNameTagDigestFile = filepath.Join(dir, "tag")
	if err := Push(image, o); err != nil {
		t.Fatal(err)
	}
	want := "r.io/a:1@" + digest + "\nr.io/b:latest@" + digest + "\n"
	if read(t, o.ImageNameDigestFile) != want || read(t, o.ImageNameTagDigestFile) != want {
		t.Errorf("with both, both have the tag: %q", read(t, o.ImageNameDigestFile))
	}
}

func TestArchiveAndLayout(t *testing.T) {
	image, digest := randomImage(t)
	o := options.New()
	o.NoPush = true
	o.TarPath = filepath.Join(t.TempDir(), "i.tar")
	o.OCILayoutPath = filepath.Join(t.TempDir(), "oci")
	if err := Push(image, o); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadImage(o.OCILayoutPath)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := loaded.Digest(); got.String() != digest {
		t.Errorf("layout: %s", got)
	}
	if _, err := LoadImage(o.TarPath); err != nil {
		t.Errorf("archive: %v", err)
	}
}

func TestRetryAndImmutableTags(t *testing.T) {
	firstDelay = time.Millisecond
	image, _ := randomImage(t)
	refusals := 1
	host := watched(t, func(r *http.Request) int {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") && refusals > 0 {
			refusals--
			return http.StatusForbidden
		}
		return 0
	})
	o := options.New()
	o.Destinations = options.Multi{host + "/a:1"}
	o.PushRetry = 1
	if err := Push(image, o); err != nil {
		t.Errorf("with a retry: %v", err)
	}
	if !immutable(fmt.Errorf("tag invalid: The image tag 'x' cannot be overwritten because the tag is immutable")) {
		t.Error("an immutable tag is not known")
	}
}

func TestPullErrorsAndMaps(t *testing.T) {
	host := testimage.Registry(t)
	image, digest := randomImage(t)
	testimage.Push(t, host+"/prefix/library/base:1", image)
	o := options.New()
	puller := NewPuller(&o.Registry, "linux/amd64")
	_, err := puller.Image(host + "/nope:1")
	if err == nil || !strings.HasPrefix(err.Error(), "unable to complete operation after 0 attempts, last error: GET http://") ||
		!strings.Contains(err.Error(), "UNKNOWN") {
		t.Errorf("unknown image: %v", err)
	}
	if err := o.Maps.Set("index.docker.io=127.0.0.1:1;index.docker.io=" + host + "/prefix"); err != nil {
		t.Fatal(err)
	}
	o.SkipDefaultRegistryFallback = true
	got, err := puller.Image("base:1")
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := got.Digest(); d.String() != digest {
		t.Errorf("digest %s", d)
	}
	if _, err = puller.Image("other:1"); err == nil || !strings.Contains(err.Error(), "image not found on any configured mapped registries") {
		t.Errorf("no fallback: %v", err)
	}
}

func TestPermissionCheckTargets(t *testing.T) {
	probed := map[string]int{}
	host := watched(t, func(r *http.Request) int {
		if r.Method == http.MethodPost {
			probed[r.URL.Path]++
		}
		return 0
	})
	o := options.New()
	o.Destinations = options.Multi{host + "/a:1", host + "/a:2", host + "/b:1"}
	if err := CheckPushPermissions(o); err != nil {
		t.Fatal(err)
	}
	if len(probed) != 2 || probed["/v2/a/blobs/uploads/"] != 1 {
		t.Errorf("probed %v", probed)
	}
	o.SkipPermissions = true
	o.Destinations = options.Multi{"127.0.0.1:1/x"}
	if err := CheckPushPermissions(o); err != nil {
		t.Errorf("skipped: %v", err)
	}
}
