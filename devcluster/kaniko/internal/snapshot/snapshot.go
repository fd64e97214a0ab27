// Package snapshot finds what an instruction changed in the root file system
// and writes it as a layer.
package snapshot

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/rootfs"
)

// entry is what is remembered of a path.
type entry struct {
	mode     fs.FileMode
	uid, gid uint32
	mtime    int64
	ctime    int64
	size     int64
	ino      uint64
	link     string
	// capability is read in full mode only: metadata does not show it.
	capability string
}

// Snapshotter remembers the file system as it was at the last snapshot.
type Snapshotter struct {
	fs         *rootfs.FS
	mode       string
	layerDir   string
	stripTimes bool
	seen       map[string]entry // nil before the first full walk

	// RelativeLinks leaves the slash in front of a hard link's target away.
	RelativeLinks bool
}

// New snapshots f in one of the modes full, redo and time; layers are written
// to layerDir. With stripTimes, every time in them is the epoch.
func New(f *rootfs.FS, mode, layerDir string, stripTimes bool) (*Snapshotter, error) {
	switch mode {
	case "time":
		logrus.Info("Only file modification time will be considered when snapshotting")
	case "full", "redo":
	default:
		return nil, fmt.Errorf("%s is not a valid snapshot mode", mode)
	}
	return &Snapshotter{fs: f, mode: mode, layerDir: layerDir, stripTimes: stripTimes}, nil
}

// Reset forgets everything, as when the file system was deleted.
func (s *Snapshotter) Reset() { s.seen = nil }

// Init remembers the file system as it is.
func (s *Snapshotter) Init() error {
	if s.seen != nil {
		return nil
	}
	logrus.Info("Initializing snapshotter ...")
	logrus.Info("Taking snapshot of full filesystem...")
	s.seen = map[string]entry{}
	return s.walk(func(p string, e entry) error {
		s.seen[p] = e
		return nil
	})
}

// Full writes what changed anywhere since the last snapshot.
func (s *Snapshotter) Full(format layer.Format) (*layer.File, error) {
	logrus.Info("Taking snapshot of full filesystem...")
	if s.seen == nil {
		s.seen = map[string]entry{}
	}
	var changed []string
	found := make(map[string]bool, len(s.seen))
	err := s.walk(func(p string, e entry) error {
		found[p] = true
		old, known := s.seen[p]
		if !known || s.differs(p, old, e) {
			changed = append(changed, p)
		}
		s.seen[p] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.write(changed, s.takeDeleted(func(p string) bool { return found[p] }), format)
}

// Files writes exactly these paths, whether changed or not, and their parents.
func (s *Snapshotter) Files(paths []string, format layer.Format) (*layer.File, error) {
	logrus.Info("Taking snapshot of files...")
	kept := map[string]bool{}
	for _, p := range paths {
		if p = path.Clean(p); !s.fs.Ignored(p) && p != "/" {
			kept[p] = true
		}
	}
	return s.write(slices.Collect(maps.Keys(kept)), nil, format)
}

// takeDeleted removes from memory, and gives, the topmost paths that are gone.
func (s *Snapshotter) takeDeleted(exists func(string) bool) []string {
	var gone []string
	for p := range s.seen {
		if exists(p) || s.fs.Unseen(p) {
			continue
		}
		gone = append(gone, p)
	}
	slices.Sort(gone)
	var topmost []string
	removed := map[string]bool{}
	for _, p := range gone {
		delete(s.seen, p)
		removed[p] = true
		// Below a deleted directory, and below one that became something
		// else, nothing is left to be whited out.
		if parent := path.Dir(p); removed[parent] || !s.isDir(parent) {
			continue
		}
		topmost = append(topmost, p)
	}
	return topmost
}

func (s *Snapshotter) isDir(p string) bool {
	if p == "/" {
		return true
	}
	return s.seen[p].mode.IsDir()
}

// walk visits everything of the image. What vanishes meanwhile is skipped: a
// process left behind by RUN may still be at work.
func (s *Snapshotter) walk(visit func(string, entry) error) error {
	return filepath.WalkDir(s.fs.Root, func(host string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		p := s.fs.Image(host)
		if p == "/" {
			return nil
		}
		if s.fs.Unseen(p) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		e, err := s.stat(host)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(p, e)
	})
}

func (s *Snapshotter) stat(host string) (entry, error) {
	info, err := os.Lstat(host)
	if err != nil {
		return entry{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	e := entry{
		mode: info.Mode(), uid: st.Uid, gid: st.Gid,
		mtime: info.ModTime().UnixNano(), ctime: st.Ctim.Nano(),
	}
	if info.Mode().IsRegular() {
		e.size, e.ino = info.Size(), st.Ino
		if s.mode == "full" {
			e.capability = string(rootfs.Capability(host))
		}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		e.link, err = os.Readlink(host)
	}
	return e, err
}

// differs compares by the snapshot mode. In full mode a file's content counts,
// but is read only if its inode was touched and everything else is the same.
func (s *Snapshotter) differs(p string, old, now entry) bool {
	if s.mode == "time" {
		return old.mtime != now.mtime
	}
	if old.mode != now.mode || old.uid != now.uid || old.gid != now.gid ||
		old.mtime != now.mtime || old.size != now.size || old.link != now.link ||
		old.capability != now.capability {
		return true
	}
	if s.mode == "redo" || !now.mode.IsRegular() {
		return false
	}
	if old.ino == now.ino && old.ctime == now.ctime {
		return false
	}
	known, remembered := s.fs.Contents[p]
	if !remembered {
		return true
	}
	hash, err := s.hash(p)
	return err != nil || hash != known
}

func (s *Snapshotter) hash(p string) (uint64, error) {
	file, err := rootfs.OpenNoAtime(s.fs.Host(p))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	h := s.fs.Hash()
	_, err = io.Copy(h, file)
	return h.Sum64(), err
}
