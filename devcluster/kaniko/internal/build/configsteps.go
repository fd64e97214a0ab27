package build

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
)

// configStep gives what an instruction does that changes the config only.
func configStep(command instructions.Command) (func(*stage) error, error) {
	switch c := command.(type) {
	case *instructions.ArgCommand:
		return func(s *stage) error { return s.declareArgs(c) }, nil
	case *instructions.EnvCommand:
		return func(s *stage) error { return s.setEnv(c) }, nil
	case *instructions.LabelCommand:
		return func(s *stage) error { return s.setLabels(c) }, nil
	case *instructions.UserCommand:
		return func(s *stage) error { return s.setUser(c) }, nil
	case *instructions.ExposeCommand:
		return func(s *stage) error { return s.expose(c) }, nil
	case *instructions.VolumeCommand:
		return func(s *stage) error { return s.addVolumes(c) }, nil
	case *instructions.StopSignalCommand:
		return func(s *stage) error { return s.setStopSignal(c) }, nil
	case *instructions.CmdCommand:
		return func(s *stage) error {
			s.config.Config.Cmd = s.commandLine(c.ShellDependantCmdLine)
			logrus.Infof("Replacing CMD in config with %v", s.config.Config.Cmd)
			return nil
		}, nil
	case *instructions.EntrypointCommand:
		return func(s *stage) error {
			s.config.Config.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
			logrus.Infof("Replacing Entrypoint in config with %v", s.config.Config.Entrypoint)
			return nil
		}, nil
	case *instructions.ShellCommand:
		return func(s *stage) error { s.config.Config.Shell = c.Shell; return nil }, nil
	case *instructions.HealthCheckCommand:
		return func(s *stage) error {
			s.config.Config.Healthcheck = &v1.HealthConfig{
				Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout,
				StartPeriod: c.Health.StartPeriod, Retries: c.Health.Retries,
			}
			return nil
		}, nil
	case *instructions.OnbuildCommand:
		return func(s *stage) error {
			s.config.Config.OnBuild = append(s.config.Config.OnBuild, c.Expression)
			return nil
		}, nil
	}
	return nil, fmt.Errorf("%s is not a supported command", command.Name())
}

func (s *stage) declareArgs(c *instructions.ArgCommand) error {
	for _, arg := range c.Args {
		name, err := dockerfile.Expand(arg.Key, s.env())
		if err != nil {
			return err
		}
		var value *string
		if arg.Value != nil {
			expanded, err := dockerfile.Expand(*arg.Value, s.env())
			if err != nil {
				return err
			}
			value = &expanded
		}
		s.args.Declare(name, value)
	}
	return nil
}

func (s *stage) setEnv(c *instructions.EnvCommand) error {
	before := s.env() // one instruction does not see its own assignments
	for _, pair := range c.Env {
		name, err := dockerfile.Expand(pair.Key, before)
		if err != nil {
			return err
		}
		value, err := dockerfile.Expand(pair.Value, before)
		if err != nil {
			return err
		}
		s.config.Config.Env = withVariable(s.config.Config.Env, name, value)
	}
	return nil
}

// withVariable replaces in place, or appends: order is part of the config.
func withVariable(env []string, name, value string) []string {
	env = append([]string(nil), env...)
	for i := range env {
		if strings.HasPrefix(env[i], name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

func (s *stage) setLabels(c *instructions.LabelCommand) error {
	if s.config.Config.Labels == nil {
		s.config.Config.Labels = map[string]string{}
	}
	for _, label := range c.Labels {
		key, err := dockerfile.Expand(label.Key, s.env())
		if err != nil {
			return err
		}
		value, err := dockerfile.Expand(label.Value, s.env())
		if err != nil {
			return err
		}
		// kaniko keeps what it expanded and goes over the instruction once more.
		if again, err := dockerfile.Expand(value, s.env()); err == nil {
			value = again
		}
		logrus.Infof("Applying label %s=%s", key, value)
		s.config.Config.Labels[key] = value
	}
	return nil
}

func (s *stage) setUser(c *instructions.UserCommand) error {
	logrus.Info("Cmd: USER")
	user, err := dockerfile.Expand(c.User, s.env())
	if err != nil {
		return fmt.Errorf("resolving user %s: %w", c.User, err)
	}
	s.config.Config.User = user
	return nil
}

func (s *stage) expose(c *instructions.ExposeCommand) error {
	logrus.Info("Cmd: EXPOSE")
	if s.config.Config.ExposedPorts == nil {
		s.config.Config.ExposedPorts = map[string]struct{}{}
	}
	for _, port := range c.Ports {
		port, err := dockerfile.Expand(port, s.env())
		if err != nil {
			return err
		}
		number, protocol, found := strings.Cut(port, "/")
		if !found {
			protocol = "tcp"
		}
		protocol = strings.ToLower(protocol)
		if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
			return fmt.Errorf("invalid protocol: %s", protocol)
		}
		logrus.Infof("Adding exposed port: %s/%s", number, protocol)
		s.config.Config.ExposedPorts[number+"/"+protocol] = struct{}{}
	}
	return nil
}

func (s *stage) addVolumes(c *instructions.VolumeCommand) error {
	logrus.Info("Cmd: VOLUME")
	if s.config.Config.Volumes == nil {
		s.config.Config.Volumes = map[string]struct{}{}
	}
	for _, volume := range c.Volumes {
		volume, err := dockerfile.ExpandPath(volume, s.env())
		if err != nil {
			return err
		}
		s.config.Config.Volumes[volume] = struct{}{}
		if s.rehearsal {
			continue
		}
		// What RUN puts into a volume later is not in the image.
		logrus.Infof("Adding volume %s to ignorelist", volume)
		s.fs.AddVolume(volume)
	}
	return nil
}

func (s *stage) setStopSignal(c *instructions.StopSignalCommand) error {
	logrus.Info("Cmd: STOPSIGNAL")
	signal, err := dockerfile.Expand(c.Signal, s.env())
	if err != nil {
		return err
	}
	s.config.Config.StopSignal = signal
	return nil
}

// commandLine is CMD's or ENTRYPOINT's list, shell form in a shell.
func (s *stage) commandLine(line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	return append(s.shell(), strings.Join(line.CmdLine, " "))
}

func (s *stage) shell() []string {
	if len(s.config.Config.Shell) > 0 {
		return append([]string(nil), s.config.Config.Shell...)
	}
	return []string{"/bin/sh", "-c"}
}
