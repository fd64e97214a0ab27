package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/rootfs"
	"devcluster/kaniko/internal/testimage"
)

func cachingKitchen(t *testing.T) *kitchen {
	k := newKitchen(t, "FROM REG/base\nARG A=1\nCOPY a /a\nRUN echo $A > $R/r\nWORKDIR /w\nRUN echo last > $R/l")
	k.base("base", v1.Config{Env: []string{"PATH=/usr/bin:/bin"}}, testimage.Entry{Name: "f", Content: "base"})
	k.context("a", "1")
	k.o.Cache, k.o.CacheCopyLayers = true, true
	k.run = shell
	return k
}

func TestSecondBuildComesFromTheCache(t *testing.T) {
	k := cachingKitchen(t)
	first := k.build()
	k.logged("No cached layer found for cmd COPY a /a", 1)
	k.logged("Checking for cached layer "+k.registry+"/out/cache:", 1)
	k.logged("Pushing layer "+k.registry+"/out/cache:", 4)
	k.logged("Pushing image to "+k.registry+"/out/cache:", 4)

	time.Sleep(10 * time.Millisecond)
	k.context("a", "1") // another time, the same content
	second := k.build()
	k.logged("Using caching version of cmd: ", 4)
	k.logged("Found cached layer, extracting to filesystem", 4)
	k.logged("Skipping unpacking as no commands require it.", 1)
	k.logged("Running: ", 0)
	same(t, "layers", layers(t, second), layers(t, first))
	same(t, "working directory", config(t, second).Config.WorkingDir, "/w")
	if _, err := os.Stat(filepath.Join(k.o.Root, "l")); err != nil {
		t.Error("a cached layer was not unpacked:", err)
	}
}

func TestWhatMissesTheCache(t *testing.T) {
	cases := map[string]struct {
		change func(*kitchen)
		hits   int
	}{
		"nothing":      {func(*kitchen) {}, 4},
		"build arg":    {func(k *kitchen) { k.o.BuildArgs = options.Multi{"A=2"} }, 1},
		"content":      {func(k *kitchen) { k.context("a", "2") }, 0},
		"label":        {func(k *kitchen) { k.o.Labels = options.Multi{"x=y"} }, 4},
		"base":         {func(k *kitchen) { k.base("base", v1.Config{}, testimage.Entry{Name: "f", Content: "new"}) }, 0},
		"instruction":  {func(k *kitchen) { k.dockerfile("FROM REG/base\nARG A=1\nCOPY a /a\nRUN other") }, 1},
		"expired":      {func(k *kitchen) { k.o.CacheTTL = time.Nanosecond }, 0},
		"reproducible": {func(k *kitchen) { k.o.Reproducible = true }, 0},
		"no copies":    {func(k *kitchen) { k.o.CacheCopyLayers = false }, 3},
		"no runs":      {func(k *kitchen) { k.o.CacheRunLayers = false }, 1},
		"repository":   {func(k *kitchen) { k.o.CacheRepo = k.registry + "/elsewhere" }, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			k := cachingKitchen(t)
			k.build()
			c.change(k)
			k.run = nil
			k.build()
			k.logged("Using caching version of cmd: ", c.hits)
		})
	}
}

func TestFailedRunIsNotCached(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN exit 1")
	k.o.Cache = true
	k.run = shell
	if _, err := k.try(); err == nil {
		t.Fatal("no error")
	}
	k.logged("to cache now", 0)
}

func TestFailingCachePushOnlyWarns(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN true")
	k.o.Cache, k.o.CacheRepo = true, "127.0.0.1:1/cache"
	k.build()
	k.logged("Error uploading layer to cache: failed to push to destination 127.0.0.1:1/cache:", 1)
}

func TestNoPushCache(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN true")
	k.o.Cache, k.o.NoPushCache = true, true
	k.build()
	k.logged("to cache now", 0)
}

func TestCachePushWritesTheDigestFile(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN true")
	k.o.Cache = true
	k.o.DigestFile = filepath.Join(t.TempDir(), "digest")
	image := k.build()
	text, err := os.ReadFile(k.o.DigestFile)
	if err != nil || !strings.HasPrefix(string(text), "sha256:") {
		t.Fatalf("%q %v", text, err)
	}
	if string(text) == digest(t, image) {
		t.Error("the file holds the image's digest before the image was pushed")
	}
}

func TestCacheInALayout(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN true")
	k.o.Cache, k.o.CacheRepo = true, "oci:"+filepath.Join(t.TempDir(), "cache")
	k.build()
	k.build()
	k.logged("Using caching version of cmd: RUN true", 1)
}

func TestCacheKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "d", "f")
	write := func(content string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	key := func() string {
		t.Helper()
		k := &cacheKey{}
		k.add("base", "RUN x")
		if err := k.addFiles(rootfs.Context{Root: dir}, filepath.Join(dir, "d")); err != nil {
			t.Fatal(err)
		}
		return k.hash()
	}
	write("1", 0o644)
	first := key()
	if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if key() != first {
		t.Error("the time of a file counts")
	}
	write("2", 0o644)
	if key() == first {
		t.Error("the content of a file does not count")
	}
	write("1", 0o755)
	if key() == first {
		t.Error("the mode of a file does not count")
	}
	a, b := &cacheKey{}, &cacheKey{}
	a.add("ab", "c")
	b.add("a", "bc")
	if a.hash() == b.hash() {
		t.Error("parts run into each other")
	}
}
