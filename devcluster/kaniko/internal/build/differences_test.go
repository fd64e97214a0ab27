package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"devcluster/kaniko/internal/testimage"
)

// What kaniko does in another way than Docker, and what its switches mend.

// owners lists the entries of a layer with mode and owner.
func owners(t *testing.T, of v1.Layer) map[string]string {
	t.Helper()
	stream, err := of.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	found := map[string]string{}
	for r := tar.NewReader(stream); ; {
		header, err := r.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = fmt.Sprintf("%d:%d %o", header.Uid, header.Gid, header.Mode)
	}
}

func nth(t *testing.T, image v1.Image, index int) v1.Layer {
	t.Helper()
	list, err := image.Layers()
	if err != nil || len(list) <= index {
		t.Fatalf("%d layers: %v", len(list), err)
	}
	return list[index]
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files away")
	}
}

func archive(t *testing.T, entries ...*tar.Header) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, header := range entries {
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFlagsThatAreIgnored(t *testing.T) {
	k := newKitchen(t, `FROM scratch
COPY --exclude=*.env a /app/
COPY --parents a/x.txt /tree/
`)
	k.context("a/x.txt", "x")
	k.context("a/secret.env", "TOKEN=1")
	same(t, "layers", layers(t, k.build()), [][]string{
		{"app/", "app/secret.env=TOKEN=1", "app/x.txt=x"}, {"tree/", "tree/x.txt=x"},
	})
}

func TestChecksumIsNotChecked(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nADD --checksum=sha256:"+strings.Repeat("0", 64)+" http://REG/v2/ /f")
	same(t, "layers", len(layers(t, k.build())), 1)
}

func TestHeredocsAreExpandedByASwitch(t *testing.T) {
	for on, want := range map[bool]string{false: "conf=v=${V}\n", true: "conf=v=1\n"} {
		k := newKitchen(t, "FROM scratch\nARG V=1\nCOPY <<EOF /conf\nv=${V}\nEOF")
		k.o.ExpandHeredoc = on
		same(t, fmt.Sprint(on), layers(t, k.build()), [][]string{{want}})
	}
}

func TestCopiesBelongToUserOrByASwitchToRoot(t *testing.T) {
	needsRoot(t)
	for on, want := range map[bool]string{false: "1000:2000 644", true: "0:0 644"} {
		k := newKitchen(t, "FROM scratch\nUSER 1000:2000\nCOPY f /f\nADD f /g\nCOPY --chown=7:8 f /h")
		k.context("f", "1")
		k.o.CopyAsRoot = on
		image := k.build()
		same(t, "COPY", owners(t, nth(t, image, 0))["f"], want)
		same(t, "ADD", owners(t, nth(t, image, 1))["g"], want)
		same(t, "--chown", owners(t, nth(t, image, 2))["h"], "7:8 644")
	}
}

func TestDownloadsBelongToUserWhateverTheSwitch(t *testing.T) {
	needsRoot(t)
	k := newKitchen(t, "FROM scratch\nUSER 1000:2000\nADD http://REG/v2/ /f")
	k.o.CopyAsRoot = true
	same(t, "ADD", owners(t, nth(t, k.build(), 0))["f"], "1000:2000 600")
}

func TestRunHasTheGroupOfUserByASwitch(t *testing.T) {
	for on, want := range map[bool]string{false: "1000 1000", true: "1000 2000"} {
		k := newKitchen(t, "FROM scratch\nUSER 1000:2000\nRUN id")
		k.o.RunHonorGroup = on
		k.run = func(_, _ string, cmd *exec.Cmd) error {
			c := cmd.SysProcAttr.Credential
			same(t, fmt.Sprint(on), fmt.Sprint(c.Uid, c.Gid), want)
			return nil
		}
		k.build()
	}
}

func TestWorkdirsParentsBelongToUserByASwitch(t *testing.T) {
	needsRoot(t)
	for on, parent := range map[bool]string{false: "0:0 755", true: "1000:2000 755"} {
		k := newKitchen(t, "FROM scratch\nUSER 1000:2000\nWORKDIR /w/x/y")
		k.o.ChownImplicitDirs = on
		same(t, fmt.Sprint(on), owners(t, nth(t, k.build(), 0)), map[string]string{
			"w/": parent, "w/x/": parent, "w/x/y/": "1000:2000 755",
		})
	}
}

func TestCopyChmodHoldsForNewFoldersByASwitch(t *testing.T) {
	for on, want := range map[bool]string{false: "755", true: "700"} {
		k := newKitchen(t, "FROM scratch\nCOPY --chmod=0700 d /new/deep/")
		k.context("d/f", "1")
		k.o.ChmodImplicitDirs = on
		found := owners(t, nth(t, k.build(), 0))
		for _, name := range []string{"new/", "new/deep/"} {
			if !strings.HasSuffix(found[name], " "+want) {
				t.Errorf("%v: %s is %s, want %s", on, name, found[name], want)
			}
		}
	}
}

func TestTheRootOfAnArchiveIsLeftAloneByASwitch(t *testing.T) {
	own := func(name string, kind byte, mode int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: kind, Mode: mode, Uid: os.Geteuid(), Gid: os.Getegid()}
	}
	for on, want := range map[bool]string{false: "700", true: "755"} {
		k := newKitchen(t, "FROM scratch\nWORKDIR /d\nADD t.tar /d/")
		k.context("t.tar", archive(t, own("./", tar.TypeDir, 0o700), own("./f", tar.TypeReg, 0o644)))
		k.o.UntarSkipRoot = on
		found := owners(t, nth(t, k.build(), 1))
		if !strings.HasSuffix(found["d/"], " "+want) {
			t.Errorf("%v: /d is %s, want %s", on, found["d/"], want)
		}
	}
}

