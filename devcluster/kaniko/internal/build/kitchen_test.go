package build

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/testimage"
)

// kitchen builds in temporary directories, without privilege.
type kitchen struct {
	t        *testing.T
	o        *options.Options
	registry string
	log      bytes.Buffer
	// run stands for the programs of RUN: it gets the root and the script.
	run func(root, script string, cmd *exec.Cmd) error
}

func newKitchen(t *testing.T, dockerfile string) *kitchen {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	k := &kitchen{t: t, registry: testimage.Registry(t)}
	k.o = options.New()
	k.o.Root, k.o.KanikoDir, k.o.Context = t.TempDir(), t.TempDir(), t.TempDir()
	k.o.CustomPlatform, k.o.SnapshotMode = "linux/amd64", "full"
	k.o.CacheRunLayers, k.o.CacheTTL, k.o.IgnoreVarRun = true, time.Hour, true
	k.o.Destinations = options.Multi{k.registry + "/out:1"}
	k.dockerfile(dockerfile)
	return k
}

func (k *kitchen) dockerfile(text string) {
	k.o.Dockerfile = filepath.Join(k.o.KanikoDir, "Dockerfile")
	k.write(k.o.Dockerfile, strings.ReplaceAll(text, "REG", k.registry))
}

func (k *kitchen) write(path, content string) {
	k.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kitchen) context(name, content string) { k.write(filepath.Join(k.o.Context, name), content) }

// try builds in a fresh root and notes the log.
func (k *kitchen) try() (v1.Image, error) {
	k.t.Helper()
	k.o.Root = k.t.TempDir()
	k.log.Reset()
	logrus.SetOutput(&k.log)
	defer logrus.SetOutput(os.Stderr)
	b := New(k.o)
	b.start = func(cmd *exec.Cmd) error {
		if k.run == nil {
			return nil
		}
		return k.run(k.o.Root, cmd.Args[len(cmd.Args)-1], cmd)
	}
	return b.Build()
}

func (k *kitchen) build() v1.Image {
	k.t.Helper()
	image, err := k.try()
	if err != nil {
		k.t.Fatal(err)
	}
	return image
}

// base pushes a base image with one layer.
func (k *kitchen) base(name string, config v1.Config, entries ...testimage.Entry) {
	k.t.Helper()
	testimage.Push(k.t, k.registry+"/"+name, testimage.Image(k.t, config, testimage.Layer(k.t, entries...)))
}

func (k *kitchen) logged(want string, times int) {
	k.t.Helper()
	if got := strings.Count(k.log.String(), want); got != times {
		k.t.Errorf("%q is in the log %d times, want %d:\n%s", want, got, times, k.log.String())
	}
}

// layers lists what each layer holds.
func layers(t *testing.T, image v1.Image) [][]string {
	t.Helper()
	list, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, l := range list {
		all = append(all, testimage.Names(t, l))
	}
	return all
}

func config(t *testing.T, image v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func digest(t *testing.T, image v1.Image) string {
	t.Helper()
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
