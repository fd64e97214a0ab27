package cli

import "devcluster/kaniko/internal/options"

// kind is the type of a flag's value.
type kind int

const (
	kindString kind = iota
	kindBool
	kindInt
	kindDuration
	kindList     // comma list
	kindMulti    // repeatable, commas are data
	kindKeyValue // repeatable key=value
	kindOther    // a type of its own, made by field or, without effect, by sink
)

// effect is what this double does with a flag.
type effect int

const (
	honoured effect = iota
	noEffect        // accepted as kaniko accepts it, nothing follows from it
	refused         // accepted by the parser, then an error: silence would mislead
)

// flagRow is one flag of the executor.
type flagRow struct {
	name, short string
	kind        kind
	def         string
	effect      effect
	registry    bool // also a flag of the push subcommand
	hidden      bool
	deprecated  string // message kaniko prints through cobra
	usage       string
	field       func(*options.Options) any
}

// flagTable lists every flag of the executor, v1.28.3 and later, in the order
// of the project's facts (shared/facts/step-and-kaniko.md §4).
var flagTable = []flagRow{
	// What is built.
	{name: "dockerfile", short: "f", def: "Dockerfile", usage: "Dockerfile, relative to the working directory or the context.", field: func(o *options.Options) any { return &o.Dockerfile }},
	{name: "context", short: "c", def: "/workspace/", usage: "Build context: a directory, with or without dir://.", field: func(o *options.Options) any { return &o.Context }},
	{name: "context-sub-path", usage: "Directory within a scheme:// context.", field: func(o *options.Options) any { return &o.ContextSubPath }},
	{name: "destination", short: "d", kind: kindMulti, usage: "Image to push; repeatable.", field: func(o *options.Options) any { return &o.Destinations }},
	{name: "build-arg", kind: kindMulti, usage: "NAME=value, or NAME to take it from the environment; repeatable.", field: func(o *options.Options) any { return &o.BuildArgs }},
	{name: "target", kind: kindList, usage: "Stages to build; the first is pushed.", field: func(o *options.Options) any { return &o.Targets }},
	{name: "label", kind: kindMulti, usage: "Image label key=value; repeatable.", field: func(o *options.Options) any { return &o.Labels }},
	{name: "annotation", kind: kindKeyValue, usage: "Manifest annotation key=value; repeatable.", field: func(o *options.Options) any { return &o.Annotations }},
	{name: "secret", kind: kindOther, usage: "Build secret for RUN --mount=type=secret; repeatable.", field: func(o *options.Options) any { return &o.Secrets }},
	{name: "custom-platform", usage: "Platform of base images and of the result.", field: func(o *options.Options) any { return &o.CustomPlatform }},
	{name: "git", kind: kindOther, effect: noEffect, usage: "Options of git contexts.", field: func(*options.Options) any { return &options.Git{} }},
	{name: "bucket", short: "b", effect: refused, hidden: true, usage: "Bucket of the context.", field: func(o *options.Options) any { return &o.Bucket }},

	// How changes are found.
	{name: "snapshot-mode", def: "full", usage: "full, redo or time.", field: func(o *options.Options) any { return &o.SnapshotMode }},
	{name: "single-snapshot", kind: kindBool, def: "false", usage: "One snapshot at the end of a stage.", field: func(o *options.Options) any { return &o.SingleSnapshot }},
	{name: "reproducible", kind: kindBool, def: "false", usage: "Strip timestamps.", field: func(o *options.Options) any { return &o.Reproducible }},
	{name: "use-new-run", kind: kindBool, def: "false", effect: noEffect, usage: "Find changes of RUN by a marker file."},
	{name: "ignore-path", kind: kindMulti, usage: "Path left out of snapshots; repeatable.", field: func(o *options.Options) any { return &o.IgnorePaths }},
	{name: "ignore-var-run", kind: kindBool, def: "true", usage: "Leave /var/run out of the image.", field: func(o *options.Options) any { return &o.IgnoreVarRun }},

	// Layer cache.
	{name: "cache", kind: kindBool, def: "false", usage: "Use the layer cache.", field: func(o *options.Options) any { return &o.Cache }},
	{name: "cache-repo", usage: "Repository of the layer cache, or oci:<path>.", field: func(o *options.Options) any { return &o.CacheRepo }},
	{name: "cache-dir", def: "/cache", effect: noEffect, usage: "Base image cache filled by the warmer."},
	{name: "cache-ttl", kind: kindDuration, def: "336h", usage: "Age at which a cached layer is not used any more.", field: func(o *options.Options) any { return &o.CacheTTL }},
	{name: "cache-copy-layers", kind: kindBool, def: "false", usage: "Cache COPY and ADD.", field: func(o *options.Options) any { return &o.CacheCopyLayers }},
	{name: "cache-run-layers", kind: kindBool, def: "true", usage: "Cache RUN.", field: func(o *options.Options) any { return &o.CacheRunLayers }},
	{name: "compressed-caching", kind: kindBool, def: "true", effect: noEffect, usage: "Keep compressed layers in memory."},
	{name: "no-push-cache", kind: kindBool, def: "false", usage: "Do not push cache layers.", field: func(o *options.Options) any { return &o.NoPushCache }},

	// What comes out.
	{name: "compression", kind: kindOther, usage: "gzip or zstd.", field: func(o *options.Options) any { return &o.Compression }},
	{name: "compression-level", kind: kindInt, def: "-1", usage: "Compression level.", field: func(o *options.Options) any { return &o.CompressionLevel }},
	{name: "image-format", kind: kindOther, usage: "docker or oci; default is the base image's.", field: func(o *options.Options) any { return &o.ImageFormat }},
	{name: "no-push", kind: kindBool, def: "false", usage: "Build only.", field: func(o *options.Options) any { return &o.NoPush }},
	{name: "tar-path", usage: "Write a docker-save archive.", field: func(o *options.Options) any { return &o.TarPath }},
	{name: "oci-layout-path", usage: "Write an OCI image layout.", field: func(o *options.Options) any { return &o.OCILayoutPath }},
	{name: "digest-file", usage: "File, or https URL, for the digest.", field: func(o *options.Options) any { return &o.DigestFile }},
	{name: "image-name-with-digest-file", usage: "File for name@digest.", field: func(o *options.Options) any { return &o.ImageNameDigestFile }},
	{name: "image-name-tag-with-digest-file", usage: "File for name:tag@digest.", field: func(o *options.Options) any { return &o.ImageNameTagDigestFile }},

	// Registries.
	{name: "push-retry", kind: kindInt, def: "0", registry: true, usage: "Retries of a push.", field: func(o *options.Options) any { return &o.PushRetry }},
	{name: "push-ignore-immutable-tag-errors", kind: kindBool, def: "false", registry: true, usage: "Known immutable-tag errors count as success.", field: func(o *options.Options) any { return &o.PushIgnoreImmutableTagErrors }},
	{name: "image-download-retry", kind: kindInt, def: "0", registry: true, usage: "Retries of an image download.", field: func(o *options.Options) any { return &o.ImageDownloadRetry }},
	{name: "image-fs-extract-retry", kind: kindInt, def: "0", usage: "Retries of unpacking an image.", field: func(o *options.Options) any { return &o.FSExtractRetry }},
	{name: "skip-push-permission-check", kind: kindBool, def: "false", registry: true, usage: "Do not probe the destinations first.", field: func(o *options.Options) any { return &o.SkipPermissions }},
	{name: "insecure", kind: kindBool, def: "false", registry: true, usage: "Push over plain HTTP.", field: func(o *options.Options) any { return &o.Insecure }},
	{name: "insecure-pull", kind: kindBool, def: "false", registry: true, usage: "Pull over plain HTTP.", field: func(o *options.Options) any { return &o.InsecurePull }},
	{name: "insecure-registry", kind: kindMulti, registry: true, usage: "Registry for plain HTTP; repeatable.", field: func(o *options.Options) any { return &o.InsecureRegistries }},
	{name: "skip-tls-verify", kind: kindBool, def: "false", registry: true, usage: "Push without checking certificates.", field: func(o *options.Options) any { return &o.SkipTLSVerify }},
	{name: "skip-tls-verify-pull", kind: kindBool, def: "false", registry: true, usage: "Pull without checking certificates.", field: func(o *options.Options) any { return &o.SkipTLSVerifyPull }},
	{name: "skip-tls-verify-registry", kind: kindMulti, registry: true, usage: "Registry whose certificate is not checked; repeatable.", field: func(o *options.Options) any { return &o.SkipTLSVerifyRegistries }},
	{name: "registry-certificate", kind: kindKeyValue, registry: true, usage: "host=/path of a further CA; repeatable.", field: func(o *options.Options) any { return &o.Certificates }},
	{name: "registry-client-cert", kind: kindKeyValue, registry: true, usage: "host=/cert,/key for mutual TLS; repeatable.", field: func(o *options.Options) any { return &o.ClientCertificates }},
	{name: "registry-mirror", kind: kindMulti, registry: true, usage: "Mirror of docker.io; repeatable.", field: func(o *options.Options) any { return &o.Mirrors }},
	{name: "registry-map", kind: kindOther, registry: true, usage: "a=b;c=d: pull from b what names a.", field: func(o *options.Options) any { return &o.Maps }},
	{name: "skip-default-registry-fallback", kind: kindBool, def: "false", registry: true, usage: "Mirrors and maps only.", field: func(o *options.Options) any { return &o.SkipDefaultRegistryFallback }},
	{name: "credential-helpers", kind: kindMulti, registry: true, usage: "Helpers beside the docker config; empty for none; repeatable.", field: func(o *options.Options) any { return &o.CredentialHelpers }},

	// The executor itself.
	{name: "kaniko-dir", def: options.DefaultKanikoDir, usage: "Work directory.", field: func(o *options.Options) any { return &o.KanikoDir }},
	{name: "force", kind: kindBool, def: "false", usage: "Build outside of a container.", field: func(o *options.Options) any { return &o.Force }},
	{name: "cleanup", kind: kindBool, def: "false", usage: "Delete the file system at the end.", field: func(o *options.Options) any { return &o.Cleanup }},
	{name: "pre-cleanup", kind: kindBool, def: "false", usage: "Delete the file system before the build.", field: func(o *options.Options) any { return &o.PreCleanup }},
	{name: "preserve-context", kind: kindBool, def: "false", effect: refused, usage: "Restore the file system after each stage."},
	{name: "materialize", kind: kindBool, def: "false", usage: "Unpack even if everything is cached.", field: func(o *options.Options) any { return &o.Materialize }},
	{name: "dryrun", kind: kindBool, def: "false", effect: refused, usage: "Print the plan only."},
	{name: "verbosity", short: "v", def: "info", usage: "Log level.", field: func(o *options.Options) any { return &o.Verbosity }},
	{name: "log-format", def: "color", usage: "text, color or json.", field: func(o *options.Options) any { return &o.LogFormat }},
	{name: "log-timestamp", kind: kindBool, def: "false", usage: "Full timestamps in the log.", field: func(o *options.Options) any { return &o.LogTimestamp }},

	// Deprecated.
	{name: "snapshotMode", usage: "Old spelling of --snapshot-mode.", field: func(o *options.Options) any { return &o.OldSnapshotMode }},
	{name: "customPlatform", usage: "Old spelling of --custom-platform.", field: func(o *options.Options) any { return &o.OldCustomPlatform }},
	{name: "tarPath", usage: "Old spelling of --tar-path.", field: func(o *options.Options) any { return &o.TarPath }},
	{name: "whitelist-var-run", kind: kindBool, def: "true", deprecated: "Please use ignore-var-run instead.", usage: "Old spelling of --ignore-var-run.", field: func(o *options.Options) any { return &o.IgnoreVarRun }},
	{name: "skip-unused-stages", kind: kindBool, def: "true", effect: noEffect, usage: "Always done."},
	{name: "force-build-metadata", kind: kindBool, def: "false", usage: "Always done.", field: func(o *options.Options) any { return &o.OldForceBuildMetadata }},
}
