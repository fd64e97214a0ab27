package build

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"devcluster/kaniko/internal/dockerfile"
	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/registry"
)

// scratchEnv is the environment of an image that has none.
var scratchEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

// stage is one stage being built.
type stage struct {
	*Builder
	plan     dockerfile.Stage
	image    v1.Image
	config   *v1.ConfigFile
	args     *dockerfile.Args
	steps    []*step
	format   layer.Format
	unpacked bool
	uploads  errgroup.Group

	// rehearsal is a run through the instructions for the cache keys: the
	// config is followed, the file system left alone.
	rehearsal bool
}

// env is what instructions expand their variables from.
func (s *stage) env() []string { return s.args.Env(s.config.Config.Env) }

func (b *Builder) buildStage(p dockerfile.Stage, filesNeeded bool) (v1.Image, error) {
	s, err := b.newStage(p)
	if err != nil {
		return nil, err
	}
	logrus.Infof("Building stage '%v' [idx: '%v', base-idx: '%v']", p.BaseName, p.Index, p.BaseIndex)
	key, err := s.planCache()
	if err != nil {
		return nil, fmt.Errorf("failed to optimize instructions: %w", err)
	}
	if err := s.run(filesNeeded); err != nil {
		return nil, fmt.Errorf("error building stage: %w", err)
	}
	image, err := s.finish()
	if err != nil {
		return nil, err
	}
	b.done[p.Index] = &finished{image: image, args: s.args, key: key}
	return image, nil
}

func (b *Builder) newStage(p dockerfile.Stage) (*stage, error) {
	base, err := b.baseImage(p)
	if err != nil {
		return nil, err
	}
	if base, err = inFormat(withoutAnnotations{base}, b.o.ImageFormat); err != nil {
		return nil, err
	}
	config, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	s := &stage{Builder: b, plan: p, image: base, config: config.DeepCopy(), args: b.args.Clone()}
	if p.BaseIndex >= 0 {
		s.args = b.done[p.BaseIndex].args.Clone()
	}
	if s.format, err = b.layerFormat(base); err != nil {
		return nil, err
	}
	if s.config.Config.Env == nil {
		s.config.Config.Env = scratchEnv
	}
	s.config.Config.OnBuild = nil
	if p.Push {
		if err := setLabels(&s.config.Config, b.o.Labels); err != nil {
			return nil, err
		}
	}
	for _, command := range p.Commands {
		st, err := b.newStep(command)
		if err != nil {
			return nil, err
		}
		if st != nil {
			s.steps = append(s.steps, st)
		}
	}
	return s, nil
}

// run executes the steps.
func (s *stage) run(filesNeeded bool) error {
	if err := s.unpack(filesNeeded); err != nil {
		return err
	}
	if s.o.SingleSnapshot {
		if err := s.snap.Init(); err != nil {
			return err
		}
	}
	for i, st := range s.steps {
		if st.sources != nil {
			if _, err := st.sources(s); err != nil {
				return fmt.Errorf("failed to get files used from context: %w", err)
			}
		}
		logrus.Info(st.text)
		if err := s.execute(st, i == len(s.steps)-1); err != nil {
			return err
		}
	}
	if err := s.uploads.Wait(); err != nil {
		logrus.Warnf("Error uploading layer to cache: %s", err)
	}
	return nil
}

func (s *stage) unpack(filesNeeded bool) error {
	unpack := filesNeeded || (s.plan.Final && s.o.Materialize)
	for _, st := range s.steps {
		if st.needsRootfs && st.cached == nil {
			logrus.Infof("Unpacking rootfs as cmd %s requires it.", st.text)
			unpack = true
			break
		}
	}
	if !unpack {
		logrus.Info("Skipping unpacking as no commands require it.")
		return nil
	}
	err := registry.Retry(func() error { return s.fs.ExtractImage(s.image) }, s.o.FSExtractRetry)
	if err != nil {
		return fmt.Errorf("failed to get filesystem from image: %w", err)
	}
	s.unpacked = true
	return nil
}

// execute runs one step, cached or not, and adds its layer.
func (s *stage) execute(st *step, last bool) error {
	if st.cached != nil {
		cached, err := s.applyCached(st)
		if err != nil {
			return fmt.Errorf("failed to execute command: %w", err)
		}
		return s.addLayer(cached, st)
	}
	if st.everywhere {
		if err := s.snap.Init(); err != nil {
			return err
		}
	}
	files, err := st.execute(s)
	if err != nil {
		return fmt.Errorf("failed to execute command: %w", err)
	}
	if s.o.SingleSnapshot {
		if !last {
			return nil
		}
	} else if st.metadata {
		return s.addHistory(st)
	}
	written, err := s.takeSnapshot(st, files)
	if err != nil {
		return fmt.Errorf("failed to take snapshot: %w", err)
	}
	if s.o.Cache && st.cacheable && !s.o.NoPushCache && !s.o.SingleSnapshot {
		s.uploads.Go(func() error { return s.cache.Store(st.key, written, st.text) })
	}
	return s.addLayer(written, st)
}

func (s *stage) takeSnapshot(st *step, files []string) (*layer.File, error) {
	// Of an instruction that names no file kaniko thinks that it may have changed
	// any. Before the first RUN nothing is remembered, so all there is counts as
	// new: the base's files, and the executor's own.
	if st.everywhere || s.o.SingleSnapshot || files == nil {
		return s.snap.Full(s.format)
	}
	return s.snap.Files(files, s.format)
}

// applyCached unpacks a cached layer in place of running the step.
func (s *stage) applyCached(st *step) (v1.Layer, error) {
	if st.configPart != nil {
		if err := st.configPart(s); err != nil {
			return nil, err
		}
	}
	logrus.Info("Found cached layer, extracting to filesystem")
	layers, err := st.cached.Layers()
	if err != nil {
		return nil, fmt.Errorf("retrieving image layers: %w", err)
	}
	if len(layers) != 1 {
		return nil, fmt.Errorf("expected %d layers but got %d", 1, len(layers))
	}
	if _, err := s.fs.ExtractLayer(layers[0]); err != nil {
		return nil, fmt.Errorf("extracting fs from image: %w", err)
	}
	return layers[0], nil
}
