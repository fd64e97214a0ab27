// Package build turns a Dockerfile into an image, stage by stage, in the
// executor's own root file system.
package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/registry"
	"devcluster/kaniko/internal/rootfs"
	"devcluster/kaniko/internal/snapshot"
)

// Builder is one build.
type Builder struct {
	o       *options.Options
	puller  *registry.Puller
	cache   *registry.LayerCache
	context rootfs.Context
	fs      *rootfs.FS
	snap    *snapshot.Snapshotter
	args    *dockerfile.Args
	done    map[int]*finished

	// start runs the process of a RUN to its end. A variable, so that tests
	// without privilege need no root file system to run programs in.
	start func(*exec.Cmd) error
}

// finished is what later stages need of an earlier one.
type finished struct {
	image v1.Image
	args  *dockerfile.Args
	key   *cacheKey
}

// New prepares a build; nothing is read yet.
func New(o *options.Options) *Builder {
	return &Builder{
		o:      o,
		puller: registry.NewPuller(&o.Registry, o.CustomPlatform),
		cache:  registry.NewLayerCache(o),
		done:   map[int]*finished{},
		start:  runProcess,
	}
}

// Build builds and gives the image of the target.
func (b *Builder) Build() (v1.Image, error) {
	plan, err := b.plan()
	if err != nil {
		return nil, err
	}
	if b.context, err = rootfs.NewContext(b.o.Context, b.o.Dockerfile); err != nil {
		return nil, err
	}
	needed, err := b.crossStageFiles(plan)
	if err != nil {
		return nil, err
	}
	logrus.Infof("Built cross stage deps: %v", needed)
	if err := b.prepareRootfs(); err != nil {
		return nil, err
	}
	if err := b.fetchCopySources(plan); err != nil {
		return nil, err
	}
	var result v1.Image
	for _, p := range plan {
		image, err := b.buildStage(p, len(needed[p.Index]) > 0)
		if err != nil {
			return nil, err
		}
		if p.Push {
			result = image
		}
		if p.Final {
			break
		}
		if err := b.leaveStage(p, needed[p.Index]); err != nil {
			return nil, err
		}
	}
	if b.o.Cleanup {
		if err := b.fs.Empty(); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (b *Builder) plan() ([]dockerfile.Stage, error) {
	stages, globals, err := dockerfile.Read(b.o.Dockerfile, b.o.BuildArgs)
	if err != nil {
		return nil, err
	}
	b.args = dockerfile.NewArgs(b.o.BuildArgs)
	build := runtime.GOOS + "/" + runtime.GOARCH
	b.args.Predefine(build, b.o.CustomPlatform, "")
	plan, err := dockerfile.Plan(stages, globals, b.o.Targets, b.args.Clone(), b.triggers)
	if err != nil {
		return nil, err
	}
	b.args.Predefine(build, b.o.CustomPlatform, plan[len(plan)-1].Name)
	for _, global := range globals {
		for _, arg := range global.Args {
			b.args.SetGlobal(arg.Key, arg.Value)
		}
	}
	return plan, nil
}

func (b *Builder) triggers(base string) ([]string, error) {
	image, err := b.puller.Image(base)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	return config.Config.OnBuild, nil
}

func (b *Builder) prepareRootfs() error {
	var err error
	if b.fs, err = rootfs.New(b.o.Root, b.o.KanikoDir); err != nil {
		return fmt.Errorf("failed to initialize ignore list: %w", err)
	}
	if b.o.IgnoreVarRun {
		b.fs.Ignore("/var/run")
	}
	for _, path := range b.o.IgnorePaths {
		b.fs.Ignore(path)
	}
	b.snap, err = snapshot.New(b.fs, b.o.SnapshotMode, filepath.Join(b.o.KanikoDir, "layers"), b.o.Reproducible)
	if err != nil {
		return err
	}
	b.snap.RelativeLinks = b.o.RelativeLinkTargets
	if b.o.PreCleanup {
		return b.fs.Empty()
	}
	return nil
}

// baseImage gives what a stage is built on.
func (b *Builder) baseImage(p dockerfile.Stage) (v1.Image, error) {
	if p.BaseIndex >= 0 {
		logrus.Infof("Base image from previous stage %d found, using saved tar at path %s", p.BaseIndex, b.stagePath(p.BaseIndex))
		return b.done[p.BaseIndex].image, nil
	}
	if p.BaseName == dockerfile.Scratch {
		logrus.Info("No base image, nothing to extract")
		return empty.Image, nil
	}
	image, err := b.puller.Image(p.BaseName)
	if err != nil {
		return nil, fmt.Errorf("failed to get baseImage: %w", err)
	}
	return image, nil
}

// leaveStage saves what later stages copy, then deletes the file system.
func (b *Builder) leaveStage(p dockerfile.Stage, needed []string) error {
	if p.Save {
		// kaniko writes the image to disk here. Ours already lies there, or is
		// still in its registry; the line is kept, for those who follow the log.
		logrus.Infof("Storing source image from stage %d at path %s", p.Index, b.stagePath(p.Index))
	}
	if err := b.saveFiles(p.Index, needed); err != nil {
		return err
	}
	if err := b.fs.Empty(); err != nil {
		return fmt.Errorf("deleting file system after stage %d: %w", p.Index, err)
	}
	b.fs.ForgetVolumes()
	b.snap.Reset()
	return nil
}

func (b *Builder) stagePath(index int) string {
	return filepath.Join(b.o.KanikoDir, "stages", strconv.Itoa(index))
}

// copyRoot is where files for COPY --from lie: of a stage by its index, of an
// image by its name.
func (b *Builder) copyRoot(from string) string {
	if _, err := strconv.Atoi(from); err == nil {
		return filepath.Join(b.o.KanikoDir, from)
	}
	return filepath.Join(b.o.KanikoDir, "images", from)
}

// fetchCopySources unpacks images that are named in COPY --from.
func (b *Builder) fetchCopySources(plan []dockerfile.Stage) error {
	fetched := map[string]bool{}
	for _, stage := range plan {
		for _, command := range stage.Commands {
			c, isCopy := command.(*instructions.CopyCommand)
			if !isCopy || c.From == "" || fetched[c.From] {
				continue
			}
			if _, err := strconv.Atoi(c.From); err == nil {
				continue
			}
			fetched[c.From] = true
			if err := b.fetchCopySource(c.From); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Builder) fetchCopySource(name string) error {
	image, err := b.puller.Image(name)
	if err != nil {
		return err
	}
	dir := b.copyRoot(name)
	logrus.Infof("Storing source image from stage %s at path %s", name, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A root of its own, where nothing is mounted.
	into, err := rootfs.New(dir, b.o.KanikoDir)
	if err != nil {
		return err
	}
	return into.ExtractImage(image)
}
