package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"devcluster/kaniko/internal/options"
)

func writeDigestFile(image v1.Image, path string) error {
	if path == "" {
		return nil
	}
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("error fetching digest: %w", err)
	}
	// Bare, without a newline: it is read back as a termination message.
	if err := writeTo(path, []byte(digest.String())); err != nil {
		return fmt.Errorf("writing digest to file failed: %w", err)
	}
	return nil
}

// writeNameFiles writes one name@digest line per destination. If both files
// are asked for, both get the tag: kaniko fills them from one text.
func writeNameFiles(image v1.Image, tags []name.Tag, o *options.Options) error {
	if o.ImageNameDigestFile == "" && o.ImageNameTagDigestFile == "" {
		return nil
	}
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("error fetching digest: %w", err)
	}
	var lines strings.Builder
	for _, tag := range tags {
		lines.WriteString(tag.Repository.Name())
		if o.ImageNameTagDigestFile != "" {
			lines.WriteString(":" + tag.TagStr())
		}
		lines.WriteString("@" + digest.String() + "\n")
	}
	if o.ImageNameDigestFile != "" {
		if err := writeTo(o.ImageNameDigestFile, []byte(lines.String())); err != nil {
			return fmt.Errorf("writing image name with digest to file failed: %w", err)
		}
	}
	if o.ImageNameTagDigestFile != "" {
		if err := writeTo(o.ImageNameTagDigestFile, []byte(lines.String())); err != nil {
			return fmt.Errorf("writing image name with image tag and digest to file failed: %w", err)
		}
	}
	return nil
}

// writeTo writes a file, making its directory, or PUTs to an https URL.
func writeTo(path string, content []byte) error {
	if strings.HasPrefix(path, "https://") {
		request, err := http.NewRequest(http.MethodPut, path, bytes.NewReader(content))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "text/plain")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

func writeLayout(image v1.Image, dir string) error {
	if dir == "" {
		return nil
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing empty layout: %w", err)
	}
	if err := path.AppendImage(image); err != nil {
		return fmt.Errorf("appending image: %w", err)
	}
	return nil
}

// writeBuilderOutput serves the BUILDER_OUTPUT convention, after the pushes.
func writeBuilderOutput(image v1.Image, tags []name.Tag) error {
	dir := os.Getenv("BUILDER_OUTPUT")
	if dir == "" {
		return nil
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "images"))
	if err != nil {
		return err
	}
	defer file.Close()
	encoder := json.NewEncoder(file)
	for _, tag := range tags {
		line := struct {
			Name   string `json:"name"`
			Digest string `json:"digest"`
		}{tag.String(), digest.String()}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// LoadImage reads an image from a docker-save archive or an OCI layout.
func LoadImage(path string) (v1.Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return tarball.ImageFromPath(path, nil)
	}
	return imageOfLayout(path)
}

func imageOfLayout(path string) (v1.Image, error) {
	dir, err := layout.FromPath(path)
	if err != nil {
		return nil, err
	}
	index, err := dir.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	switch len(manifest.Manifests) {
	case 0:
		return nil, errors.New("no images found in OCI layout")
	case 1:
		return dir.Image(manifest.Manifests[0].Digest)
	default:
		return nil, fmt.Errorf("expected one image, found %d", len(manifest.Manifests))
	}
}
