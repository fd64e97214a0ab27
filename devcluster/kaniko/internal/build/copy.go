package build

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/rootfs"
)

// copyJob is one COPY, or what of an ADD is a plain copy.
type copyJob struct {
	files        instructions.SourcesAndDest
	from         rootfs.Context
	keepOwner    bool // of another stage's files, unless --chown says otherwise
	chown, chmod string
}

func (b *Builder) copyStep(c *instructions.CopyCommand) *step {
	from := b.context
	if c.From != "" {
		from = rootfs.Context{Root: b.copyRoot(c.From)}
	}
	job := copyJob{files: c.SourcesAndDest, from: from, keepOwner: c.From != "", chown: c.Chown, chmod: c.Chmod}
	return &step{
		text: c.String(), needsRootfs: true, cacheable: b.o.CacheCopyLayers, from: from,
		keyText: func(s *stage) (string, error) { return s.copyKey(c.String(), job) },
		sources: func(s *stage) ([]string, error) {
			relative, _, err := s.resolveSources(job)
			return below(from.Root, relative), err
		},
		execute: func(s *stage) ([]string, error) { return s.copyFiles(job) },
	}
}

func (s *stage) copyFiles(job copyJob) ([]string, error) {
	owner, err := s.copyOwner(job)
	if err != nil {
		return nil, fmt.Errorf("getting user group from chown: %w", err)
	}
	sources, dest, err := s.resolveSources(job)
	if err != nil {
		return nil, fmt.Errorf("resolving src: %w", err)
	}
	mode, err := s.copyMode(job.chmod)
	if err != nil {
		return nil, fmt.Errorf("getting permissions from chmod: %w", err)
	}
	dest = s.destination(dest)
	var written []string
	for _, source := range below(job.from.Root, sources) {
		files, err := s.copySource(job.from, source, dest, mode, owner)
		if err != nil {
			return nil, err
		}
		written = append(written, files...)
	}
	for _, content := range job.files.SourceContents {
		file, err := s.writeHeredoc(content, dest, mode, owner)
		if err != nil {
			return nil, err
		}
		written = append(written, file...)
	}
	return written, nil
}

func (s *stage) copyOwner(job copyJob) (rootfs.Ownership, error) {
	if !job.keepOwner && job.chown == "" && s.o.CopyAsRoot {
		return rootfs.Ownership{}, nil
	}
	if !job.keepOwner {
		return s.activeOwner(job.chown)
	}
	if job.chown == "" {
		return rootfs.Keep, nil
	}
	who, err := dockerfile.Expand(job.chown, s.env())
	if err != nil {
		return rootfs.Keep, err
	}
	uid, gid, err := s.fs.Owner(who)
	return rootfs.Ownership{UID: uid, GID: gid}, err
}

func (s *stage) copyMode(chmod string) (*fs.FileMode, error) {
	if chmod == "" {
		return nil, nil
	}
	chmod, err := dockerfile.Expand(chmod, s.env())
	if err != nil {
		return nil, err
	}
	bits, err := strconv.ParseUint(chmod, 8, 32)
	if err != nil {
		return nil, fmt.Errorf("parsing value from chmod: %w", err)
	}
	mode := fs.FileMode(bits & 0o777)
	for bit, special := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= special
		}
	}
	return &mode, nil
}

// copySource copies a file to dest, or into it, or the content of a directory
// into dest, and gives the paths written.
func (s *stage) copySource(from rootfs.Context, source, dest string, mode *fs.FileMode, owner rootfs.Ownership) ([]string, error) {
	info, err := os.Lstat(source)
	if err != nil {
		return nil, fmt.Errorf("could not copy source: %w", err)
	}
	if info.IsDir() {
		written, err := s.copyDirectory(from, source, dest, mode, owner)
		if err != nil {
			return nil, fmt.Errorf("copying dir: %w", err)
		}
		return written, nil
	}
	if from.Excludes(source) {
		logrus.Debugf("%s found in .dockerignore, ignoring", source)
		return nil, nil
	}
	if s.isDirectory(dest) {
		dest = path.Join(dest, filepath.Base(source))
	}
	written, err := s.copyOne(source, path.Clean(dest), info, mode, owner)
	if err != nil {
		return nil, fmt.Errorf("copying file: %w", err)
	}
	return written, nil
}

