package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"devcluster/kaniko/internal/logging"
	"devcluster/kaniko/internal/options"
)

// prepare checks and completes the options in kaniko's order. What it returns
// cobra prints as "Error: …" with the usage.
func prepare(cmd *cobra.Command, o *options.Options) error {
	if err := logging.Configure(o.Verbosity, o.LogFormat, o.LogTimestamp); err != nil {
		return err
	}
	applyOldSpellings(o)
	if err := applyEnvironment(o); err != nil {
		// kaniko ends with a fatal log line here, without usage.
		logrus.Fatal(err)
	}
	if o.CustomPlatform == "" {
		o.CustomPlatform = hostPlatform()
	}
	if _, err := v1.ParsePlatform(o.CustomPlatform); err != nil {
		logrus.Fatalf("Invalid platform %q: %v", o.CustomPlatform, err)
	}
	if err := refusedFlags(cmd.Flags()); err != nil {
		return err
	}
	if err := moveKanikoDir(o); err != nil {
		return err
	}
	completeBuildArgs(o.BuildArgs)
	if !o.NoPush && len(o.Destinations) == 0 {
		return errors.New("you must provide --destination, or use --no-push")
	}
	if o.Cache && !o.NoPushCache && o.CacheRepo == "" && o.NoPush {
		return errors.New("cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo")
	}
	if o.ImageFormat == "oci" && o.TarPath != "" {
		return errors.New("--image-format=oci cannot be used with --tar-path")
	}
	if err := resolveContext(o); err != nil {
		return fmt.Errorf("error resolving source context: %w", err)
	}
	if err := resolveDockerfile(o); err != nil {
		return fmt.Errorf("error resolving dockerfile path: %w", err)
	}
	if err := keepSecrets(o); err != nil {
		return fmt.Errorf("error resolving secrets: %w", err)
	}
	if len(o.Destinations) == 0 && o.ImageNameDigestFile != "" {
		return errors.New("you must provide --destination if setting ImageNameDigestFile")
	}
	if len(o.Destinations) == 0 && o.ImageNameTagDigestFile != "" {
		return errors.New("you must provide --destination if setting ImageNameTagDigestFile")
	}
	return nil
}

func applyOldSpellings(o *options.Options) {
	if o.OldCustomPlatform != "" {
		logrus.Warn("Flag --customPlatform is deprecated. Use: --custom-platform")
		o.CustomPlatform = o.OldCustomPlatform
	}
	if o.OldSnapshotMode != "" {
		logrus.Warn("Flag --snapshotMode is deprecated. Use: --snapshot-mode")
		o.SnapshotMode = o.OldSnapshotMode
	}
	if o.OldForceBuildMetadata {
		logrus.Warn("Flag --force-build-metadata is deprecated. This is the new default behaviour")
	}
}

// applyEnvironment lets the variables steer that steer kaniko. They win over
// the command line: whoever sets them on a pod changes what the build does.
func applyEnvironment(o *options.Options) error {
	active, unknown, err := o.Switches.Read(os.Environ())
	if err != nil {
		return err
	}
	if len(active) > 0 {
		logrus.Infof("active feature flags: %s", strings.Join(active, ", "))
	}
	if len(unknown) > 0 {
		logrus.Warnf("unknown feature flags set but not recognised by this version of kaniko: %s", strings.Join(unknown, ", "))
	}
	if v, set := os.LookupEnv("KANIKO_REGISTRY_MIRROR"); set {
		_ = o.Mirrors.Set(v)
	}
	switches := []struct {
		name string
		to   *bool
	}{
		{"KANIKO_NO_PUSH", &o.NoPush},
		{"KANIKO_CLEANUP", &o.Cleanup},
		{"KANIKO_PRE_CLEANUP", &o.PreCleanup},
	}
	for _, s := range switches {
		v, set := os.LookupEnv(s.name)
		if !set {
			continue
		}
		on, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("invalid value %q for %s environment variable", v, s.name)
		}
		*s.to = on
	}
	if v, set := os.LookupEnv("KANIKO_REGISTRY_MAP"); set {
		if err := o.Maps.Set(v); err != nil {
			return fmt.Errorf("failed to set registry map %s", v)
		}
	}
	// A mirror is a map of docker.io.
	for _, mirror := range o.Mirrors {
		if err := o.Maps.Set(name.DefaultRegistry + "=" + mirror); err != nil {
			return fmt.Errorf("failed to set registry mirror %s", mirror)
		}
	}
	for from, to := range o.Maps {
		logrus.Debugf("registry-map remaps %s to %s.", from, strings.Join(to, ", "))
	}
	return nil
}

// completeBuildArgs gives a bare NAME its value from our environment, empty if
// there is none.
func completeBuildArgs(args []string) {
	for i, arg := range args {
		if !strings.Contains(arg, "=") {
			args[i] = arg + "=" + os.Getenv(arg)
		}
	}
}

// makePathsAbsolute is done late, as kaniko does: the permission check before
// it must not depend on it, the chdir after it must.
func makePathsAbsolute(o *options.Options) error {
	paths := []*string{
		&o.Dockerfile, &o.Context, &o.TarPath, &o.DigestFile,
		&o.ImageNameDigestFile, &o.ImageNameTagDigestFile, &o.OCILayoutPath,
	}
	for _, p := range paths {
		if *p == "" || isURL(*p) {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("couldn't resolve relative path %s to an absolute path: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}
