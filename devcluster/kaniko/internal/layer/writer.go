package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Format says how new layers are written.
type Format struct {
	OCI   bool
	Zstd  bool // OCI only
	Level int  // of gzip, or of zstd; below 1 for the default
}

// Writer takes the tar archive of a layer and, in one pass, compresses it to a
// file and computes both digests.
type Writer struct {
	format   Format
	file     *os.File
	compress io.WriteCloser
	diffID   hash.Hash
	digest   hash.Hash
	size     int64
}

// NewWriter begins a layer in dir.
func NewWriter(dir string, format Format) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return nil, err
	}
	w := &Writer{format: format, file: file, diffID: sha256.New(), digest: sha256.New()}
	if w.compress, err = w.compressor(); err != nil {
		file.Close()
		return nil, err
	}
	return w, nil
}

func (w *Writer) compressor() (io.WriteCloser, error) {
	if w.format.OCI && w.format.Zstd {
		level := zstd.SpeedDefault
		if w.format.Level > 0 {
			level = zstd.EncoderLevelFromZstd(w.format.Level)
		}
		// One goroutine: the same input must give the same bytes.
		return zstd.NewWriter(sink{w}, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
	}
	level := gzip.BestSpeed
	if w.format.Level > 0 {
		level = w.format.Level
	}
	return gzip.NewWriterLevel(sink{w}, level)
}

// sink is the far side of the compressor.
type sink struct{ w *Writer }

func (s sink) Write(p []byte) (int, error) {
	s.w.digest.Write(p)
	s.w.size += int64(len(p))
	return s.w.file.Write(p)
}

func (w *Writer) Write(p []byte) (int, error) {
	w.diffID.Write(p)
	return w.compress.Write(p)
}

// Finish completes the layer.
func (w *Writer) Finish() (*File, error) {
	if err := w.compress.Close(); err != nil {
		w.Abort()
		return nil, err
	}
	if err := w.file.Close(); err != nil {
		return nil, err
	}
	mediaType := types.DockerLayer
	if w.format.OCI {
		mediaType = types.OCILayer
		if w.format.Zstd {
			mediaType = types.OCILayerZStd
		}
	}
	return &File{
		path:      w.file.Name(),
		digest:    sum(w.digest),
		diffID:    sum(w.diffID),
		size:      w.size,
		mediaType: mediaType,
	}, nil
}

// Abort throws the unfinished layer away.
func (w *Writer) Abort() {
	w.file.Close()
	os.Remove(w.file.Name())
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
