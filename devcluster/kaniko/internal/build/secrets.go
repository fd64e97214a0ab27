package build

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"
)

// mountSecret puts a build secret where a RUN asks for it: in a file, in a
// variable, or both.
func (s *stage) mountSecret(m *mounts, one *instructions.Mount) error {
	id := one.CacheID
	if id == "" {
		id = filepath.Base(one.Target)
	}
	secret, defined := s.o.Secrets[id]
	if !defined {
		if one.Required {
			return fmt.Errorf("secret not defined: %s", id)
		}
		logrus.Infof("skip mounting %q as it is not available", id)
		return nil
	}
	var value []byte
	if secret.FromEnv {
		v, set := os.LookupEnv(secret.Source)
		if !set {
			return fmt.Errorf("environment variable for secret %q not set: %s", id, secret.Source)
		}
		value = []byte(v)
	} else {
		var err error
		if value, err = os.ReadFile(secret.Source); err != nil {
			return fmt.Errorf("failed to read secret file %q for %q: %w", secret.Source, id, err)
		}
	}
	if one.Env != nil {
		m.env = append(m.env, *one.Env+"="+string(value))
		if one.Target == "" {
			return nil
		}
	}
	target := one.Target
	if target == "" {
		target = "/run/secrets/" + id
	}
	return s.placeSecret(m, s.absolute(target), value, one)
}

func (s *stage) placeSecret(m *mounts, target string, value []byte, one *instructions.Mount) error {
	if err := s.makeMountDir(m, path.Dir(target)); err != nil {
		return err
	}
	host, err := s.fs.Resolve(target)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o400)
	if one.Mode != nil {
		mode = fs.FileMode(*one.Mode)
	}
	if err := os.WriteFile(host, value, mode); err != nil {
		return err
	}
	m.later(func() error { return os.Remove(host) })
	return chownMount(host, one)
}
