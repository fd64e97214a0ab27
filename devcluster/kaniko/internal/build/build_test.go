package build

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/testimage"
)

func TestCopyForms(t *testing.T) {
	k := newKitchen(t, `FROM scratch
ARG DIR=app
COPY a /$DIR/
COPY a /renamed
COPY *.txt sub /many/
COPY --chmod=0600 a /mode
COPY <<EOF /heredoc
dir=$DIR
EOF
WORKDIR /w
COPY sub/ inner/
ADD t.tar /tar/
ADD a .
`)
	k.context("a", "1")
	k.context("x.txt", "2")
	k.context("y.txt", "3")
	k.context("skip.txt", "4")
	k.context("sub/s", "5")
	k.context(".dockerignore", "skip.*\n")
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "in", Size: 1, Mode: 0o644, Uid: os.Geteuid(), Gid: os.Getegid()}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("6"))
	w.Close()
	k.context("t.tar", archive.String())
	same(t, "layers", layers(t, k.build()), [][]string{
		{"app/", "app/a=1"}, {"renamed=1"},
		{"many/", "many/s=5", "many/x.txt=2", "many/y.txt=3"},
		{"mode=1"}, {"heredoc=dir=$DIR\n"}, {"w/"}, {"w/", "w/inner/", "w/inner/s=5"}, {"tar/", "tar/in=6"}, {"w/", "w/a=1"},
	})
}

func TestCopyErrors(t *testing.T) {
	for instruction, want := range map[string]string{
		"COPY nofile /x":          "error building stage: failed to get files used from context: failed to get fileinfo for ",
		"COPY a b /x":             "when specifying multiple sources in a COPY command, destination must be a directory and end in '/'",
		"COPY --chown=who a /x":   "user who is not a uid and does not exist on the system",
		"COPY --chmod=u+x a /x":   "parsing value from chmod",
		"COPY ../../etc/passwd /": "failed to get fileinfo for ",
		"COPY --from=REG/no a /":  "unable to complete operation after 0 attempts, last error: GET http",
	} {
		k := newKitchen(t, "FROM scratch\n"+instruction)
		k.context("a", "1")
		k.context("b", "2")
		if _, err := k.try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", instruction, err, want)
		}
	}
}

func TestConfigInstructions(t *testing.T) {
	k := newKitchen(t, `FROM REG/base
ARG A=1
ENV B=$A PATH=/x:$PATH
LABEL l=$B own=no
USER 1000:1001
EXPOSE 80 53/udp
VOLUME /data
SHELL ["/bin/bash", "-c"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN x
MAINTAINER somebody
WORKDIR /
ENTRYPOINT go $B
`)
	k.base("base", v1.Config{Env: []string{"PATH=/bin"}, Cmd: []string{"base"}, OnBuild: []string{"ENV TRIGGER=1"}},
		testimage.Entry{Name: "f", Content: "1"})
	// The command line's come first: an instruction overwrites them.
	k.o.Labels = options.Multi{"own=yes", "c=1,2"}
	k.o.BuildArgs = options.Multi{"A=2"}
	image := k.build()
	c := config(t, image).Config
	same(t, "env", c.Env, []string{"PATH=/x:/bin", "TRIGGER=1", "B=2"})
	same(t, "labels", c.Labels, map[string]string{"l": "2", "own": "no", "c": "1,2"})
	same(t, "user", c.User, "1000:1001")
	same(t, "ports", c.ExposedPorts, map[string]struct{}{"80/tcp": {}, "53/udp": {}})
	same(t, "volumes", c.Volumes, map[string]struct{}{"/data": {}})
	same(t, "entrypoint", c.Entrypoint, []string{"/bin/bash", "-c", "go $B"})
	same(t, "cmd", c.Cmd, []string(nil))
	same(t, "triggers", c.OnBuild, []string{"RUN x"})
	same(t, "signal", c.StopSignal, "SIGINT")
	same(t, "health", c.Healthcheck.Test, []string{"CMD-SHELL", "true"})
	if got := len(layers(t, image)); got != 1 {
		t.Errorf("%d layers", got)
	}
	k.logged("Skipping unpacking as no commands require it.", 1)
	for _, h := range config(t, image).History[1:] {
		if !h.EmptyLayer || h.Author != "kaniko" {
			t.Errorf("history: %+v", h)
		}
	}
}

func TestStages(t *testing.T) {
	k := newKitchen(t, `FROM REG/base AS one
ENV OUT=/out
COPY a $OUT/a
FROM one AS two
COPY b /b
FROM one
COPY --from=TWO /b /from-two
COPY --from=0 $OUT/* /from-one/
COPY --from=REG/base /f /from-image
`)
	k.base("base", v1.Config{}, testimage.Entry{Name: "f", Content: "base"})
	k.context("a", "1")
	k.context("b", "2")
	image := k.build()
	same(t, "layers", layers(t, image), [][]string{
		{"f=base"}, {"out/", "out/a=1"}, {"from-two=2"}, {"from-one/", "from-one/a=1"}, {"from-image=base"},
	})
	k.logged("Deleting filesystem...", 2)
	k.logged("Saving file b for later use", 1)
	if _, err := os.Stat(filepath.Join(k.o.KanikoDir, "1", "b")); err != nil {
		t.Error("files of stage 1 are not under its index:", err)
	}
	if _, err := os.Stat(filepath.Join(k.o.Root, "b")); err == nil {
		t.Error("a file of a deleted stage is left")
	}
}

func TestBaseLayersStayAsTheyAre(t *testing.T) {
	k := newKitchen(t, "FROM REG/base\nCOPY a /a")
	k.base("base", v1.Config{}, testimage.Entry{Name: "f", Content: "base"})
	k.context("a", "1")
	base, err := testimage.Pull(t, k.registry+"/base").Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []options.ImageFormat{"", "oci"} {
		k.o.ImageFormat = format
		image := k.build()
		built, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := base[0].Digest()
		if got, _ := built[0].Digest(); got != want {
			t.Errorf("format %q: %s, was %s", format, got, want)
		}
		if mediaType, _ := built[1].MediaType(); format == "oci" && mediaType != types.OCILayer {
			t.Errorf("media type %s", mediaType)
		}
	}
}

func TestReproducible(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY a /d/a\nENV x=y")
	k.context("a", "1")
	k.o.Reproducible = true
	first := digest(t, k.build())
	time.Sleep(1100 * time.Millisecond)
	k.context("a", "1")
	if second := digest(t, k.build()); first != second {
		t.Errorf("%s, then %s", first, second)
	}
	k.o.Reproducible = false
	if other := digest(t, k.build()); other == first {
		t.Error("times are stripped though nobody asked for it")
	}
}
