package build

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/rootfs"
)

// cacheKey is the chain of all that a layer depends on: the base's digest,
// then each instruction with its variables and files.
type cacheKey struct{ parts []string }

func (k *cacheKey) add(parts ...string) { k.parts = append(k.parts, parts...) }

func (k *cacheKey) clone() *cacheKey { return &cacheKey{slices.Clone(k.parts)} }

// hash frames each part by its length, so that no two chains read alike.
func (k *cacheKey) hash() string {
	h := sha256.New()
	for _, part := range k.parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// addFiles adds the content, mode and owner of path and of all below it that
// the context does not exclude. Times do not count: a fresh clone has new ones.
func (k *cacheKey) addFiles(c rootfs.Context, path string) error {
	return c.Walk(path, func(p string, info fs.FileInfo) error {
		relative, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		k.add(relative, fmt.Sprintf("%s %d %d", info.Mode(), st.Uid, st.Gid))
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			k.add(target)
		case info.Mode().IsRegular():
			sum, err := contentHash(p)
			if err != nil {
				return err
			}
			k.add(sum)
		}
		return nil
	})
}

func contentHash(path string) (string, error) {
	file, err := rootfs.OpenNoAtime(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// planCache walks the instructions once without the file system, computes
// their keys and asks the cache for layers. The first miss ends the asking for
// this stage, as with kaniko: what follows is built anyway.
func (s *stage) planCache() (*cacheKey, error) {
	if !s.o.Cache {
		return nil, nil
	}
	key, err := s.firstKey()
	if err != nil {
		return nil, err
	}
	rehearsal := &stage{Builder: s.Builder, plan: s.plan, config: s.config.DeepCopy(), args: s.args.Clone(), rehearsal: true}
	missed := false
	for _, st := range s.steps {
		if err := rehearsal.addStep(key, st); err != nil {
			return nil, err
		}
		st.key = key.hash()
		logrus.Debugf("Optimize: cache key for command %v %v", st.text, st.key)
		if st.cacheable && !missed {
			image, err := s.cache.Lookup(st.key)
			if err != nil {
				logrus.Debugf("Failed to retrieve layer: %s", err)
				logrus.Infof("No cached layer found for cmd %s", st.text)
				missed = true
			} else {
				logrus.Infof("Using caching version of cmd: %s", st.text)
				st.cached = image
			}
		}
		if st.metadata {
			if _, err := st.execute(rehearsal); err != nil {
				return nil, err
			}
		} else if st.configPart != nil {
			if err := st.configPart(rehearsal); err != nil {
				return nil, err
			}
		}
	}
	return key, nil
}

func (s *stage) firstKey() (*cacheKey, error) {
	if base := s.plan.BaseIndex; base >= 0 && s.done[base].key != nil {
		return s.done[base].key.clone(), nil
	}
	digest, err := s.image.Digest()
	if err != nil {
		return nil, err
	}
	key := &cacheKey{}
	key.add(digest.String())
	if s.o.Reproducible {
		key.add("reproducible") // its layers have other times
	}
	return key, nil
}

// addStep adds one instruction to the chain. s is the rehearsing stage.
func (s *stage) addStep(key *cacheKey, st *step) error {
	if st.usesEnv {
		env := s.args.KeyEnv(s.config.Config.Env)
		key.add(fmt.Sprintf("|%d", len(env)))
		key.add(env...)
	}
	text := st.text
	if st.keyText != nil {
		var err error
		if text, err = st.keyText(s); err != nil {
			return fmt.Errorf("resolving cache key: %w", err)
		}
	}
	key.add(text)
	if st.sources == nil {
		return nil
	}
	files, err := st.sources(s)
	if err != nil {
		return fmt.Errorf("failed to get files used from context: %w", err)
	}
	for _, file := range files {
		if err := key.addFiles(st.from, file); err != nil {
			return err
		}
	}
	return nil
}
