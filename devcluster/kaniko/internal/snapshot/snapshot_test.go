package snapshot

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/rootfs"
	"devcluster/kaniko/internal/testimage"
)

type box struct {
	t *testing.T
	*rootfs.FS
	*Snapshotter
}

func newBox(t *testing.T, mode string) box {
	t.Helper()
	f, err := rootfs.New(t.TempDir(), "/kaniko")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(f, mode, t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	return box{t, f, s}
}

func (b box) put(p, content string) {
	b.t.Helper()
	host := b.Host(p)
	if err := os.MkdirAll(filepath.Dir(host), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(host, []byte(content), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b box) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// full takes a snapshot and lists it without directories, whose times change
// with everything in them.
func (b box) full() []string {
	b.t.Helper()
	file, err := b.Full(layer.Format{})
	b.check(err)
	var names []string
	for _, name := range testimage.Names(b.t, file) {
		if name[len(name)-1] != '/' {
			names = append(names, name)
		}
	}
	return names
}

func (b box) want(got []string, want ...string) {
	b.t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

func TestFullSnapshot(t *testing.T) {
	b := newBox(t, "full")
	for _, p := range []string{"/etc/a", "/etc/b", "/gone/x/y", "/gone/z", "/dir/f", "/kaniko/k"} {
		b.put(p, "old")
	}
	b.check(b.Init())
	b.want(b.full())

	b.put("/etc/a", "new!")
	b.put("/new/n", "n")
	b.check(os.Remove(b.Host("/etc/b")))
	b.check(os.RemoveAll(b.Host("/gone")))
	b.check(os.RemoveAll(b.Host("/dir")))
	b.put("/dir", "now a file")
	b.check(os.Symlink("a", b.Host("/etc/link")))
	b.put("/kaniko/k2", "never")
	b.want(b.full(), "etc/.wh.b", ".wh.gone", "dir=now a file", "etc/a=new!", "etc/link->a", "new/n=n")
	b.want(b.full())
}

func TestHardlinks(t *testing.T) {
	for relative, target := range map[bool]string{false: "/d/a", true: "d/a"} {
		b := newBox(t, "full")
		b.RelativeLinks = relative
		b.check(b.Init())
		b.put("/d/a", "x")
		b.check(os.Link(b.Host("/d/a"), b.Host("/d/b")))
		b.want(b.full(), "d/a=x", "d/b->"+target)
	}
}

func TestTouchedContent(t *testing.T) {
	stamp := time.Unix(1_000_000_000, 0)
	prepare := func(mode string) box {
		b := newBox(t, mode)
		// Unpacked, so that its content is known.
		_, err := b.ExtractLayer(testimage.Layer(t, testimage.Entry{Name: "f", Content: "one"}))
		b.check(err)
		b.check(os.Chtimes(b.Host("/f"), stamp, stamp))
		b.check(b.Init())
		time.Sleep(20 * time.Millisecond) // a tick of the kernel's clock for ctime
		return b
	}
	b := prepare("full")
	b.check(os.Chmod(b.Host("/f"), 0o755))
	b.want(b.full()) // the mode it had

	for mode, want := range map[string][]string{"full": {"f=two"}, "redo": nil} {
		b := prepare(mode)
		b.check(os.WriteFile(b.Host("/f"), []byte("two"), 0o755))
		b.check(os.Chtimes(b.Host("/f"), stamp, stamp))
		b.want(b.full(), want...)
	}

	b = prepare("time")
	b.check(os.Chmod(b.Host("/f"), 0o700))
	b.want(b.full())
}

func TestFilesSnapshotIsNotTakenTwice(t *testing.T) {
	b := newBox(t, "full")
	b.put("/base", "x")
	b.check(b.Init())
	b.put("/app/copied", "c")
	file, err := b.Files([]string{"/app/copied", "/kaniko/x"}, layer.Format{})
	b.check(err)
	b.want(testimage.Names(t, file), "app/", "app/copied=c")
	b.want(b.full())
}

func TestSameFilesSameDigest(t *testing.T) {
	digest := func() string {
		b := newBox(t, "full")
		b.check(b.Init())
		b.put("/x/y", "z")
		file, err := b.Full(layer.Format{})
		b.check(err)
		d, err := file.Digest()
		b.check(err)
		return d.String()
	}
	first := digest()
	time.Sleep(20 * time.Millisecond)
	if second := digest(); first != second {
		t.Errorf("%s, then %s", first, second)
	}
}

func TestUnknownMode(t *testing.T) {
	if _, err := New(nil, "half", "", false); err == nil || err.Error() != "half is not a valid snapshot mode" {
		t.Error(err)
	}
}
