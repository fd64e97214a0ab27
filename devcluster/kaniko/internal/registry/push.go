package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
)

// immutableTagErrors are the texts kaniko knows: of Google's and of Amazon's
// registries, not of Azure's.
var immutableTagErrors = []string{
	"The repository has enabled tag immutability",
	"cannot be overwritten because the tag is immutable",
}

// dummyDestination names the image in an archive when no name was given.
const dummyDestination = "docker.io/unset-repo/unset-image-name"

// Push writes the files that were asked for and then pushes to each
// destination in turn. The order is kaniko's and matters: the digest is on
// disk before the first byte goes out, and the tags before a failing one are
// already live.
func Push(image v1.Image, o *options.Options) error {
	if !o.NoPush && len(o.Destinations) == 0 {
		return errors.New("must provide at least one destination to push")
	}
	destinations := []string(o.Destinations)
	if o.NoPush && len(destinations) == 0 && o.TarPath != "" {
		destinations = []string{dummyDestination}
	}
	if err := writeDigestFile(image, o.DigestFile); err != nil {
		return err
	}
	if err := writeLayout(image, o.OCILayoutPath); err != nil {
		return err
	}
	tags, err := parseTags(destinations)
	if err != nil {
		return err
	}
	if err := writeNameFiles(image, tags, o); err != nil {
		return err
	}
	if o.TarPath != "" {
		byTag := map[name.Tag]v1.Image{}
		for _, tag := range tags {
			byTag[tag] = image
		}
		if err := tarball.MultiWriteToFile(o.TarPath, byTag); err != nil {
			return fmt.Errorf("writing tarball to file failed: %w", err)
		}
	}
	if o.NoPush {
		logrus.Info("Skipping push to container registry due to --no-push flag")
		return nil
	}
	for _, destination := range destinations {
		if err := pushTo(image, destination, &o.Registry); err != nil {
			return err
		}
	}
	return writeBuilderOutput(image, tags)
}

func parseTags(destinations []string) ([]name.Tag, error) {
	var tags []name.Tag
	for _, destination := range destinations {
		tag, err := name.NewTag(destination, name.WeakValidation)
		if err != nil {
			return nil, fmt.Errorf("getting tag for destination: %w", err)
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

func pushTo(image v1.Image, destination string, o *options.Registry) error {
	tag, err := pushTag(o, destination)
	if err != nil {
		return err
	}
	auth, err := keychain(o).Resolve(tag.Context().Registry)
	if err != nil {
		return fmt.Errorf("resolving pushAuth: %w", err)
	}
	t, err := pushTransport(o, tag.Registry.Name())
	if err != nil {
		return err
	}
	logrus.Infof("Pushing image to %s", tag)
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	pushed := tag.Context().Digest(digest.String())
	err = Retry(func() error {
		err := remote.Write(tag, image, remote.WithAuth(auth), remote.WithTransport(userAgent{t}))
		if err != nil && o.PushIgnoreImmutableTagErrors && immutable(err) {
			logrus.Infof("Immutable tag error ignored for %s", pushed)
			return nil
		}
		if err == nil {
			logrus.Infof("Pushed %s", pushed)
		}
		return err
	}, o.PushRetry)
	if err != nil {
		return fmt.Errorf("failed to push to destination %s: %w", tag, err)
	}
	return nil
}

func immutable(err error) bool {
	for _, text := range immutableTagErrors {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
