package options

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Switches are the variables FF_KANIKO_… that this double acts on.
type Switches struct {
	ChownImplicitDirs   bool
	ChmodImplicitDirs   bool
	CopyAsRoot          bool
	ExpandHeredoc       bool
	RelativeLinkTargets bool
	ResolveCacheKey     bool
	RunHonorGroup       bool
	UntarSkipRoot       bool
}

const switchPrefix = "FF_KANIKO_"

// acceptedSwitches are known and change nothing here: what they mend is not
// doubled, or is always as if they were on.
var acceptedSwitches = []string{
	"BUILDKIT_ARG_ENV_PRECEDENCE", "CACHE_LOOKAHEAD", "CACHE_PROBE_AFTER_MISS", "CLEAN_KANIKO_DIR", "CROSS_REPO_MOUNT",
	"DEPRECATE_INTER_STAGE_RESTORE", "DISABLE_HTTP2", "HASH_DIR_FRAMING", "IGNORE_CACHED_MANIFEST",
	"INFER_CROSS_STAGE_CACHE_KEY", "NO_PROPAGATE_ANNOTATIONS", "OCI_SCRATCH_BASE", "OCI_WARMER",
	"PATH_SCOPED_REGISTRY_AUTH", "PRECOMPILE_DOCKERIGNORE", "PRESERVE_HARDLINKS", "PRESERVE_MOUNTED_PATHS",
	"REPRODUCIBLE_PRESERVE_BASE_LAYERS", "ROLLING_CACHE_KEY", "RUN_MOUNT_BIND", "RUN_VIA_TINI",
	"SCOPED_DOCKERIGNORE", "SECUREJOIN_EXTRACTION", "SHARED_BASE_CACHE", "SKIP_CACHED_STAGES", "SKIP_RELABEL_RECOMPRESS",
	"SKIP_WRITE_WHITEOUTS", "VOLUME_SKIP_MKDIR", "WARMER_CACHE_LOCK",
}

func (s *Switches) byName() map[string]*bool {
	return map[string]*bool{
		"CHOWN_ON_IMPLICIT_DIRS":      &s.ChownImplicitDirs,
		"COPY_CHMOD_ON_IMPLICIT_DIRS": &s.ChmodImplicitDirs,
		"COPY_AS_ROOT":                &s.CopyAsRoot,
		"EXPAND_HEREDOC":              &s.ExpandHeredoc,
		"RELATIVE_LINK_TARGETS":       &s.RelativeLinkTargets,
		"RESOLVE_CACHE_KEY":           &s.ResolveCacheKey,
		"RUN_HONOR_GROUP":             &s.RunHonorGroup,
		"UNTAR_SKIP_ROOT":             &s.UntarSkipRoot,
	}
}

// Read sets the switches that are on in an environment, and gives the names of
// all that are on and of those that nobody knows.
func (s *Switches) Read(environ []string) (active, unknown []string, err error) {
	known := s.byName()
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		short, is := strings.CutPrefix(name, switchPrefix)
		if !is {
			continue
		}
		to, doubled := known[short]
		if !doubled && !slices.Contains(acceptedSwitches, short) {
			unknown = append(unknown, name)
			continue
		}
		on, err := strconv.ParseBool(value)
		if err != nil {
			return nil, nil, fmt.Errorf("invalid value %q for %s environment variable", value, name)
		}
		if doubled {
			*to = on
		}
		if on {
			active = append(active, name)
		}
	}
	slices.Sort(active)
	slices.Sort(unknown)
	return active, unknown, nil
}