func TestHardLinksNameTheirTargetAsNewerToolsReadItByASwitch(t *testing.T) {
	for on, want := range map[bool]string{false: "b->/d/a", true: "b->d/a"} {
		k := newKitchen(t, "FROM scratch\nRUN link")
		k.run = func(root, script string, cmd *exec.Cmd) error {
			k.write(filepath.Join(root, "d", "a"), "x")
			return os.Link(filepath.Join(root, "d", "a"), filepath.Join(root, "d", "b"))
		}
		k.o.RelativeLinkTargets = on
		if files := strings.Join(testimage.Names(t, nth(t, k.build(), 0)), " "); !strings.Contains(files, want) {
			t.Errorf("%v: the layer has %s, want %s", on, files, want)
		}
	}
}

func TestAValueIsPartOfTheCacheKeyByASwitch(t *testing.T) {
	for on, hits := range map[bool]int{false: 1, true: 0} {
		k := newKitchen(t, "FROM scratch\nARG V\nCOPY a /$V")
		k.context("a", "1")
		k.o.Cache, k.o.CacheCopyLayers, k.o.ResolveCacheKey = true, true, on
		k.o.BuildArgs = []string{"V=one"}
		k.build()
		k.o.BuildArgs = []string{"V=two"}
		k.build()
		k.logged("Using caching version of cmd: ", hits)
	}
}

func TestCopyThatCopiesNothingTakesAllThereIs(t *testing.T) {
	for instruction, ignore := range map[string]string{
		"COPY nothing* /x/":             "",
		"COPY conf/app.yml /app.yml":    "conf\n",
		"COPY conf/app.yml /kaniko-dir": "",
	} {
		k := newKitchen(t, "FROM REG/base\n"+instruction)
		k.base("base", v1.Config{}, testimage.Entry{Name: "bin/sh", Content: "base"})
		k.context("conf/app.yml", "a: 1")
		k.context(".dockerignore", ignore)
		if strings.HasSuffix(instruction, "/kaniko-dir") {
			k.dockerfile("FROM REG/base\nCOPY conf/app.yml " + k.o.KanikoDir + "/x")
		}
		same(t, instruction, layers(t, k.build())[1], []string{"bin/", "bin/sh=base"})
	}
	k := newKitchen(t, "FROM REG/base\nRUN true\nCOPY nothing* /x/")
	k.base("base", v1.Config{}, testimage.Entry{Name: "bin/sh", Content: "base"})
	same(t, "after a RUN", layers(t, k.build())[2], []string(nil))
}

func TestWorkdirThatIsThereIsAnEmptyLayer(t *testing.T) {
	k := newKitchen(t, "FROM REG/base\nWORKDIR /bin")
	k.base("base", v1.Config{}, testimage.Entry{Name: "bin/sh", Content: "base"})
	same(t, "layer", layers(t, k.build())[1], []string(nil))
}

func TestASourceMayLeaveTheContext(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY ../.docker /d")
	k.write(filepath.Join(filepath.Dir(k.o.Context), ".docker", "config.json"), "login")
	same(t, "layers", layers(t, k.build()), [][]string{{"d/", "d/config.json=login"}})
}

func TestALinkIsCopiedAsALink(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY d/l /one")
	k.context("d/x", "1")
	if err := os.Symlink("x", filepath.Join(k.o.Context, "d", "l")); err != nil {
		t.Fatal(err)
	}
	same(t, "layers", layers(t, k.build()), [][]string{{"one->x"}})
}

func TestWhatAddTakesForAnArchive(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, "select 1;")
	w.Close()
	for content, want := range map[string]string{
		"\xfd7zXZ\x00...":           "unpacking local tar: unsupported compression algorithm 3",
		"\x28\xb5\x2f\xfd.........": "unpacking local tar: unsupported compression algorithm 4",
		zipped.String():             "unpacking local tar: unexpected EOF",
	} {
		k := newKitchen(t, "FROM scratch\nADD f /seed/")
		k.context("f", content)
		if _, err := k.try(); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}

