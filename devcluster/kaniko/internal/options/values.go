package options

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Multi is a flag that may be repeated. A comma has no meaning in it.
type Multi []string

func (m *Multi) String() string     { return strings.Join(*m, ",") }
func (m *Multi) Set(v string) error { *m = append(*m, v); return nil }
func (m *Multi) Type() string       { return "multi-arg type" }

// Contains says whether v was given.
func (m Multi) Contains(v string) bool { return slices.Contains(m, v) }

// KeyValue is a repeatable key=value flag; the last value of a key wins.
type KeyValue map[string]string

func (k *KeyValue) String() string {
	var parts []string
	for key, v := range *k {
		parts = append(parts, key+"="+v)
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

func (k *KeyValue) Set(v string) error {
	key, value, found := strings.Cut(v, "=")
	if !found {
		return fmt.Errorf("invalid argument value. expect key=value, got %s", v)
	}
	(*k)[key] = value
	return nil
}

func (k *KeyValue) Type() string { return "key-value-arg type" }

// KeyMulti is "a=b;a=c;d=e": several values for one key, in order.
type KeyMulti map[string][]string

func (k *KeyMulti) String() string {
	var parts []string
	for key, values := range *k {
		for _, v := range values {
			parts = append(parts, key+"="+v)
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, ";")
}

func (k *KeyMulti) Set(v string) error {
	if v == "" {
		return nil
	}
	for pair := range strings.SplitSeq(v, ";") {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("invalid argument value. expect key=value, got %s", pair)
		}
		(*k)[key] = append((*k)[key], value)
	}
	return nil
}

func (k *KeyMulti) Type() string { return "key-multi-value-arg type" }

// Compression is the compression of layers written by this build.
type Compression string

func (c *Compression) String() string { return string(*c) }
func (c *Compression) Type() string   { return "compression" }

func (c *Compression) Set(v string) error {
	if v != "gzip" && v != "zstd" {
		return errors.New(`must be either "gzip" or "zstd"`)
	}
	*c = Compression(v)
	return nil
}

// ImageFormat forces the manifest format; empty inherits the base image's.
type ImageFormat string

func (f *ImageFormat) String() string { return string(*f) }
func (f *ImageFormat) Type() string   { return "image-format" }

func (f *ImageFormat) Set(v string) error {
	if v != "docker" && v != "oci" {
		return errors.New(`must be either "docker" or "oci"`)
	}
	*f = ImageFormat(v)
	return nil
}

// Git takes and checks the git options. No git context is fetched by this
// double, so nothing is kept.
type Git struct{}

func (g *Git) String() string {
	return "branch=,single-branch=false,depth=0,recurse-submodules=false,insecure-skip-tls=false"
}

func (g *Git) Type() string { return "gitoptions" }

func (g *Git) Set(v string) error {
	key, value, found := strings.Cut(v, "=")
	if !found {
		return fmt.Errorf("invalid git flag, must be in the key=value format: %s", v)
	}
	var err error
	switch key {
	case "single-branch", "recurse-submodules", "insecure-skip-tls":
		_, err = strconv.ParseBool(value)
	case "depth":
		_, err = strconv.Atoi(value)
	}
	return err
}
