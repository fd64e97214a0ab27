package rootfs

import (
	"archive/tar"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devcluster/kaniko/internal/testimage"
)

func newFS(t *testing.T) *FS {
	t.Helper()
	f, err := New(t.TempDir(), "/kaniko")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, f *FS, p, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.Host(p)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Host(p), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(f *FS, p string) string {
	text, err := os.ReadFile(f.Host(p))
	if err != nil {
		return "missing"
	}
	return string(text)
}

func TestExtract(t *testing.T) {
	f := newFS(t)
	put(t, f, "/kaniko/executor", "mine")
	image := testimage.Image(t, v1.Config{}, testimage.Layer(t,
		testimage.Entry{Name: "usr/lib/", Type: tar.TypeDir},
		testimage.Entry{Name: "lib", Type: tar.TypeSymlink, Link: "usr/lib"},
		testimage.Entry{Name: "lib/a", Content: "1"},
		testimage.Entry{Name: "lib/hard", Type: tar.TypeLink, Link: "lib/a"},
		testimage.Entry{Name: "no/parent/b", Content: "2"},
		testimage.Entry{Name: "kaniko/executor", Content: "theirs"},
		testimage.Entry{Name: "abs", Type: tar.TypeSymlink, Link: "/usr"},
		testimage.Entry{Name: "abs/c", Content: "3"},
		testimage.Entry{Name: "suid", Content: "4", Mode: 0o4755},
	))
	if err := f.ExtractImage(image); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"/usr/lib/a": "1", "/usr/lib/hard": "1", "/no/parent/b": "2", "/kaniko/executor": "mine", "/usr/c": "3",
	} {
		if got := content(f, p); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	if info, err := os.Stat(f.Host("/suid")); err != nil || info.Mode()&os.ModeSetuid == 0 {
		t.Errorf("set-user-ID bit: %v %v", info, err)
	}
}

func TestWhiteouts(t *testing.T) {
	f := newFS(t)
	put(t, f, "/etc/hosts", "mounted")
	f.Ignore("/etc/hosts")
	image := testimage.Image(t, v1.Config{},
		testimage.Layer(t,
			testimage.Entry{Name: "a/x", Content: "1"}, testimage.Entry{Name: "a/y", Content: "2"},
			testimage.Entry{Name: "b/x", Content: "3"}, testimage.Entry{Name: "etc/passwd", Content: "4"}),
		testimage.Layer(t,
			testimage.Entry{Name: "a/.wh.x"},
			testimage.Entry{Name: "b/new", Content: "5"}, testimage.Entry{Name: "b/.wh..wh..opq"},
			testimage.Entry{Name: ".wh.etc"}))
	if err := f.ExtractImage(image); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"/a/x": "missing", "/a/y": "2", "/b/x": "missing", "/b/new": "5", "/etc/hosts": "mounted",
	} {
		if got := content(f, p); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
}

func TestExtractStaysInside(t *testing.T) {
	f := newFS(t)
	outside := t.TempDir()
	for name, entries := range map[string][]testimage.Entry{
		"parent":  {{Name: "../x", Content: "1"}},
		"symlink": {{Name: "out", Type: tar.TypeSymlink, Link: outside}, {Name: "out/x", Content: "1"}},
	} {
		_, _ = f.ExtractLayer(testimage.Layer(t, entries...))
		if found, _ := os.ReadDir(outside); len(found) != 0 {
			t.Errorf("%s: wrote outside of the root", name)
		}
	}
}

func TestEmptyLeavesWhatIsIgnored(t *testing.T) {
	f := newFS(t)
	f.Ignore("/etc/hosts")
	f.Ignore("/var/run")
	for _, p := range []string{"/kaniko/executor", "/etc/hosts", "/etc/passwd", "/usr/bin/x", "/var/run/s", "/var/log/l"} {
		put(t, f, p, "x")
	}
	if err := f.Empty(); err != nil {
		t.Fatal(err)
	}
	for p, kept := range map[string]bool{
		"/kaniko/executor": true, "/etc/hosts": true, "/etc/passwd": false, "/usr": false, "/var/run/s": true, "/var/log": false,
	} {
		if _, err := os.Lstat(f.Host(p)); (err == nil) != kept {
			t.Errorf("%s: kept %v", p, !kept)
		}
	}
}

func TestIgnored(t *testing.T) {
	f := newFS(t)
	f.IgnoreChildren("/data")
	for p, want := range map[string]bool{
		"/kaniko": true, "/kaniko/x": true, "/kanikox": false, "/data": false, "/data/x": true, "/": false,
	} {
		if got := f.Ignored(p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}

func TestMountPoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mountinfo")
	text := "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 /x /etc/hosts rw shared:1 - ext4 /dev/sda rw\n3 1 0:3 / /a\\040b rw - tmpfs t rw\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := mountPoints(file)
	if want := []string{"/etc/hosts", "/a b"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
}

func TestUsers(t *testing.T) {
	f := newFS(t)
	put(t, f, "/etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
	put(t, f, "/etc/group", "root:x:0:\nextra:x:2000:other,app\nmore:x:2001:app2\n")
	user, err := f.LookupUser("app")
	if err != nil || user.UID != 1000 || user.GID != 1001 || user.Home != "/home/app" {
		t.Errorf("app: %+v %v", user, err)
	}
	if groups := f.SupplementaryGroups(user); !reflect.DeepEqual(groups, []uint32{1001, 2000}) {
		t.Errorf("groups: %v", groups)
	}
	if user, err := f.LookupUser("1000"); err != nil || user.Name != "app" {
		t.Errorf("1000: %+v %v", user, err)
	}
	if user, err := f.LookupUser("4711"); err != nil || user.UID != 4711 || user.Home != "/" || user.Known {
		t.Errorf("4711: %+v %v", user, err)
	}
	if _, err := f.LookupUser("nobody"); err == nil || !strings.Contains(err.Error(), "user nobody is not a uid and does not exist on the system") {
		t.Errorf("nobody: %v", err)
	}
	if uid, gid, err := f.Owner("app:extra"); uid != 1000 || gid != 2000 || err != nil {
		t.Errorf("app:extra: %d %d %v", uid, gid, err)
	}
	if uid, gid, err := f.Owner("app"); uid != 1000 || gid != 1000 || err != nil {
		t.Errorf("app: %d %d %v", uid, gid, err)
	}
}

func TestDockerignore(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".dockerignore": "*.log\n!keep.log\nsub\n", "a": "", "b.log": "", "keep.log": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewContext(dir, filepath.Join(t.TempDir(), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": false, "b.log": true, "keep.log": false, "sub/x": true, ".": false} {
		if got := c.Excludes(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
