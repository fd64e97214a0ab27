package snapshot

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"devcluster/kaniko/internal/layer"
	"devcluster/kaniko/internal/rootfs"
)

// archive is a layer being written.
type archive struct {
	s     *Snapshotter
	tar   *tar.Writer
	added map[string]bool
	links map[inode]string
}

type inode struct{ dev, ino uint64 }

// write makes a layer of whiteouts and files, sorted, each path after its
// parents. A layer without entries is a layer, too, as with kaniko.
func (s *Snapshotter) write(files, deleted []string, format layer.Format) (*layer.File, error) {
	w, err := layer.NewWriter(s.layerDir, format)
	if err != nil {
		return nil, err
	}
	a := &archive{s: s, tar: tar.NewWriter(w), added: map[string]bool{"/": true}, links: map[inode]string{}}
	if err := a.addAll(files, deleted); err != nil {
		w.Abort()
		return nil, err
	}
	if err := a.tar.Close(); err != nil {
		w.Abort()
		return nil, err
	}
	return w.Finish()
}

func (a *archive) addAll(files, deleted []string) error {
	slices.Sort(deleted)
	for _, p := range deleted {
		if err := a.addParents(p); err != nil {
			return err
		}
		if err := a.addWhiteout(p); err != nil {
			return err
		}
	}
	slices.Sort(files)
	for _, p := range files {
		if err := a.addParents(p); err != nil {
			return err
		}
		if err := a.add(p); err != nil {
			return err
		}
	}
	return nil
}

// addParents writes the directories on the way to p, so that an unpacker gives
// them the right owner and mode.
func (a *archive) addParents(p string) error {
	if parent := path.Dir(p); !a.added[parent] {
		if err := a.addParents(parent); err != nil {
			return err
		}
		return a.add(parent)
	}
	return nil
}

func (a *archive) addWhiteout(p string) error {
	return a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(path.Join(path.Dir(p), ".wh."+path.Base(p)), "/"),
		ModTime:  time.Unix(0, 0),
	})
}

func (a *archive) add(p string) error {
	if a.added[p] {
		return nil
	}
	a.added[p] = true
	host := a.s.fs.Host(p)
	info, err := os.Lstat(host)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return nil // no archive can hold a socket
	}
	// Remember what was written, or the next full walk would write it again.
	if a.s.seen != nil {
		if a.s.seen[p], err = a.s.stat(host); err != nil {
			return err
		}
	}
	header, err := a.header(p, host, info)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || header.Typeflag == tar.TypeLink {
		return a.tar.WriteHeader(header)
	}
	return a.writeFile(p, host, header)
}

func (a *archive) header(p, host string, info fs.FileInfo) (*tar.Header, error) {
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(host); err != nil {
			return nil, err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil, err
	}
	header.Name = strings.TrimPrefix(p, "/")
	if info.IsDir() {
		header.Name += "/"
	}
	// Names are this process's idea of the numbers, not the image's.
	header.Uname, header.Gname = "", ""
	if a.s.stripTimes {
		header.ModTime, header.AccessTime, header.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
	}
	st := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() {
		return header, nil
	}
	if st.Nlink > 1 {
		id := inode{uint64(st.Dev), st.Ino}
		if first, known := a.links[id]; known {
			header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
			return header, nil
		}
		a.links[id] = p
		if a.s.RelativeLinks {
			a.links[id] = header.Name
		}
	}
	if capability := rootfs.Capability(host); len(capability) > 0 {
		header.PAXRecords = map[string]string{rootfs.CapabilityRecord: string(capability)}
	}
	return header, nil
}

func (a *archive) writeFile(p, host string, header *tar.Header) error {
	file, err := rootfs.OpenNoAtime(host)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	h := a.s.fs.Hash()
	// A file that a leftover process makes longer meanwhile is cut where its
	// header says it ends.
	_, err = io.Copy(io.MultiWriter(a.tar, h), io.LimitReader(file, header.Size))
	a.s.fs.Contents[p] = h.Sum64()
	return err
}
