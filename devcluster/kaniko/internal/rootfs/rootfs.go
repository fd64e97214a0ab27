// Package rootfs is the file system the image is built in: the executor's own
// "/". It unpacks layers, copies files, looks up users, and knows which paths
// belong to the container and not to the image.
package rootfs

import (
	"bufio"
	"hash/maphash"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/sirupsen/logrus"
)

// FS is a root file system. All paths of its methods are paths in the image,
// absolute and clean; with the real root "/" they are the host's as well.
type FS struct {
	Root    string
	ignored []ignoredPath
	volumes []string

	// Contents remembers a hash of each regular file unpacked, computed as the
	// bytes went by, so that a snapshot can tell a touched file from a changed
	// one without having read everything once more.
	Contents map[string]uint64
	seed     maphash.Seed
}

// ignoredPath is a path left alone; with childrenOnly the directory itself is
// the image's and only what lies in it is not.
type ignoredPath struct {
	path         string
	childrenOnly bool
}

// New is the file system at root. kanikoDir and every mount point (when root is
// the real one) are ignored.
func New(root, kanikoDir string) (*FS, error) {
	f := &FS{Root: filepath.Clean(root), Contents: map[string]uint64{}, seed: maphash.MakeSeed()}
	f.Ignore(kanikoDir)
	// Whether these came with the image or with the container cannot be told.
	f.Ignore("/etc/mtab")
	f.IgnoreChildren("/tmp/apt-key-gpghome")
	if f.Root != "/" {
		return f, nil
	}
	mounts, err := mountPoints("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for _, mount := range mounts {
		f.Ignore(mount)
	}
	logrus.Debugf("Ignore list: %v", f.ignored)
	return f, nil
}

// Ignore leaves p and everything below it alone.
func (f *FS) Ignore(p string) {
	f.ignored = append(f.ignored, ignoredPath{path: path.Clean(p)})
}

// IgnoreChildren leaves alone what lies below p.
func (f *FS) IgnoreChildren(p string) {
	f.ignored = append(f.ignored, ignoredPath{path: path.Clean(p), childrenOnly: true})
}

// AddVolume leaves what lies below p out of comparisons of the whole file
// system, so that no RUN puts anything there. COPY still does.
func (f *FS) AddVolume(p string) {
	f.volumes = append(f.volumes, path.Clean(p))
}

// ForgetVolumes is for the next stage, which has none of them.
func (f *FS) ForgetVolumes() { f.volumes = nil }

// Unseen says whether p is left out of comparisons of the whole file system.
func (f *FS) Unseen(p string) bool {
	for _, volume := range f.volumes {
		if strings.HasPrefix(p, volume+"/") {
			return true
		}
	}
	return f.Ignored(p)
}

// Ignored says whether p is not the image's.
func (f *FS) Ignored(p string) bool {
	for _, i := range f.ignored {
		if p == i.path && !i.childrenOnly || strings.HasPrefix(p, i.path+"/") {
			return true
		}
	}
	return false
}

// HoldsIgnored says whether something ignored lies below p, so that p itself
// can be neither deleted nor replaced.
func (f *FS) HoldsIgnored(p string) bool {
	if p == "/" {
		return true
	}
	for _, i := range f.ignored {
		if i.childrenOnly {
			continue
		}
		if strings.HasPrefix(i.path, p+"/") {
			// An ignored path that does not exist binds nothing.
			if _, err := os.Lstat(f.Host(i.path)); err == nil {
				return true
			}
		}
	}
	return false
}

// Host is where p lies on the machine, links not followed.
func (f *FS) Host(p string) string {
	return filepath.Join(f.Root, p)
}

// Resolve is where p lies on the machine with links in its directory, but not
// a link at p itself, followed inside the root.
func (f *FS) Resolve(p string) (string, error) {
	dir, base := path.Split(path.Clean("/" + p))
	if base == "" {
		return f.Root, nil
	}
	resolved, err := securejoin.SecureJoin(f.Root, dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(resolved, base), nil
}

// Follow is Resolve with a link at p itself followed, too.
func (f *FS) Follow(p string) (string, error) {
	return securejoin.SecureJoin(f.Root, path.Clean("/"+p))
}

// Image turns a host path below the root into a path in the image.
func (f *FS) Image(host string) string {
	if f.Root == "/" {
		return host
	}
	return path.Clean("/" + strings.TrimPrefix(host, f.Root))
}

// Hash starts a content hash comparable with those in Contents.
func (f *FS) Hash() *maphash.Hash {
	h := &maphash.Hash{}
	h.SetSeed(f.seed)
	return h
}

// mountPoints reads the fifth field of each line of mountinfo, "/" left out.
func mountPoints(file string) ([]string, error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	var points []string
	lines := bufio.NewScanner(content)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[4] == "/" {
			continue
		}
		points = append(points, unescapeOctal(fields[4]))
	}
	return points, lines.Err()
}

// unescapeOctal undoes the kernel's \040 for blanks and the like.
func unescapeOctal(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
