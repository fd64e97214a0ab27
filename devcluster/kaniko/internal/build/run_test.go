package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/testimage"
)

// shell is a kitchen's run that does what RUN would, on the host, with the
// root in $R.
func shell(root, script string, cmd *exec.Cmd) error {
	onHost := exec.Command("/bin/sh", "-c", script)
	onHost.Env = append(cmd.Env, "R="+root)
	return runProcess(onHost)
}

func TestRunChangesBecomeALayer(t *testing.T) {
	k := newKitchen(t, "FROM REG/base\nRUN echo new > $R/etc/new; rm $R/etc/old; mkdir $R/kaniko-like\nRUN true\nENV a=b")
	k.base("base", v1.Config{Env: []string{"PATH=/usr/bin:/bin"}},
		testimage.Entry{Name: "etc/old", Content: "1"}, testimage.Entry{Name: "etc/keep", Content: "2"})
	k.run = shell
	image := k.build()
	got := layers(t, image)
	same(t, "first RUN", got[1], []string{"etc/", "etc/.wh.old", "etc/new=new\n", "kaniko-like/"})
	same(t, "second RUN", got[2], []string(nil))
	k.logged("Unpacking rootfs as cmd RUN echo new", 1)
	k.logged("Initializing snapshotter ...", 1)
	k.logged(`Running: [/bin/sh -c true]`, 1)
}

func TestFailingRun(t *testing.T) {
	for script, want := range map[string]struct {
		text string
		code int
	}{
		"exit 7":     {"waiting for process to exit: exit status 7", 7},
		"kill -9 $$": {"waiting for process to exit: signal: killed", -1},
	} {
		k := newKitchen(t, "FROM scratch\nRUN "+script)
		k.run = shell
		_, err := k.try()
		if err == nil || err.Error() != "error building stage: failed to execute command: "+want.text {
			t.Errorf("%s: %v", script, err)
		}
		var exited *exec.ExitError
		if !errors.As(err, &exited) || exited.ExitCode() != want.code {
			t.Errorf("%s: no exit code %d in %v", script, want.code, err)
		}
	}
	err := runProcess(&exec.Cmd{Path: "/no/such/program"})
	if err == nil || err.Error() != "starting command: fork/exec /no/such/program: no such file or directory" {
		t.Error(err)
	}
}

func TestRunEnvironment(t *testing.T) {
	k := newKitchen(t, "FROM REG/base\nARG A\nARG UNSET\nENV B=2\nUSER app\nRUN env")
	k.base("base", v1.Config{Env: []string{"PATH=/bin"}},
		testimage.Entry{Name: "etc/passwd", Content: "app:x:1000:1001::/home/app:/bin/sh\n"},
		testimage.Entry{Name: "etc/group", Content: "extra:x:2000:app\n"})
	k.o.BuildArgs = options.Multi{"A=1", "OTHER=x"}
	k.run = func(_, _ string, cmd *exec.Cmd) error {
		same(t, "environment", cmd.Env, []string{"PATH=/bin", "B=2", "A=1", "HOME=/home/app"})
		c := cmd.SysProcAttr.Credential
		same(t, "credential", fmt.Sprint(c.Uid, c.Gid, c.Groups), "1000 1001 [1001 2000]")
		if !cmd.SysProcAttr.Setpgid {
			t.Error("no process group of its own")
		}
		return nil
	}
	k.build()
}

func TestRunForms(t *testing.T) {
	var got [][]string
	k := newKitchen(t, "FROM REG/base\nRUN one && two\nRUN [\"tool\", \"-x\"]\nSHELL [\"/bin/bash\", \"-e\"]\nRUN three\nRUN <<EOF\necho 1\nEOF\nRUN cat <<A\nx\nA")
	k.base("base", v1.Config{Env: []string{"PATH=/no:/opt"}}, testimage.Entry{Name: "opt/tool", Content: "#!"})
	k.run = func(_, _ string, cmd *exec.Cmd) error {
		got = append(got, cmd.Args)
		return nil
	}
	k.build()
	same(t, "commands", got, [][]string{
		{"/bin/sh", "-c", "one && two"}, {"/opt/tool", "-x"}, {"/bin/bash", "-e", "three"},
		{"/bin/bash", "-e", "<<EOF sh\necho 1\nEOF"}, {"/bin/bash", "-e", "cat <<A\nx\nA"},
	})
}

