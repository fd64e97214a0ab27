package registry

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
)

// Puller resolves image names, each once per process. Layers are not fetched
// here: they stream from the registry when something reads them.
type Puller struct {
	options  *options.Registry
	platform string
	resolved map[string]v1.Image
}

// NewPuller pulls for a platform such as linux/amd64.
func NewPuller(o *options.Registry, platform string) *Puller {
	return &Puller{options: o, platform: platform, resolved: map[string]v1.Image{}}
}

// Image gives the image called ref, looking at mapped registries first.
func (p *Puller) Image(ref string) (v1.Image, error) {
	logrus.Infof("Retrieving image manifest %s", ref)
	if image := p.resolved[ref]; image != nil {
		logrus.Info("Returning cached image manifest")
		return image, nil
	}
	parsed, err := name.ParseReference(ref, name.WeakValidation)
	if err != nil {
		return nil, err
	}
	image, err := p.fromMaps(parsed)
	if err != nil {
		return nil, err
	}
	if image == nil {
		image, err = p.fromOwnRegistry(parsed)
		if err != nil {
			return nil, err
		}
	}
	p.resolved[ref] = image
	return image, nil
}

// fromMaps gives nil, nil if the registry that ref names itself is to be asked.
func (p *Puller) fromMaps(ref name.Reference) (v1.Image, error) {
	mapped, found := p.options.Maps[ref.Context().RegistryStr()]
	if !found {
		return nil, nil
	}
	for _, to := range mapped {
		host, prefix, _ := strings.Cut(to, "/")
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			prefix += "/"
		}
		nameOptions := []name.Option{name.WithDefaultRegistry(host), name.WeakValidation}
		if p.plain(host) {
			nameOptions = append(nameOptions, name.Insecure)
		}
		repository, err := name.NewRepository(prefix+ref.Context().RepositoryStr(), nameOptions...)
		if err != nil {
			return nil, err
		}
		moved := withRepository(ref, repository)
		logrus.Infof("Retrieving image %s from mapped registry %s", moved, host)
		image, err := p.fetch(moved, host)
		if err == nil {
			return image, nil
		}
		logrus.Warnf("Failed to retrieve image %s from remapped registry %s: %s. Will try with the next registry, or fallback to the original registry.", moved, host, err)
	}
	if len(mapped) > 0 && p.options.SkipDefaultRegistryFallback {
		return nil, fmt.Errorf("image not found on any configured mapped registries for %s", ref)
	}
	return nil, nil
}

func (p *Puller) fromOwnRegistry(ref name.Reference) (v1.Image, error) {
	host := ref.Context().RegistryStr()
	if p.plain(host) {
		registry, err := name.NewRegistry(host, name.WeakValidation, name.Insecure)
		if err != nil {
			return nil, err
		}
		repository := ref.Context()
		repository.Registry = registry
		ref = withRepository(ref, repository)
	}
	logrus.Infof("Retrieving image %s from registry %s", ref, host)
	return p.fetch(ref, host)
}

func (p *Puller) fetch(ref name.Reference, host string) (v1.Image, error) {
	t, err := transportFor(p.options, host, true)
	if err != nil {
		logrus.Fatalf("Unable to setup transport for registry %q: %v", host, err)
	}
	platform, err := v1.ParsePlatform(p.platform)
	if err != nil {
		return nil, err
	}
	var image v1.Image
	err = retryDownload(func() error {
		var err error
		image, err = remote.Image(ref,
			remote.WithTransport(t),
			remote.WithAuthFromKeychain(keychain(p.options)),
			remote.WithPlatform(*platform))
		return err
	}, p.options.ImageDownloadRetry)
	return image, err
}

func (p *Puller) plain(host string) bool {
	return p.options.InsecurePull || p.options.InsecureRegistries.Contains(host)
}

func withRepository(ref name.Reference, repository name.Repository) name.Reference {
	switch r := ref.(type) {
	case name.Tag:
		r.Repository = repository
		return r
	case name.Digest:
		r.Repository = repository
		return r
	}
	return ref
}
