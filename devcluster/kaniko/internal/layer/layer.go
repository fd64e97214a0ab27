// Package layer writes image layers to files and serves them from there, so
// that no layer is ever held in memory.
package layer

import (
	"bufio"
	"bytes"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// File is a compressed layer on disk. It is a v1.Layer.
type File struct {
	path      string
	digest    v1.Hash
	diffID    v1.Hash
	size      int64
	mediaType types.MediaType
}

func (f *File) Digest() (v1.Hash, error)             { return f.digest, nil }
func (f *File) DiffID() (v1.Hash, error)             { return f.diffID, nil }
func (f *File) Size() (int64, error)                 { return f.size, nil }
func (f *File) MediaType() (types.MediaType, error)  { return f.mediaType, nil }
func (f *File) Compressed() (io.ReadCloser, error)   { return os.Open(f.path) }
func (f *File) Uncompressed() (io.ReadCloser, error) { return Open(f) }

// Relabelled is layer with another media type, its bytes untouched. Docker and
// OCI layers differ in nothing else.
func Relabelled(layer v1.Layer, mediaType types.MediaType) v1.Layer {
	return relabelled{layer, mediaType}
}

type relabelled struct {
	v1.Layer
	mediaType types.MediaType
}

func (r relabelled) MediaType() (types.MediaType, error) { return r.mediaType, nil }

// ForVendor gives the media type that mediaType has in an OCI or in a Docker
// manifest, empty if there is none.
func ForVendor(mediaType types.MediaType, oci bool) types.MediaType {
	toOCI := map[types.MediaType]types.MediaType{
		types.DockerLayer:             types.OCILayer,
		types.DockerUncompressedLayer: types.OCIUncompressedLayer,
		types.DockerForeignLayer:      types.OCIRestrictedLayer,
	}
	toDocker := map[types.MediaType]types.MediaType{
		types.OCILayer:             types.DockerLayer,
		types.OCIUncompressedLayer: types.DockerUncompressedLayer,
		types.OCIRestrictedLayer:   types.DockerForeignLayer,
	}
	if oci {
		if to, found := toOCI[mediaType]; found {
			return to
		}
		return mediaType
	}
	if to, found := toDocker[mediaType]; found {
		return to
	}
	if mediaType == types.OCILayerZStd {
		return "" // Docker's manifest has no zstd layers
	}
	return mediaType
}

// Open streams the tar archive in a layer, whatever its compression. The
// library's own way uses the slower decompressor, which counts on a container
// with a fraction of a CPU.
func Open(layer v1.Layer) (io.ReadCloser, error) {
	raw, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	stream, err := Decompress(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return stream, nil
}

// Decompress recognises gzip and zstd by their first bytes and passes anything
// else through.
func Decompress(raw io.ReadCloser) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(raw, 64<<10)
	magic, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		return &stream{unzip, func() { unzip.Close() }, raw}, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return &stream{unzip, unzip.Close, raw}, nil
	}
	return &stream{buffered, func() {}, raw}, nil
}

type stream struct {
	io.Reader
	finish func()
	raw    io.Closer
}

func (s *stream) Close() error {
	s.finish()
	return s.raw.Close()
}
