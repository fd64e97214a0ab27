package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"
)

// Scratch is the base name of an empty image.
const Scratch = "scratch"

// Stage is a stage that will be built.
type Stage struct {
	Index     int // in the Dockerfile
	Name      string
	BaseName  string
	BaseIndex int // of the stage it is built on, -1 for an image
	Commands  []instructions.Command
	Push      bool // its image is the result
	Final     bool // nothing is built after it
	Save      bool // another stage is built on its image
}

// Triggers gives the ONBUILD instructions of a remote base image.
type Triggers func(base string) ([]string, error)

// planner holds the work of Plan.
type planner struct {
	stages   []instructions.Stage
	triggers Triggers
	planned  []Stage
	builtOn  []int // how many stages are built on this one
	copied   []int // how many COPY --from name this one
	wanted   []bool
}

// Plan selects the stages that the targets need, resolves their bases and adds
// the triggers of these. The first target is the one pushed; without targets
// it is the last stage.
func Plan(stages []instructions.Stage, globals []instructions.ArgCommand, targets []string, args *Args, triggers Triggers) ([]Stage, error) {
	if len(stages) == 0 {
		return nil, errors.New("dockerfile must contain at least one FROM instruction")
	}
	indexes, err := findTargets(stages, targets)
	if err != nil {
		return nil, fmt.Errorf("error finding target stage: %w", err)
	}
	push, final := indexes[0], slices.Max(indexes)
	stages = slices.Clone(stages[:final+1])
	if err := expandBases(stages, globals, args); err != nil {
		return nil, fmt.Errorf("resolving args: %w", err)
	}
	p := &planner{
		stages: stages, triggers: triggers, planned: make([]Stage, len(stages)),
		builtOn: make([]int, len(stages)), copied: make([]int, len(stages)), wanted: make([]bool, len(stages)),
	}
	for _, index := range indexes {
		p.wanted[index] = true
	}
	p.builtOn[push] = 1 // keeps it from being squashed into a later stage
	for i := final; i >= 0; i-- {
		if !p.needed(i) {
			continue
		}
		if err := p.plan(i); err != nil {
			return nil, err
		}
		p.planned[i].Push, p.planned[i].Final = i == push, i == final
	}
	return p.squash(), nil
}

func (p *planner) needed(i int) bool {
	return p.wanted[i] || p.builtOn[i] > 0 || p.copied[i] > 0
}

func (p *planner) plan(i int) error {
	stage := p.stages[i]
	if stage.Name != "" {
		logrus.Infof("Resolved base name of %s to %s", stage.Name, stage.BaseName)
	}
	base := p.stageNamed(stage.BaseName, i)
	var lines []string
	var err error
	switch {
	case base >= 0:
		lines = onbuildLines(p.stages[base].Commands)
		p.builtOn[base]++
	case stage.BaseName != Scratch:
		if lines, err = p.triggers(stage.BaseName); err != nil {
			return err
		}
	}
	commands, err := ParseTriggers(lines)
	if err != nil {
		return fmt.Errorf("failed to parse ONBUILD instructions: %w", err)
	}
	commands = append(commands, stage.Commands...)
	if err := p.resolveCopies(i, commands); err != nil {
		return err
	}
	p.planned[i] = Stage{Index: i, Name: stage.Name, BaseName: stage.BaseName, BaseIndex: base, Commands: commands}
	return nil
}

// resolveCopies turns stage names in COPY --from into indexes.
func (p *planner) resolveCopies(i int, commands []instructions.Command) error {
	for _, command := range commands {
		c, isCopy := command.(*instructions.CopyCommand)
		if !isCopy || c.From == "" {
			continue
		}
		if index := p.stageNamed(c.From, len(p.stages)); index >= 0 {
			c.From = strconv.Itoa(index)
		}
		from, err := strconv.Atoi(c.From)
		if err != nil {
			continue // an image
		}
		if from < 0 || from >= len(p.stages) {
			return fmt.Errorf("stage %d: COPY --from=%d refers to a stage that does not exist", i, from)
		}
		if from >= i {
			return fmt.Errorf("%s refers to invalid stage: %d", c, from)
		}
		p.copied[from]++
	}
	return nil
}

// stageNamed looks among the stages before one, ignoring case.
func (p *planner) stageNamed(name string, before int) int {
	for i := range p.stages[:before] {
		if p.stages[i].Name != "" && strings.EqualFold(p.stages[i].Name, name) {
			return i
		}
	}
	return -1
}

// squash merges a stage into the only one built on it if nothing else needs
// it, which saves storing, deleting and unpacking it.
func (p *planner) squash() []Stage {
	for i := range p.planned {
		if !p.needed(i) {
			continue
		}
		stage := p.planned[i]
		base := stage.BaseIndex
		if base < 0 || p.builtOn[base] != 1 || p.copied[base] > 0 || p.wanted[base] {
			continue
		}
		under := p.planned[base]
		logrus.Infof("Squashing stages: %s into %s", stage.Name, under.Name)
		stage.BaseName, stage.BaseIndex = under.BaseName, under.BaseIndex
		stage.Commands = append(withoutOnbuild(under.Commands), stage.Commands...)
		p.planned[i] = stage
		p.builtOn[base] = 0
	}
	var used []Stage
	for i, stage := range p.planned {
		if p.needed(i) {
			stage.Save = p.builtOn[i] > 0
			used = append(used, stage)
		}
	}
	return used
}

func findTargets(stages []instructions.Stage, targets []string) ([]int, error) {
	if len(targets) == 0 {
		return []int{len(stages) - 1}, nil
	}
	var indexes []int
	for _, target := range targets {
		index := slices.IndexFunc(stages, func(s instructions.Stage) bool {
			return s.Name != "" && strings.EqualFold(s.Name, target)
		})
		if number, err := strconv.Atoi(target); index < 0 && err == nil && number >= 0 && number < len(stages) {
			logrus.Warnf("target %q is the number of a stage: this double takes it, kaniko's source knows names only", target)
			index = number
		}
		if index < 0 {
			return nil, fmt.Errorf("%q is not a valid target build stage", target)
		}
		indexes = append(indexes, index)
	}
	return indexes, nil
}

func expandBases(stages []instructions.Stage, globals []instructions.ArgCommand, args *Args) error {
	for _, global := range globals {
		for _, arg := range global.Args {
			args.Declare(arg.Key, arg.Value)
		}
	}
	for name := range args.global {
		args.Declare(name, nil)
	}
	env := args.Env(nil)
	for i := range stages {
		name, err := Expand(stages[i].BaseName, env)
		if err != nil {
			return fmt.Errorf("resolving base name %s: %w", stages[i].BaseName, err)
		}
		stages[i].BaseName = name
	}
	return nil
}

func onbuildLines(commands []instructions.Command) []string {
	var lines []string
	for _, command := range commands {
		if c, is := command.(*instructions.OnbuildCommand); is {
			lines = append(lines, c.Expression)
		}
	}
	return lines
}

func withoutOnbuild(commands []instructions.Command) []instructions.Command {
	var kept []instructions.Command
	for _, command := range commands {
		if _, is := command.(*instructions.OnbuildCommand); !is {
			kept = append(kept, command)
		}
	}
	return kept
}
