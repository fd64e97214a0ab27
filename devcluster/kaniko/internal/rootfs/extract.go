package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devcluster/kaniko/internal/layer"
)

const (
	whiteoutPrefix = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
)

// ExtractImage unpacks all layers of image, streaming each.
func (f *FS) ExtractImage(image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if _, err := f.ExtractLayer(l); err != nil {
			return err
		}
	}
	return nil
}

// ExtractLayer unpacks one layer and gives the paths it wrote.
func (f *FS) ExtractLayer(l v1.Layer) ([]string, error) {
	stream, err := layer.Open(l)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	written, err := f.extract(tar.NewReader(stream), "/")
	if err != nil {
		return nil, err
	}
	// Read to the end: only there does the library compare the digest.
	_, err = io.Copy(io.Discard, stream)
	return written, err
}

// ExtractArchive unpacks a tar stream below dir, as ADD does: a whiteout is a
// file like any other there. With skipRoot the entry of dir itself is left out.
func (f *FS) ExtractArchive(stream io.Reader, dir string, skipRoot bool) ([]string, error) {
	archive := tar.NewReader(stream)
	var written []string
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return written, nil
		}
		if err != nil {
			return nil, err
		}
		p, err := entryPath(header.Name, dir)
		if err != nil {
			return nil, err
		}
		if skipRoot && path.Clean(header.Name) == "." {
			continue
		}
		if err := f.extractEntry(p, dir, header, archive); err != nil {
			return nil, err
		}
		written = append(written, p)
	}
}

func (f *FS) extract(archive *tar.Reader, dir string) ([]string, error) {
	var written []string
	inLayer := map[string]bool{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return written, nil
		}
		if err != nil {
			return nil, fmt.Errorf("error reading tar: %w", err)
		}
		p, err := entryPath(header.Name, dir)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(path.Base(p), whiteoutPrefix) {
			if err := f.applyWhiteout(p, inLayer); err != nil {
				return nil, fmt.Errorf("removing whiteout %s: %w", header.Name, err)
			}
			continue
		}
		if err := f.extractEntry(p, dir, header, archive); err != nil {
			return nil, err
		}
		inLayer[p] = true
		written = append(written, p)
	}
}

func entryPath(name, dir string) (string, error) {
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("tar entry %q is not allowed: references parent directory", name)
	}
	return path.Join(dir, clean), nil
}

// applyWhiteout deletes what a whiteout names. An opaque one empties its
// directory of everything that came with the layers below this one.
func (f *FS) applyWhiteout(p string, inLayer map[string]bool) error {
	dir, base := path.Split(p)
	dir = path.Clean(dir)
	if base != opaqueWhiteout {
		return f.Remove(path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)))
	}
	host, err := f.Follow(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(host)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		child := path.Join(dir, entry.Name())
		if inLayer[child] {
			continue
		}
		if err := f.Remove(child); err != nil {
			return err
		}
	}
	return nil
}

func (f *FS) extractEntry(p, dir string, header *tar.Header, content io.Reader) error {
	if f.Ignored(p) {
		return nil
	}
	host, err := f.Resolve(p)
	if err != nil {
		return fmt.Errorf("resolving path for %q: %w", header.Name, err)
	}
	if header.Typeflag == tar.TypeDir {
		return f.extractDir(p, host, header)
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink:
	default:
		return nil // devices and fifos: left out by kaniko, too
	}
	if f.HoldsIgnored(p) {
		return nil // a mount lies below: it cannot make way
	}
	if err := os.MkdirAll(filepath.Dir(host), 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(host); err == nil {
		if err := os.RemoveAll(host); err != nil {
			return fmt.Errorf("error removing %s to make way for new file: %w", host, err)
		}
	}
	delete(f.Contents, p)
	switch header.Typeflag {
	case tar.TypeLink:
		return f.extractHardlink(host, dir, header)
	case tar.TypeSymlink:
		if err := os.Symlink(header.Linkname, host); err != nil {
			return err
		}
		if header.Uid == os.Geteuid() && header.Gid == os.Getegid() {
			return nil
		}
		return os.Lchown(host, header.Uid, header.Gid)
	}
	return f.extractFile(p, host, header, content)
}

func (f *FS) extractDir(p, host string, header *tar.Header) error {
	if info, err := os.Lstat(host); err == nil && !info.IsDir() {
		if f.HoldsIgnored(p) {
			return nil
		}
		if err := os.Remove(host); err != nil {
			return fmt.Errorf("error removing %s to make way for new directory: %w", host, err)
		}
	}
	if err := os.MkdirAll(host, 0o755); err != nil {
		return err
	}
	if err := os.Chown(host, header.Uid, header.Gid); err != nil {
		return err
	}
	return os.Chmod(host, header.FileInfo().Mode())
}

func (f *FS) extractHardlink(host, dir string, header *tar.Header) error {
	target, err := entryPath(header.Linkname, dir)
	if err != nil {
		return fmt.Errorf("hardlink target %q is not allowed: references parent directory", header.Linkname)
	}
	if f.Ignored(target) {
		return nil
	}
	from, err := f.Resolve(target)
	if err != nil {
		return fmt.Errorf("invalid hardlink target %q: %w", header.Linkname, err)
	}
	return os.Link(from, host)
}

func (f *FS) extractFile(p, host string, header *tar.Header, content io.Reader) error {
	file, err := os.OpenFile(host, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	h := f.Hash()
	_, err = io.Copy(io.MultiWriter(file, h), content)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	f.Contents[p] = h.Sum64()
	// Owner first: changing it clears the set-user-ID bit.
	if err := os.Chown(host, header.Uid, header.Gid); err != nil {
		return err
	}
	if err := os.Chmod(host, header.FileInfo().Mode()); err != nil {
		return err
	}
	if capability := header.PAXRecords[CapabilityRecord]; capability != "" {
		if err := setCapability(host, []byte(capability)); err != nil {
			return err
		}
	}
	return os.Chtimes(host, header.ModTime, header.ModTime)
}
