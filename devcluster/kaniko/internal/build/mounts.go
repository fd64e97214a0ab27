package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/rootfs"
)

// mounts are the RUN --mount of one instruction. Nothing is mounted: there is
// no privilege to. Files are put in place and taken away before the snapshot.
type mounts struct {
	env    []string
	undoes []func() error
}

// undo takes everything away, last first, and gives the first error.
func (m *mounts) undo() error {
	var first error
	for i := len(m.undoes) - 1; i >= 0; i-- {
		if err := m.undoes[i](); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (m *mounts) later(f func() error) { m.undoes = append(m.undoes, f) }

func (s *stage) mount(c *instructions.RunCommand) (*mounts, error) {
	m := &mounts{}
	for _, flag := range c.FlagsUsed {
		if flag != "mount" {
			logrus.Warnf("#969 kaniko does not support '--%s' flags in RUN statements - relying on unsupported flags can lead to invalid builds", flag)
		}
	}
	if len(c.FlagsUsed) == 0 {
		return m, nil
	}
	env := s.env()
	err := c.Expand(func(word string) (string, error) { return dockerfile.Expand(word, env) })
	if err != nil {
		return nil, err
	}
	for _, one := range instructions.GetMounts(c) {
		switch one.Type {
		case instructions.MountTypeSecret:
			err = s.mountSecret(m, one)
		case instructions.MountTypeCache:
			err = s.mountCache(m, one)
		case instructions.MountTypeBind:
			err = s.mountBind(m, one)
		default:
			logrus.Warnf("Kaniko does not support '--mount=type=%s' flags in RUN statements - relying on unsupported flags can lead to invalid builds", one.Type)
		}
		if err != nil {
			_ = m.undo()
			return nil, err
		}
	}
	return m, nil
}

// chownMount gives a mount to uid= and gid=, root where one of them is missing.
func chownMount(host string, one *instructions.Mount) error {
	if one.UID == nil && one.GID == nil {
		return nil
	}
	uid, gid := 0, 0
	if one.UID != nil {
		uid = int(*one.UID)
	}
	if one.GID != nil {
		gid = int(*one.GID)
	}
	return os.Chown(host, uid, gid)
}

// makeMountDir makes dir and, at the end, removes what of it was new.
func (s *stage) makeMountDir(m *mounts, dir string) error {
	host, err := s.fs.Follow(dir)
	if err != nil {
		return err
	}
	created := ""
	for p := host; ; p = filepath.Dir(p) {
		if _, err := os.Lstat(p); err == nil {
			break
		}
		created = p
	}
	if created == "" {
		return nil
	}
	if err := os.MkdirAll(host, 0o755); err != nil {
		return err
	}
	m.later(func() error { return os.RemoveAll(created) })
	return nil
}

// mountCache swaps a directory that lives through the build with the target.
func (s *stage) mountCache(m *mounts, one *instructions.Mount) error {
	id := one.CacheID
	if id == "" {
		id = path.Clean(one.Target)
	}
	sum := sha256.Sum256([]byte(id))
	kept := filepath.Join(s.o.KanikoDir, "caches", hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return err
	}
	target := s.absolute(one.Target)
	if err := s.makeMountDir(m, target); err != nil {
		return err
	}
	host, err := s.fs.Follow(target)
	if err != nil {
		return err
	}
	aside := kept + ".aside"
	swap := func() error {
		return moveInTurn([2]string{host, aside}, [2]string{kept, host})
	}
	if err := swap(); err != nil {
		return err
	}
	m.later(func() error {
		return moveInTurn([2]string{host, kept}, [2]string{aside, host})
	})
	if one.Mode != nil {
		if err := os.Chmod(host, fs.FileMode(*one.Mode)); err != nil {
			return err
		}
	}
	return chownMount(host, one)
}

// moveInTurn renames from to to for each pair, copying where /kaniko is on
// another file system.
func moveInTurn(moves ...[2]string) error {
	for _, move := range moves {
		if os.Rename(move[0], move[1]) == nil {
			continue
		}
		if err := rootfs.CopyTree(move[0], move[1]); err != nil {
			return err
		}
		if err := os.RemoveAll(move[0]); err != nil {
			return err
		}
	}
	return nil
}

// mountBind copies from the context to the target for the time of the RUN.
func (s *stage) mountBind(m *mounts, one *instructions.Mount) error {
	if one.From != "" && one.From != "context" {
		logrus.Warnf("Kaniko does not support cross-stage bind mounts (from=%s) - skipping", one.From)
		return nil
	}
	target := s.absolute(one.Target)
	if err := s.makeMountDir(m, path.Dir(target)); err != nil {
		return err
	}
	host, err := s.fs.Resolve(target)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(host); err == nil {
		sum := sha256.Sum256([]byte(target))
		aside := filepath.Join(s.o.KanikoDir, "swap", hex.EncodeToString(sum[:]))
		if err := os.MkdirAll(filepath.Dir(aside), 0o755); err != nil {
			return err
		}
		if err := moveInTurn([2]string{host, aside}); err != nil {
			return fmt.Errorf("saving bind target: %w", err)
		}
		m.later(func() error { return moveInTurn([2]string{aside, host}) })
	}
	source := filepath.Join(s.context.Root, filepath.Clean("/"+one.Source))
	if err := rootfs.CopyTree(source, host); err != nil {
		return fmt.Errorf("copying bind source %s to %s: %w", source, host, err)
	}
	m.later(func() error { return os.RemoveAll(host) })
	return nil
}

// absolute makes a path in the image absolute by WORKDIR.
func (s *stage) absolute(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", s.config.Config.WorkingDir, p)
}