func (s *stage) copyDirectory(from rootfs.Context, source, dest string, mode *fs.FileMode, owner rootfs.Ownership) ([]string, error) {
	var written []string
	type stamp struct {
		host string
		info fs.FileInfo
	}
	var directories []stamp
	err := from.Walk(source, func(p string, info fs.FileInfo) error {
		target := path.Join(dest, strings.TrimPrefix(p, source))
		if !info.IsDir() {
			files, err := s.copyOne(p, target, info, mode, owner)
			written = append(written, files...)
			return err
		}
		if s.fs.Ignored(target) {
			return nil
		}
		host, err := s.fs.Follow(target)
		if err != nil {
			return err
		}
		dirMode, parentMode := info.Mode(), fs.FileMode(0o755)
		if p == source {
			dirMode = 0o755 // the destination itself is not a copy of the source
		}
		if p == source && mode != nil && s.o.ChmodImplicitDirs {
			dirMode, parentMode = *mode, *mode
		}
		if err := rootfs.MakeDirsBelow(host, dirMode, parentMode, owner.Over(info)); err != nil {
			return err
		}
		if p != source {
			if mode != nil {
				if err := os.Chmod(host, *mode); err != nil {
					return err
				}
			}
			directories = append(directories, stamp{host, info})
		}
		if image := s.fs.Image(host); image != "/" {
			written = append(written, image)
		}
		return nil
	})
	for i := len(directories) - 1; i >= 0 && err == nil; i-- {
		modified := directories[i].info.ModTime()
		err = os.Chtimes(directories[i].host, modified, modified)
	}
	return written, err
}

// copyOne copies a file or link to a path in the image. Links on the way, and
// for files at the end, are followed within the root.
func (s *stage) copyOne(source, dest string, info fs.FileInfo, mode *fs.FileMode, owner rootfs.Ownership) ([]string, error) {
	if s.fs.Ignored(dest) {
		logrus.Debugf("Skipping copy for ignored path: %s", dest)
		return nil, nil
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		host, err := s.fs.Resolve(dest)
		if err != nil {
			return nil, err
		}
		return []string{s.fs.Image(host)}, rootfs.CopySymlink(source, host, rootfs.Keep)
	case info.Mode().IsRegular():
		host, err := s.fs.Follow(dest)
		if err != nil {
			return nil, err
		}
		return []string{s.fs.Image(host)}, rootfs.CopyFile(source, host, mode, owner)
	}
	return nil, nil
}

// writeHeredoc writes a here-document of COPY or ADD.
func (s *stage) writeHeredoc(content instructions.SourceContent, dest string, mode *fs.FileMode, owner rootfs.Ownership) ([]string, error) {
	if s.isDirectory(dest) {
		dest = path.Join(dest, content.Path)
	}
	if s.fs.Ignored(dest) {
		logrus.Warnf("Skipping copy targeting kaniko directory: %s", dest)
		return nil, nil
	}
	data := content.Data
	if content.Expand && s.o.ExpandHeredoc {
		var err error
		if data, err = dockerfile.ExpandRaw(data, s.env()); err != nil {
			return nil, fmt.Errorf("expanding heredoc content: %w", err)
		}
	}
	host, err := s.fs.Follow(dest)
	if err != nil {
		return nil, err
	}
	m := fs.FileMode(0o644)
	if mode != nil {
		m = *mode
	}
	if err := rootfs.WriteFile(host, strings.NewReader(data), m, owner); err != nil {
		return nil, fmt.Errorf("creating file: %w", err)
	}
	return []string{s.fs.Image(host)}, nil
}
