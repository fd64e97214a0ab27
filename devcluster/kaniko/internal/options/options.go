// Package options holds what the command line and the environment decided, in
// the form in which the other packages read it.
package options

import "time"

// DefaultKanikoDir is where the executor keeps its own files.
const DefaultKanikoDir = "/kaniko"

// Registry is everything about talking to registries. It is a part of its own
// because the push subcommand takes these flags and no others.
type Registry struct {
	Maps                        KeyMulti
	Mirrors                     Multi
	SkipDefaultRegistryFallback bool

	Insecure           bool
	InsecurePull       bool
	InsecureRegistries Multi

	SkipTLSVerify           bool
	SkipTLSVerifyPull       bool
	SkipTLSVerifyRegistries Multi

	Certificates       KeyValue
	ClientCertificates KeyValue
	CredentialHelpers  Multi

	PushRetry                    int
	ImageDownloadRetry           int
	PushIgnoreImmutableTagErrors bool
}

// Options is one call of the executor.
type Options struct {
	Registry
	Switches

	// Root is "/" except in tests, which build in a directory.
	Root      string
	KanikoDir string

	Dockerfile     string
	Context        string
	ContextSubPath string
	Bucket         string
	Destinations   Multi
	BuildArgs      Multi
	Labels         Multi
	Annotations    KeyValue
	Secrets        Secrets
	Targets        []string
	CustomPlatform string

	SnapshotMode    string
	SingleSnapshot  bool
	Reproducible    bool
	IgnorePaths     Multi
	IgnoreVarRun    bool
	Cleanup         bool
	PreCleanup      bool
	Materialize     bool
	Force           bool
	FSExtractRetry  int
	SkipPermissions bool

	Cache           bool
	CacheRepo       string
	CacheTTL        time.Duration
	CacheCopyLayers bool
	CacheRunLayers  bool
	NoPushCache     bool

	Compression      Compression
	CompressionLevel int
	ImageFormat      ImageFormat

	NoPush                 bool
	TarPath                string
	OCILayoutPath          string
	DigestFile             string
	ImageNameDigestFile    string
	ImageNameTagDigestFile string

	Verbosity    string
	LogFormat    string
	LogTimestamp bool

	// Spellings of older releases, which still win over the new ones.
	OldSnapshotMode       string
	OldCustomPlatform     string
	OldForceBuildMetadata bool
}

// New gives options whose maps can be written to.
func New() *Options {
	return &Options{
		Root:        "/",
		KanikoDir:   DefaultKanikoDir,
		Annotations: KeyValue{},
		Secrets:     Secrets{},
		Registry: Registry{
			Maps:               KeyMulti{},
			Certificates:       KeyValue{},
			ClientCertificates: KeyValue{},
		},
	}
}
