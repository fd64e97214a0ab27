package rootfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/sirupsen/logrus"
)

// Context is a directory that files are copied from: the build context, or
// what an earlier stage left.
type Context struct {
	Root    string
	exclude *patternmatcher.PatternMatcher
}

// NewContext is the build context with its .dockerignore, or the one beside
// the Dockerfile.
func NewContext(root, dockerfile string) (Context, error) {
	c := Context{Root: filepath.Clean(root)}
	for _, path := range []string{dockerfile + ".dockerignore", filepath.Join(root, ".dockerignore")} {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		logrus.Infof("Using dockerignore file: %v", path)
		file, err := os.Open(path)
		if err != nil {
			return c, fmt.Errorf("parsing .dockerignore: %w", err)
		}
		defer file.Close()
		patterns, err := ignorefile.ReadAll(file)
		if err != nil {
			return c, fmt.Errorf("parsing .dockerignore: %w", err)
		}
		c.exclude, err = patternmatcher.New(patterns)
		if err != nil {
			return c, fmt.Errorf("parsing .dockerignore: %w", err)
		}
		return c, nil
	}
	return c, nil
}

// Excludes says whether a path below the root is ignored.
func (c Context) Excludes(path string) bool {
	if c.exclude == nil {
		return false
	}
	relative, err := filepath.Rel(c.Root, path)
	if err != nil || relative == "." || strings.HasPrefix(relative, "..") {
		return false
	}
	match, err := c.exclude.MatchesOrParentMatches(relative)
	if err != nil {
		logrus.Errorf("Error matching, including %s in build: %v", path, err)
		return false
	}
	return match
}

// Walk visits path and all below it that is not excluded.
func (c Context) Walk(path string, visit func(path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if c.Excludes(p) {
			// A "!" pattern may take something below an excluded directory
			// back in, so directories are still entered.
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return visit(p, info)
	})
}

// Glob gives the paths, relative to the root, that match pattern, and pattern
// itself if it holds no wildcard.
func (c Context) Glob(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}, nil
	}
	matches, err := filepath.Glob(filepath.Join(escapeGlob(c.Root), pattern))
	if err != nil {
		return nil, err
	}
	var relative []string
	for _, match := range matches {
		r, err := filepath.Rel(c.Root, match)
		if err != nil {
			return nil, err
		}
		relative = append(relative, r)
	}
	return relative, nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
