package build

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/rootfs"
)

// step is one instruction, ready to run.
type step struct {
	text string // as it stands in log and history

	metadata    bool // changes the config only
	needsRootfs bool // the base must be unpacked for it
	everywhere  bool // may change any file, so the whole file system is compared
	cacheable   bool
	usesEnv     bool // all variables are part of its cache key

	// execute does it and gives the paths it wrote.
	execute func(*stage) ([]string, error)
	// configPart is what remains to be done when the layer came from the cache.
	configPart func(*stage) error
	// sources gives the files that are copied; they enter the cache key.
	sources func(*stage) ([]string, error)
	from    rootfs.Context
	// keyText is the text for the cache key, if variables change its meaning.
	keyText func(*stage) (string, error)

	key    string   // with --cache
	cached v1.Image // a hit
}

// newStep gives nil for an instruction that does nothing.
func (b *Builder) newStep(command instructions.Command) (*step, error) {
	switch c := command.(type) {
	case *instructions.RunCommand:
		return b.runStep(c), nil
	case *instructions.CopyCommand:
		return b.copyStep(c), nil
	case *instructions.AddCommand:
		return b.addStep(c), nil
	case *instructions.WorkdirCommand:
		return b.workdirStep(c), nil
	case *instructions.MaintainerCommand:
		logrus.Warnf("%s is deprecated, skipping", c.Name())
		return nil, nil
	}
	execute, err := configStep(command)
	if err != nil {
		return nil, err
	}
	return &step{
		text:     fmt.Sprint(command),
		metadata: true,
		execute: func(s *stage) ([]string, error) {
			return nil, execute(s)
		},
	}, nil
}
