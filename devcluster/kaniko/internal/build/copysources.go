package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/rootfs"
)

// copyKey is the instruction with the text of its here-documents.
func (s *stage) copyKey(text string, job copyJob) (string, error) {
	for _, content := range job.files.SourceContents {
		text += "\n" + content.Path + "\n" + content.Data
	}
	return s.resolvedKey(text)
}

// resolvedKey is an instruction's text with its variables resolved, if kaniko's
// switch for that is on. Without it other values find the same cached layer.
func (s *stage) resolvedKey(text string) (string, error) {
	if !s.o.ResolveCacheKey {
		return text, nil
	}
	return dockerfile.ExpandRaw(text, s.env())
}

// below joins paths to a root. As with kaniko, nothing keeps them in it.
func below(root string, relative []string) []string {
	var paths []string
	for _, r := range relative {
		paths = append(paths, filepath.Join(root, r))
	}
	return paths
}

// resolveSources expands variables and wildcards and gives the sources,
// relative to the context, and the destination.
func (s *stage) resolveSources(job copyJob) ([]string, string, error) {
	env := s.env()
	dest, err := dockerfile.ExpandPath(job.files.DestPath, env)
	if err != nil {
		return nil, "", fmt.Errorf("failed to resolve environment for dest path: %w", err)
	}
	var sources []string
	named := make([]string, len(job.files.SourcePaths))
	for i, source := range job.files.SourcePaths {
		if named[i], err = dockerfile.ExpandPath(source, env); err != nil {
			return nil, "", fmt.Errorf("failed to resolve environment: %w", err)
		}
	}
	wildcard := slices.ContainsFunc(named, func(source string) bool { return strings.ContainsAny(source, "*?[") })
	for _, source := range named {
		if dockerfile.IsURL(source) {
			sources = append(sources, source)
			continue
		}
		// Beside a pattern kaniko takes a plain name for one, too: what is
		// missing matches nothing.
		if wildcard && !exists(below(job.from.Root, []string{source})[0]) && !strings.ContainsAny(source, "*?[") {
			continue
		}
		found, err := job.from.Glob(source)
		if err != nil {
			return nil, "", fmt.Errorf("failed to resolve sources: %w", err)
		}
		sources = append(sources, found...)
	}
	if wildcard {
		logrus.Infof("Resolving srcs %v...", job.files.SourcePaths)
	}
	return sources, dest, s.checkSources(job.from, sources, dest)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// checkSources: each must exist, and several need a directory to go to.
func (s *stage) checkSources(from rootfs.Context, sources []string, dest string) error {
	count := 0
	for _, source := range sources {
		if dockerfile.IsURL(source) {
			count++
			continue
		}
		file := below(from.Root, []string{source})[0]
		if _, err := os.Lstat(file); err != nil {
			return fmt.Errorf("failed to get fileinfo for %v: %w", file, err)
		}
		if !from.Excludes(file) {
			count++
		}
	}
	if count > 1 && !s.rehearsal && !s.isDirectory(s.destination(dest)) {
		return errors.New("when specifying multiple sources in a COPY command, destination must be a directory and end in '/'")
	}
	return nil
}

// destination makes dest absolute; a slash at its end stays.
func (s *stage) destination(dest string) string {
	p := s.absolute(dest)
	if (strings.HasSuffix(dest, "/") || dest == ".") && p != "/" {
		p += "/"
	}
	return p
}

// isDirectory says whether a destination is one, by the file system, else by
// its spelling.
func (s *stage) isDirectory(dest string) bool {
	if host, err := s.fs.Follow(dest); err == nil {
		if info, err := os.Stat(host); err == nil {
			return info.IsDir()
		}
	}
	return strings.HasSuffix(dest, "/")
}
