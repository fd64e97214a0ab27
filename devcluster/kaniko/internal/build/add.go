package build

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/rootfs"
)

// addStep is COPY that also downloads URLs and unpacks local archives.
func (b *Builder) addStep(c *instructions.AddCommand) *step {
	job := copyJob{files: c.SourcesAndDest, from: b.context, chown: c.Chown, chmod: c.Chmod}
	return &step{
		text: c.String(), needsRootfs: true, cacheable: b.o.CacheCopyLayers, from: b.context,
		keyText: func(s *stage) (string, error) { return s.copyKey(c.String(), job) },
		sources: func(s *stage) ([]string, error) {
			sources, _, err := s.resolveSources(job)
			if err != nil {
				return nil, err
			}
			var local []string
			for _, source := range sources {
				if !dockerfile.IsURL(source) {
					local = append(local, source)
				}
			}
			files := below(b.context.Root, local)
			logrus.Infof("Using files from context: %v", files)
			return files, nil
		},
		execute: func(s *stage) ([]string, error) { return s.addFiles(job) },
	}
}

func (s *stage) addFiles(job copyJob) ([]string, error) {
	owner, err := s.activeOwner(job.chown)
	if err != nil {
		return nil, fmt.Errorf("getting user group from chown: %w", err)
	}
	mode, err := s.copyMode(job.chmod)
	if err != nil {
		return nil, fmt.Errorf("getting permissions from chmod: %w", err)
	}
	sources, dest, err := s.resolveSources(job)
	if err != nil {
		return nil, err
	}
	var written []string
	plain := job
	plain.files.SourcePaths = nil
	for _, source := range sources {
		file := below(job.from.Root, []string{source})[0]
		var files []string
		switch {
		case dockerfile.IsURL(source):
			files, err = s.download(source, s.destination(dest), mode, owner)
		case !job.from.Excludes(file) && isArchive(file):
			files, err = s.unpackArchive(source, file, s.absolute(dest))
		default:
			// Already expanded: a dollar in it is part of the name.
			plain.files.SourcePaths = append(plain.files.SourcePaths, escape(source))
		}
		if err != nil {
			return nil, err
		}
		written = append(written, files...)
	}
	if len(plain.files.SourcePaths) == 0 && len(plain.files.SourceContents) == 0 {
		return written, nil
	}
	files, err := s.copyFiles(plain)
	if err != nil {
		return nil, fmt.Errorf("executing copy command: %w", err)
	}
	return append(written, files...), nil
}

func escape(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte("$"), []byte(`\$`)))
}

func (s *stage) download(source, dest string, mode *fs.FileMode, owner rootfs.Ownership) ([]string, error) {
	if s.isDirectory(dest) {
		u, err := url.Parse(source)
		if err != nil {
			return nil, err
		}
		dest = path.Join(dest, path.Base(u.Path))
	}
	logrus.Infof("Adding remote URL %s to %s", source, dest)
	response, err := http.Get(source)
	if err != nil {
		return nil, fmt.Errorf("downloading remote source file: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, fmt.Errorf("downloading remote source file: invalid response status %d", response.StatusCode)
	}
	host, err := s.fs.Follow(dest)
	if err != nil {
		return nil, err
	}
	m := fs.FileMode(0o600)
	if mode != nil {
		m = *mode
	}
	if err := rootfs.WriteFile(host, response.Body, m, owner); err != nil {
		return nil, fmt.Errorf("downloading remote source file: %w", err)
	}
	if modified, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		if err := os.Chtimes(host, modified, modified); err != nil {
			return nil, err
		}
	}
	return []string{s.fs.Image(host)}, nil
}

func (s *stage) unpackArchive(source, file, dest string) ([]string, error) {
	logrus.Infof("Unpacking local tar archive %s to %s", source, dest)
	stream, err := openArchive(file)
	if err != nil {
		return nil, fmt.Errorf("unpacking local tar: %w", err)
	}
	defer stream.Close()
	files, err := s.fs.ExtractArchive(stream, dest, s.o.UntarSkipRoot)
	if err != nil {
		return nil, fmt.Errorf("unpacking local tar: %w", err)
	}
	return files, nil
}

// compressions by the first bytes of a file, with the number that kaniko's
// library gives them. It unpacks the first two.
var compressions = []struct {
	magic    string
	number   int
	unpacked bool
}{
	{"BZh", 1, true},
	{"\x1f\x8b", 2, true},
	{"\xfd7zXZ\x00", 3, false},
	{"\x28\xb5\x2f\xfd", 4, false},
}

// isArchive says whether kaniko takes a file for an archive: each compressed
// one, whatever is in it, and a plain tar.
func isArchive(file string) bool {
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	opened, err := rootfs.OpenNoAtime(file)
	if err != nil {
		return false
	}
	defer opened.Close()
	start := make([]byte, 6)
	n, _ := io.ReadFull(opened, start)
	for _, c := range compressions {
		if bytes.HasPrefix(start[:n], []byte(c.magic)) {
			return true
		}
	}
	if _, err := opened.Seek(0, io.SeekStart); err != nil {
		return false
	}
	_, err = tar.NewReader(opened).Next()
	return err == nil
}

func openArchive(file string) (io.ReadCloser, error) {
	opened, err := rootfs.OpenNoAtime(file)
	if err != nil {
		return nil, err
	}
	start := make([]byte, 6)
	n, _ := io.ReadFull(opened, start)
	if _, err := opened.Seek(0, io.SeekStart); err != nil {
		opened.Close()
		return nil, err
	}
	for _, c := range compressions {
		if !bytes.HasPrefix(start[:n], []byte(c.magic)) {
			continue
		}
		if !c.unpacked {
			opened.Close()
			return nil, fmt.Errorf("unsupported compression algorithm %d", c.number)
		}
		if c.magic == "BZh" {
			return struct {
				io.Reader
				io.Closer
			}{bzip2.NewReader(opened), opened}, nil
		}
	}
	return layer.Decompress(opened)
}
