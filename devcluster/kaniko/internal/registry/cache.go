package registry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
)

// LayerCache keeps layers as one-layer images, tagged with the key of the
// instruction that made them.
type LayerCache struct {
	options *options.Options
}

// NewLayerCache uses the repository the options name, or <destination>/cache.
func NewLayerCache(o *options.Options) *LayerCache { return &LayerCache{options: o} }

// reference is where the layer of key lives.
func (c *LayerCache) reference(key string) (string, error) {
	if repository := c.options.CacheRepo; repository != "" {
		return repository + ":" + key, nil
	}
	if len(c.options.Destinations) == 0 {
		return "", errors.New("cache repo can't be deduced")
	}
	tag, err := name.NewTag(c.options.Destinations[0], name.WeakValidation)
	if err != nil {
		return "", fmt.Errorf("getting tag for destination: %w", err)
	}
	return fmt.Sprintf("%s/cache:%s", tag.Context(), key), nil
}

// Lookup gives the cached image of key; any reason not to use it is an error.
func (c *LayerCache) Lookup(key string) (v1.Image, error) {
	reference, err := c.reference(key)
	if err != nil {
		return nil, fmt.Errorf("getting cache destination: %w", err)
	}
	logrus.Infof("Checking for cached layer %s...", reference)
	image, err := c.fetch(reference)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("retrieving config file for %s: %w", reference, err)
	}
	if config.Created.Add(c.options.CacheTTL).Before(time.Now()) {
		logrus.Infof("Cache entry expired: %s", reference)
		return nil, fmt.Errorf("cache entry expired: %s", reference)
	}
	return image, nil
}

func (c *LayerCache) fetch(reference string) (v1.Image, error) {
	if dir, local := strings.CutPrefix(reference, "oci:"); local {
		return imageOfLayout(dir)
	}
	tag, err := pushTag(&c.options.Registry, reference)
	if err != nil {
		return nil, err
	}
	t, err := transportFor(&c.options.Registry, tag.Registry.Name(), true)
	if err != nil {
		return nil, err
	}
	return remote.Image(tag, remote.WithTransport(t), remote.WithAuthFromKeychain(keychain(&c.options.Registry)))
}

// Store pushes a layer under key. It goes through the same Push as the image,
// with the same options: that is why a cache push, too, prints "Pushed …" and
// overwrites the digest file.
func (c *LayerCache) Store(key string, layer v1.Layer, createdBy string) error {
	reference, err := c.reference(key)
	if err != nil {
		return fmt.Errorf("getting cache destination: %w", err)
	}
	logrus.Infof("Pushing layer %s to cache now", reference)
	image, err := mutate.CreatedAt(empty.Image, v1.Time{Time: time.Now()})
	if err != nil {
		return fmt.Errorf("setting empty image created time: %w", err)
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Author: "kaniko", CreatedBy: createdBy},
	})
	if err != nil {
		return fmt.Errorf("appending layer onto empty image: %w", err)
	}
	o := *c.options
	o.TarPath = ""
	o.NoPush = o.NoPushCache
	o.Destinations = options.Multi{reference}
	if dir, local := strings.CutPrefix(reference, "oci:"); local {
		o.OCILayoutPath = dir
		o.NoPush = true
		// A path is no image name, so name files cannot list it.
		o.Destinations = nil
		o.ImageNameDigestFile, o.ImageNameTagDigestFile = "", ""
	}
	return Push(image, &o)
}
