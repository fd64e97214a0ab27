package rootfs

import (
	"os"
	"path"

	"github.com/sirupsen/logrus"
)

// Remove deletes p and what is below it, unless it is ignored or holds
// something that is.
func (f *FS) Remove(p string) error {
	if f.Ignored(p) || f.HoldsIgnored(p) {
		logrus.Tracef("Not deleting %s, as it's ignored", p)
		return nil
	}
	host, err := f.Resolve(p)
	if err != nil {
		return err
	}
	return os.RemoveAll(host)
}

// Empty deletes everything of the image, as between two stages.
func (f *FS) Empty() error {
	logrus.Info("Deleting filesystem...")
	f.Contents = map[string]uint64{}
	return f.empty("/")
}

func (f *FS) empty(dir string) error {
	entries, err := os.ReadDir(f.Host(dir))
	if err != nil {
		return nil // what cannot be listed cannot be deleted; kaniko goes on, too
	}
	for _, entry := range entries {
		p := path.Join(dir, entry.Name())
		if f.Ignored(p) {
			continue
		}
		if entry.IsDir() && f.HoldsIgnored(p) {
			if err := f.empty(p); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(f.Host(p)); err != nil {
			return err
		}
	}
	return nil
}