func TestCopyBelowAVolumeIsKept(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nVOLUME /v\nCOPY a /v/copied\nRUN echo x > $R/v/run; echo y > $R/y")
	k.context("a", "1")
	k.run = shell
	same(t, "layers", layers(t, k.build()), [][]string{{"v/", "v/copied=1"}, {"v/", "y=y\n"}})
}

func TestAVolumeEndsWithItsStage(t *testing.T) {
	k := newKitchen(t, "FROM scratch AS one\nVOLUME /v\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /a\nRUN mkdir $R/v; echo x > $R/v/f")
	k.context("a", "1")
	k.run = shell
	same(t, "layer", layers(t, k.build())[1], []string{"v/", "v/f=x\n"})
}

func TestALabelIsReadTwice(t *testing.T) {
	k := newKitchen(t, `FROM scratch
LABEL a="b\nc" b="say \"hi\""`)
	same(t, "labels", config(t, k.build()).Config.Labels, map[string]string{"a": "bnc", "b": "say hi"})
}

func TestAMissingFileBesideAPatternIsNoError(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY nofile a* /x/")
	k.context("a", "1")
	same(t, "layers", layers(t, k.build()), [][]string{{"x/", "x/a=1"}})
}

func TestPlatformOfFromIsIgnored(t *testing.T) {
	k := newKitchen(t, "FROM --platform=linux/arm64 REG/base\nRUN true")
	k.base("base", v1.Config{}, testimage.Entry{Name: "arch", Content: "amd64"})
	image := k.build()
	same(t, "architecture", config(t, image).Architecture, "amd64")
	same(t, "files", layers(t, image)[0], []string{"arch=amd64"})
	k.o.CustomPlatform = "linux/arm64"
	image = k.build()
	same(t, "architecture", config(t, image).Architecture, "arm64")
	same(t, "files", layers(t, image)[0], []string{"arch=amd64"})
}

func TestANameOnScratchIsNoNumber(t *testing.T) {
	k := newKitchen(t, "FROM scratch\nCOPY --chown=0:root a /f")
	k.context("a", "1")
	if _, err := k.try(); err == nil || !strings.Contains(err.Error(), `strconv.ParseUint: parsing "root"`) {
		t.Error(err)
	}
}

// setCapability gives a file cap_net_bind_service, as setcap does; it is
// skipped where that is not allowed.
func setCapability(t *testing.T, path string) {
	t.Helper()
	value := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := unix.Lsetxattr(path, "security.capability", value, 0); err != nil {
		t.Skip("no file capabilities here: ", err)
	}
}

func TestCapabilitiesAreKeptByFullSnapshotsOnly(t *testing.T) {
	needsRoot(t)
	for mode, want := range map[string][]string{"full": {"s=x"}, "redo": nil} {
		k := newKitchen(t, "FROM scratch\nCOPY s /s\nRUN setcap")
		k.context("s", "x")
		k.o.SnapshotMode = mode
		k.run = func(root, _ string, _ *exec.Cmd) error {
			setCapability(t, filepath.Join(root, "s"))
			return nil
		}
		same(t, mode, layers(t, k.build())[1], want)
	}
}

func TestCapabilitiesAreLostByCopyFrom(t *testing.T) {
	needsRoot(t)
	k := newKitchen(t, "FROM scratch AS one\nCOPY s /s\nRUN setcap\nFROM scratch\nCOPY --from=one /s /s")
	k.context("s", "x")
	k.run = func(root, _ string, _ *exec.Cmd) error {
		setCapability(t, filepath.Join(root, "s"))
		return nil
	}
	stream, err := nth(t, k.build(), 0).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	header, err := tar.NewReader(stream).Next()
	if err != nil || header.Name != "s" || len(header.PAXRecords) != 0 {
		t.Errorf("%+v %v", header, err)
	}
}

func TestASecondWriteOfEqualSizeAndTimeIsLostByMetadata(t *testing.T) {
	for mode, want := range map[string][]string{"full": {"f=bbbb"}, "redo": nil, "time": nil} {
		k := newKitchen(t, "FROM scratch\nRUN aaaa\nRUN bbbb")
		k.o.SnapshotMode = mode
		k.run = func(root, script string, _ *exec.Cmd) error {
			stamp := time.Unix(1_577_836_800, 0)
			path := filepath.Join(root, "f")
			time.Sleep(20 * time.Millisecond) // a tick of the kernel's clock for ctime
			if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
				return err
			}
			return os.Chtimes(path, stamp, stamp)
		}
		same(t, mode, layers(t, k.build())[1], want)
	}
}
