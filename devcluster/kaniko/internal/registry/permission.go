package registry

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"devcluster/kaniko/internal/options"
)

// CheckPushPermissions begins, and gives up, an upload to every repository to
// be pushed to, so that a long build does not end in a refusal. Without a push
// of the image it is the cache repository that is probed, and only then.
func CheckPushPermissions(o *options.Options) error {
	targets := []string(o.Destinations)
	switch {
	case o.SkipPermissions, o.NoPush && o.NoPushCache:
		return nil
	case o.NoPush && strings.HasPrefix(o.CacheRepo, "oci:"):
		return nil
	case o.NoPush:
		targets = []string{o.CacheRepo}
	}
	probed := map[string]bool{}
	for _, target := range targets {
		tag, err := pushTag(&o.Registry, target)
		if err != nil {
			return err
		}
		if probed[tag.Context().String()] {
			continue
		}
		t, err := pushTransport(&o.Registry, tag.Registry.Name())
		if err != nil {
			return err
		}
		if err := remote.CheckPushPermission(tag, keychain(&o.Registry), t); err != nil {
			return fmt.Errorf("checking push permission for %q: %w", tag, err)
		}
		probed[tag.Context().String()] = true
	}
	return nil
}
