package rootfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CapabilityRecord is where a tar header keeps a file's capabilities.
const CapabilityRecord = "SCHILY.xattr.security.capability"

const capabilityXattr = "security.capability"

// OpenNoAtime opens a file to read without touching its access time. The
// kernel allows that to the owner and to CAP_FOWNER only, so it fails with
// "operation not permitted" on somebody else's file: kaniko's behaviour, and
// why the context of a non-root build must belong to its user.
func OpenNoAtime(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOATIME, 0)
}

// Ownership says to whom copies belong; -1 keeps the original's owner.
type Ownership struct{ UID, GID int }

// Keep leaves the owner as it is.
var Keep = Ownership{-1, -1}

// Over fills in what is kept from the original.
func (o Ownership) Over(info fs.FileInfo) Ownership {
	stat := info.Sys().(*syscall.Stat_t)
	if o.UID < 0 {
		o.UID = int(stat.Uid)
	}
	if o.GID < 0 {
		o.GID = int(stat.Gid)
	}
	return o
}

// MakeDirs creates path and its missing parents with mode and owner, and
// leaves what exists as it is.
func MakeDirs(path string, mode fs.FileMode, owner Ownership) error {
	return MakeDirsBelow(path, mode, 0o755, owner)
}

// MakeDirsBelow is MakeDirs with a mode of their own for the missing parents.
func MakeDirsBelow(path string, mode, parentMode fs.FileMode, owner Ownership) error {
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return nil
		}
		// A file stands where a directory is wanted: the directory wins.
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("error removing %s to make way for new directory: %w", path, err)
		}
	}
	if parent := filepath.Dir(path); parent != path {
		if err := MakeDirsBelow(parent, parentMode, parentMode, owner); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	if err := chown(path, owner); err != nil {
		return err
	}
	return os.Chmod(path, mode) // after mkdir, for the umask
}

func chown(path string, owner Ownership) error {
	if owner.UID < 0 && owner.GID < 0 {
		return nil
	}
	return os.Lchown(path, owner.UID, owner.GID)
}

// WriteFile writes content to path, over whatever is there.
func WriteFile(path string, content io.Reader, mode fs.FileMode, owner Ownership) error {
	if err := MakeDirs(filepath.Dir(path), 0o755, owner); err != nil {
		return fmt.Errorf("creating parent dir: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("creating file: %w", err)
	}
	_, err = io.Copy(file, content)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("copying file: %w", err)
	}
	if err := chown(path, owner); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// CopyFile copies a regular file with its times and capabilities; a nil mode
// keeps the original's.
func CopyFile(from, to string, mode *fs.FileMode, owner Ownership) error {
	if err := copyPlain(from, to, mode, owner); err != nil {
		return err
	}
	if capability := Capability(from); len(capability) > 0 {
		return setCapability(to, capability)
	}
	return nil
}

// copyPlain is CopyFile without the capabilities.
func copyPlain(from, to string, mode *fs.FileMode, owner Ownership) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	source, err := OpenNoAtime(from)
	if err != nil {
		return err
	}
	defer source.Close()
	m := info.Mode()
	if mode != nil {
		m = *mode
	}
	if err := WriteFile(to, source, m, owner.Over(info)); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// CopySymlink makes the same link at to.
func CopySymlink(from, to string, owner Ownership) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := MakeDirs(filepath.Dir(to), 0o755, owner); err != nil {
		return err
	}
	return os.Symlink(target, to)
}

// CopyTree copies a file, a link or a directory as it is: owners, modes,
// times. Directories get their times last, when nothing is put in any more.
// File capabilities are lost, as they are with the library that kaniko uses.
func CopyTree(from, to string) error {
	type stamp struct {
		path string
		info fs.FileInfo
	}
	var directories []stamp
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			directories = append(directories, stamp{target, info})
			return MakeDirs(target, info.Mode(), Keep.Over(info))
		case info.Mode()&fs.ModeSymlink != 0:
			return CopySymlink(path, target, Keep)
		case info.Mode().IsRegular():
			return copyPlain(path, target, nil, Keep)
		}
		return nil
	})
	for i := len(directories) - 1; i >= 0 && err == nil; i-- {
		modified := directories[i].info.ModTime()
		err = os.Chtimes(directories[i].path, modified, modified)
	}
	return err
}

// CopyContent copies a file into the executor's own directory.
func CopyContent(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	source, err := OpenNoAtime(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return WriteFile(to, source, info.Mode(), Keep)
}

// Capability gives the file capabilities of path, nil if it has none.
func Capability(path string) []byte {
	buffer := make([]byte, 128)
	n, err := unix.Lgetxattr(path, capabilityXattr, buffer)
	if err != nil || n <= 0 {
		return nil
	}
	return buffer[:n]
}

func setCapability(path string, value []byte) error {
	err := unix.Lsetxattr(path, capabilityXattr, value, 0)
	if err == unix.ENOTSUP {
		return nil // a file system without extended attributes
	}
	return err
}
