package build

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/options"
)

const author = "kaniko"

// withoutAnnotations is an image that does not hand its manifest's annotations
// down: they describe the base and would be lies about what is built on it.
type withoutAnnotations struct{ v1.Image }

func (w withoutAnnotations) Manifest() (*v1.Manifest, error) {
	manifest, err := w.Image.Manifest()
	if err != nil || manifest.Annotations == nil {
		return manifest, err
	}
	manifest = manifest.DeepCopy()
	manifest.Annotations = nil
	return manifest, nil
}

func isOCI(image v1.Image) (bool, error) {
	mediaType, err := image.MediaType()
	return strings.Contains(string(mediaType), types.OCIVendorPrefix), err
}

func (b *Builder) layerFormat(base v1.Image) (layer.Format, error) {
	oci, err := isOCI(base)
	if err != nil {
		return layer.Format{}, err
	}
	zstd := b.o.Compression == "zstd"
	if zstd && !oci {
		logrus.Warn("ignoring --compression=zstd, the Docker schema2 output format has no zstd layer media type, use --image-format=oci for zstd layers")
	}
	return layer.Format{OCI: oci, Zstd: zstd && oci, Level: b.o.CompressionLevel}, nil
}

// inFormat gives base with the manifest of the wanted format. Its layers keep
// their bytes.
func inFormat(base v1.Image, format options.ImageFormat) (v1.Image, error) {
	oci, err := isOCI(base)
	if err != nil || format == "" || oci == (format == "oci") {
		return base, err
	}
	manifestType, configType := types.DockerManifestSchema2, types.DockerConfigJSON
	if format == "oci" {
		manifestType, configType = types.OCIManifestSchema1, types.OCIConfigJSON
	}
	converted := mutate.ConfigMediaType(mutate.MediaType(empty.Image, manifestType), configType)
	layers, err := base.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if l, err = relabel(l, format == "oci"); err != nil {
			return nil, err
		}
		if converted, err = mutate.AppendLayers(converted, l); err != nil {
			return nil, err
		}
	}
	config, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(converted, config.DeepCopy())
}

func relabel(l v1.Layer, oci bool) (v1.Layer, error) {
	from, err := l.MediaType()
	if err != nil {
		return nil, err
	}
	to := layer.ForVendor(from, oci)
	if to == "" {
		return nil, fmt.Errorf("layer with media type %v cannot be converted to a media type of the image's format", from)
	}
	if to == from {
		return l, nil
	}
	return layer.Relabelled(l, to), nil
}

// addLayer appends a layer with its history.
func (s *stage) addLayer(l v1.Layer, st *step) error {
	l, err := relabel(l, s.format.OCI)
	if err != nil {
		return err
	}
	diffID, err := l.DiffID()
	if err != nil {
		return fmt.Errorf("checking layer diffID failed: %w", err)
	}
	// The same content twice, compressed differently, confuses the library:
	// it finds blobs by their uncompressed digest.
	if same, err := s.image.LayerByDiffID(diffID); err == nil {
		l = same
	}
	s.image, err = mutate.Append(s.image, mutate.Addendum{Layer: l, History: s.history(st, false)})
	if err != nil {
		return fmt.Errorf("failed to save layer: %w", err)
	}
	return nil
}

// addHistory notes an instruction that made no layer.
func (s *stage) addHistory(st *step) error {
	var err error
	s.image, err = mutate.Append(s.image, mutate.Addendum{History: s.history(st, true)})
	return err
}

func (s *stage) history(st *step, empty bool) v1.History {
	return v1.History{Author: author, CreatedBy: st.text, EmptyLayer: empty}
}

// setLabels applies --label, at the start of a stage.
func setLabels(config *v1.Config, labels []string) error {
	for _, label := range labels {
		key, value, found := strings.Cut(label, "=")
		if !found {
			return fmt.Errorf("labels must be of the form key=value, got %s", label)
		}
		if config.Labels == nil {
			config.Labels = map[string]string{}
		}
		config.Labels[key] = value
	}
	return nil
}

// finish gives the image of the stage.
func (s *stage) finish() (v1.Image, error) {
	s.dropInheritedCmd()
	image, err := mutate.Config(s.image, s.config.Config)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	platform, err := v1.ParsePlatform(s.o.CustomPlatform)
	if err != nil {
		return nil, fmt.Errorf("invalid platform %q: %w", s.o.CustomPlatform, err)
	}
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Variant, config.OSVersion = platform.Variant, platform.OSVersion
	if s.plan.Push {
		config.Created = v1.Time{Time: time.Now()}
	}
	if s.o.Reproducible {
		stripTimes(config)
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	if s.plan.Push && len(s.o.Annotations) > 0 {
		image = mutate.Annotations(image, s.o.Annotations).(v1.Image)
	}
	return image, nil
}

// dropInheritedCmd: a stage that sets ENTRYPOINT but not CMD does not want the
// CMD of its base.
func (s *stage) dropInheritedCmd() {
	entrypoint, cmd := false, false
	for _, command := range s.plan.Commands {
		entrypoint = entrypoint || command.Name() == "ENTRYPOINT" || command.Name() == "entrypoint"
		cmd = cmd || command.Name() == "CMD" || command.Name() == "cmd"
	}
	if entrypoint && !cmd {
		s.config.Config.Cmd = nil
	}
}

// stripTimes removes from the config what differs between two equal builds.
// The layers of the base are left as they are: the same base is the same.
func stripTimes(config *v1.ConfigFile) {
	config.Created = v1.Time{}
	config.Container = ""
	config.DockerVersion = ""
	config.Config.Hostname = ""
	for i := range config.History {
		config.History[i].Created = v1.Time{}
	}
}
