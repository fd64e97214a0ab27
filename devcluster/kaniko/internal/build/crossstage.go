package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/rootfs"
)

// crossStageFiles finds, before anything is built, which paths of each stage a
// later one copies. ENV and ARG are followed, since they may name the paths.
func (b *Builder) crossStageFiles(plan []dockerfile.Stage) (map[int][]string, error) {
	needed := map[int][]string{}
	followed := map[int]*stage{}
	for _, p := range plan {
		s, err := b.follow(p, followed)
		if err != nil {
			return nil, err
		}
		followed[p.Index] = s
		for _, command := range p.Commands {
			switch c := command.(type) {
			case *instructions.EnvCommand:
				err = s.setEnv(c)
			case *instructions.ArgCommand:
				err = s.declareArgs(c)
			case *instructions.CopyCommand:
				err = s.noteCopy(c, needed)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	for index := range needed {
		slices.Sort(needed[index])
		needed[index] = slices.Compact(needed[index])
	}
	return needed, nil
}

// follow begins a stage of which only the variables matter.
func (b *Builder) follow(p dockerfile.Stage, followed map[int]*stage) (*stage, error) {
	if p.BaseIndex >= 0 {
		base := followed[p.BaseIndex]
		return &stage{Builder: b, plan: p, config: base.config.DeepCopy(), args: base.args.Clone(), rehearsal: true}, nil
	}
	config := &v1.ConfigFile{}
	if p.BaseName != dockerfile.Scratch {
		image, err := b.puller.Image(p.BaseName)
		if err != nil {
			return nil, err
		}
		if config, err = image.ConfigFile(); err != nil {
			return nil, err
		}
	}
	return &stage{Builder: b, plan: p, config: config.DeepCopy(), args: b.args.Clone(), rehearsal: true}, nil
}

func (s *stage) noteCopy(c *instructions.CopyCommand, needed map[int][]string) error {
	from, err := strconv.Atoi(c.From)
	if err != nil {
		return nil // the context, or an image
	}
	for _, source := range c.SourcePaths {
		source, err := dockerfile.ExpandPath(source, s.env())
		if err != nil {
			return err
		}
		needed[from] = append(needed[from], source)
	}
	return nil
}

// saveFiles copies the needed paths of a stage to where its COPY --from looks.
// A link is saved with what it points to.
func (b *Builder) saveFiles(index int, patterns []string) error {
	dir := b.copyRoot(strconv.Itoa(index))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("to create workspace for stage %d: %w", index, err)
	}
	paths, err := b.matching(patterns)
	if err != nil {
		return err
	}
	for _, p := range paths {
		logrus.Infof("Saving file %s for later use", strings.TrimPrefix(p, "/"))
		if err := b.saveTree(p, dir); err != nil {
			return fmt.Errorf("could not save file: %w", err)
		}
	}
	return nil
}

// matching gives the existing paths, without those below another one.
func (b *Builder) matching(patterns []string) ([]string, error) {
	var paths []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(b.fs.Host(pattern))
		if err != nil {
			return nil, err
		}
		for _, host := range found {
			paths = append(paths, b.fs.Image(host))
			if info, err := os.Lstat(host); err != nil || info.Mode()&os.ModeSymlink == 0 {
				continue
			}
			target, err := b.fs.Follow(b.fs.Image(host))
			if err != nil {
				continue
			}
			if _, err := os.Lstat(target); err == nil {
				paths = append(paths, b.fs.Image(target))
			}
		}
	}
	slices.Sort(paths)
	var topmost []string
	for _, p := range slices.Compact(paths) {
		covered := slices.ContainsFunc(topmost, func(t string) bool { return t == "/" || strings.HasPrefix(p, t+"/") })
		if !covered {
			topmost = append(topmost, p)
		}
	}
	return topmost, nil
}

func (b *Builder) saveTree(p, dir string) error {
	host := b.fs.Host(p)
	if p != "/" {
		// With its directories, so that a link among them leads the same way.
		return rootfs.CopyTree(host, filepath.Join(dir, p))
	}
	entries, err := os.ReadDir(host)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		child := "/" + entry.Name()
		if b.fs.Ignored(child) {
			continue
		}
		if err := rootfs.CopyTree(b.fs.Host(child), filepath.Join(dir, child)); err != nil {
			return err
		}
	}
	return nil
}
