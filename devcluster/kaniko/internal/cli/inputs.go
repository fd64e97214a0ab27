package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/rootfs"
)

// resolveContext makes o.Context a directory. The sub path counts only behind
// a scheme, as with kaniko.
func resolveContext(o *options.Options) error {
	if o.Context == "" {
		return errors.New("please specify a path to the build context with the --context flag or a bucket with the --bucket flag")
	}
	scheme, rest, found := strings.Cut(o.Context, "://")
	if !found {
		return nil
	}
	if scheme != "dir" {
		return fmt.Errorf("the kaniko double does not fetch %s:// contexts, only dir:// and bare paths", scheme)
	}
	o.Context = rest
	if o.ContextSubPath != "" {
		o.Context = filepath.Join(o.Context, o.ContextSubPath)
		if _, err := os.Stat(o.Context); os.IsNotExist(err) {
			return err
		}
	}
	logrus.Debugf("Build context located at %s", o.Context)
	return nil
}

// resolveDockerfile looks in the working directory, then in the context, and
// keeps a copy: the original may be ignored, overwritten or deleted later.
func resolveDockerfile(o *options.Options) error {
	if isURL(o.Dockerfile) {
		return nil
	}
	for _, candidate := range []string{o.Dockerfile, filepath.Join(o.Context, o.Dockerfile)} {
		if _, err := os.Lstat(candidate); os.IsNotExist(err) {
			continue
		}
		abs, err := filepath.Abs(candidate)
		if err != nil {
			return fmt.Errorf("getting absolute path for dockerfile: %w", err)
		}
		return copyDockerfile(o, abs)
	}
	return errors.New("please provide a valid path to a Dockerfile within the build context with --dockerfile")
}

func copyDockerfile(o *options.Options, path string) error {
	kept := filepath.Join(o.KanikoDir, "Dockerfile")
	if err := rootfs.CopyContent(path, kept); err != nil {
		return fmt.Errorf("copying dockerfile: %w", err)
	}
	ignore := path + ".dockerignore"
	if _, err := os.Lstat(ignore); err == nil {
		if err := rootfs.CopyContent(ignore, kept+".dockerignore"); err != nil {
			return fmt.Errorf("copying Dockerfile.dockerignore: %w", err)
		}
	}
	o.Dockerfile = kept
	return nil
}

// keepSecrets checks that every secret exists and copies files to where the
// deletion of the file system between stages does not reach.
func keepSecrets(o *options.Options) error {
	for id, secret := range o.Secrets {
		if secret.FromEnv {
			if _, set := os.LookupEnv(secret.Source); !set {
				return fmt.Errorf("environment variable for secret %q not set: %s", id, secret.Source)
			}
			continue
		}
		dir := filepath.Join(o.KanikoDir, "secrets")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		kept := filepath.Join(dir, filepath.Base(id))
		if err := rootfs.CopyContent(secret.Source, kept); err != nil {
			return fmt.Errorf("copying secret %s: %w", secret.Source, err)
		}
		o.Secrets[id] = options.Secret{Source: kept}
	}
	return nil
}

// moveKanikoDir moves the work directory if another one was asked for; the
// flag wins over the variable. A directory in use is taken as it is.
func moveKanikoDir(o *options.Options) error {
	dir := o.KanikoDir
	if env := os.Getenv("KANIKO_DIR"); env != "" && dir == options.DefaultKanikoDir {
		dir = env
	}
	o.KanikoDir = dir
	if filepath.Clean(dir) == options.DefaultKanikoDir {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(entries) != 0 {
		return nil
	}
	if err := rootfs.CopyTree(options.DefaultKanikoDir, dir); err != nil {
		return err
	}
	if err := os.RemoveAll(options.DefaultKanikoDir); err != nil {
		return err
	}
	// The old value names a directory that is gone.
	return os.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
}