func TestSecretsAreThereAndGone(t *testing.T) {
	k := newKitchen(t, `FROM scratch
RUN --mount=type=secret,id=file --mount=type=secret,id=var,env=V --mount=type=secret,id=none first
RUN --mount=type=secret,id=file,target=/etc/s,mode=0444 second
RUN --mount=type=cache,target=/c echo 1 > $R/c/kept
RUN --mount=type=cache,target=/c cat $R/c/kept > $R/copy
RUN --mount=type=bind,source=sub,target=/bound cat $R/bound/x > $R/copy2
`)
	secret := filepath.Join(t.TempDir(), "s")
	k.write(secret, "top")
	k.context("sub/x", "from context")
	t.Setenv("SECRET_VARIABLE", "secret")
	k.o.Secrets = options.Secrets{"file": {Source: secret}, "var": {FromEnv: true, Source: "SECRET_VARIABLE"}}
	k.run = func(root, script string, cmd *exec.Cmd) error {
		switch script {
		case "first":
			if text, _ := os.ReadFile(filepath.Join(root, "run/secrets/file")); string(text) != "top" {
				t.Errorf("secret: %q", text)
			}
			if !strings.Contains(strings.Join(cmd.Env, " "), "V=secret") {
				t.Errorf("environment: %q", cmd.Env)
			}
			return nil
		case "second":
			if info, err := os.Stat(filepath.Join(root, "etc/s")); err != nil || info.Mode().Perm() != 0o444 {
				t.Errorf("secret: %v %v", info, err)
			}
			return nil
		}
		return shell(root, script, cmd)
	}
	same(t, "layers", layers(t, k.build()), [][]string{nil, nil, nil, {"copy=1\n"}, {"copy2=from context"}})
}

func TestRequiredSecret(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nRUN --mount=type=secret,id=x,required x")
	if _, err := k.try(); err == nil || !strings.Contains(err.Error(), "secret not defined: x") {
		t.Error(err)
	}
}

func TestSingleSnapshot(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY a /a\nRUN echo b > $R/b\nENV x=y\nRUN rm $R/a")
	k.context("a", "1")
	k.o.SingleSnapshot = true
	k.run = shell
	same(t, "layers", layers(t, k.build()), [][]string{{"b=b\n"}})
}

func TestVolumeContentIsNotInTheImage(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY a /data/a\nVOLUME /data\nRUN echo b > $R/data/b; echo c > $R/c")
	k.context("a", "1")
	k.run = shell
	for _, name := range layers(t, k.build())[1] {
		if strings.Contains(name, "data/b") {
			t.Errorf("%s is in the layer", name)
		}
	}
}

// TestRealRun needs root, for chroot, and a static shell.
func TestRealRun(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and busybox")
	}
	content, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	k := newKitchen(t, "FROM REG/base\nCOPY a /a\nRUN cat /a > /b; (setsid sleep 0.1 &)\nRUN [\"rm\", \"/a\"]\nRUN exit 3")
	k.base("base", v1.Config{Env: []string{"PATH=/bin"}},
		testimage.Entry{Name: "bin/busybox", Content: string(content)},
		testimage.Entry{Name: "bin/sh", Type: '2', Link: "busybox"},
		testimage.Entry{Name: "bin/cat", Type: '2', Link: "busybox"},
		testimage.Entry{Name: "bin/setsid", Type: '2', Link: "busybox"},
		testimage.Entry{Name: "bin/sleep", Type: '2', Link: "busybox"},
		testimage.Entry{Name: "bin/rm", Type: '2', Link: "busybox"})
	k.context("a", "1")
	b := New(k.o)
	var exited *exec.ExitError
	if _, err := b.Build(); !errors.As(err, &exited) || exited.ExitCode() != 3 {
		t.Errorf("the last RUN: %v", err)
	}
	if text, _ := os.ReadFile(filepath.Join(k.o.Root, "b")); string(text) != "1" {
		t.Errorf("the first RUN: %q", text)
	}
	if _, err := os.Stat(filepath.Join(k.o.Root, "a")); err == nil {
		t.Error("the second RUN did not remove /a")
	}
}
