package build

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/rootfs"
)

func (b *Builder) workdirStep(c *instructions.WorkdirCommand) *step {
	setDir := func(s *stage) error {
		dir, err := dockerfile.ExpandPath(c.Path, s.env())
		if err != nil {
			return err
		}
		s.config.Config.WorkingDir = s.absolute(dir)
		if !s.rehearsal {
			logrus.Info("Cmd: workdir")
			logrus.Infof("Changed working directory to %s", s.config.Config.WorkingDir)
		}
		return nil
	}
	root := c.Path == "/"
	return &step{
		text: c.String(), metadata: root, needsRootfs: !root,
		cacheable:  b.o.CacheRunLayers && !root,
		configPart: setDir,
		keyText:    func(s *stage) (string, error) { return s.resolvedKey(c.String()) },
		execute: func(s *stage) ([]string, error) {
			if err := setDir(s); err != nil || root {
				return nil, err
			}
			return s.makeWorkdir()
		},
	}
}

// makeWorkdir creates the directory if it is missing, for USER.
func (s *stage) makeWorkdir() ([]string, error) {
	dir := s.config.Config.WorkingDir
	host, err := s.fs.Follow(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(host); err == nil {
		return []string{}, nil // an empty layer, not one of everything
	}
	owner, err := s.activeOwner("")
	if err != nil {
		return nil, fmt.Errorf("getting user group: %w", err)
	}
	logrus.Infof("Creating directory %s with uid %d and gid %d", dir, owner.UID, owner.GID)
	if !s.o.ChownImplicitDirs {
		own := rootfs.Ownership{UID: os.Geteuid(), GID: os.Getegid()}
		if err := rootfs.MakeDirs(filepath.Dir(host), 0o755, own); err != nil {
			return nil, fmt.Errorf("creating workdir %s: %w", dir, err)
		}
	}
	if err := rootfs.MakeDirs(host, 0o755, owner); err != nil {
		return nil, fmt.Errorf("creating workdir %s: %w", dir, err)
	}
	return []string{s.fs.Image(host)}, nil
}

// activeOwner is to whom new files belong: chown if given, else USER, else
// ourselves.
func (s *stage) activeOwner(chown string) (rootfs.Ownership, error) {
	owner := rootfs.Ownership{UID: os.Geteuid(), GID: os.Getegid()}
	for _, who := range []string{s.config.Config.User, chown} {
		if who == "" {
			continue
		}
		who, err := dockerfile.Expand(who, s.env())
		if err != nil {
			return owner, err
		}
		if owner.UID, owner.GID, err = s.fs.Owner(who); err != nil {
			return owner, err
		}
	}
	return owner, nil
}
