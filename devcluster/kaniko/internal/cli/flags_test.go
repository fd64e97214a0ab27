package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"devcluster/kaniko/internal/options"
)

// allFlags are the executor's flags by the project's facts; "own" are those
// that the source adds to them.
const allFlags = `dockerfile context context-sub-path destination build-arg target label annotation secret
custom-platform snapshot-mode single-snapshot reproducible use-new-run ignore-path ignore-var-run cache cache-repo
cache-dir cache-ttl cache-copy-layers cache-run-layers compressed-caching no-push-cache compression compression-level
image-format no-push tar-path oci-layout-path digest-file image-name-with-digest-file image-name-tag-with-digest-file
push-retry push-ignore-immutable-tag-errors image-download-retry image-fs-extract-retry skip-push-permission-check
insecure insecure-pull skip-tls-verify skip-tls-verify-pull insecure-registry skip-tls-verify-registry
registry-certificate registry-client-cert registry-mirror registry-map skip-default-registry-fallback
credential-helpers git kaniko-dir force cleanup pre-cleanup preserve-context materialize dryrun verbosity log-format
log-timestamp snapshotMode customPlatform tarPath whitelist-var-run bucket skip-unused-stages force-build-metadata`

func flagSet(t *testing.T) (*pflag.FlagSet, *options.Options) {
	t.Helper()
	o := options.New()
	fs := pflag.NewFlagSet("executor", pflag.ContinueOnError)
	register(fs, o, func(flagRow) bool { return true })
	return fs, o
}

func TestEveryFlagOfTheFactsIsThere(t *testing.T) {
	fs, _ := flagSet(t)
	for _, name := range strings.Fields(allFlags) {
		if fs.Lookup(name) == nil {
			t.Errorf("flag --%s is missing", name)
		}
	}
	if want, got := len(strings.Fields(allFlags)), len(flagTable); want != got {
		t.Errorf("the table has %d flags, the facts %d", got, want)
	}
}

func TestDefaults(t *testing.T) {
	fs, o := flagSet(t)
	if err := fs.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if o.Dockerfile != "Dockerfile" || o.Context != "/workspace/" || !o.CacheRunLayers || o.CacheCopyLayers ||
		!o.IgnoreVarRun || o.CacheTTL.Hours() != 336 || o.LogFormat != "color" || o.CompressionLevel != -1 ||
		o.SnapshotMode != "full" || o.KanikoDir != "/kaniko" {
		t.Errorf("defaults: %+v", o)
	}
}

func TestRefusedByTheParser(t *testing.T) {
	cases := []struct{ arg, want string }{
		{"--nonsense", "unknown flag: --nonsense"},
		{"--nonsense=1", "unknown flag: --nonsense"},
		{"-q", "unknown shorthand flag: 'q' in -q"},
		{"--push-retry=x", `invalid argument "x" for "--push-retry" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		{"--cache=perhaps", `invalid argument "perhaps" for "--cache" flag: strconv.ParseBool: parsing "perhaps": invalid syntax`},
		{"--cache-ttl=6", `invalid argument "6" for "--cache-ttl" flag: time: missing unit in duration "6"`},
		{"--skip-tls-verify-registry", "flag needs an argument: --skip-tls-verify-registry"},
		{"--registry-certificate=host", "expect key=value, got host"},
		{"--annotation=a", "expect key=value, got a"},
		{"--registry-map=a", "expect key=value, got a"},
		{"--compression=lzma", `must be either "gzip" or "zstd"`},
		{"--image-format=x", `must be either "docker" or "oci"`},
		{"--secret=src=/x", "secret requires id=ID"},
		{"--secret=id=a,what=b", `unknown key "what" in secret`},
		{"--git=x", "must be in the key=value format: x"},
	}
	for _, c := range cases {
		fs, _ := flagSet(t)
		err := fs.Parse([]string{c.arg})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.arg, err, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	fs, o := flagSet(t)
	err := fs.Parse([]string{
		"-d", "a/b:1", "--destination=a/b:2", "--label=x=1,2", "--build-arg=A=b,c=d", "--target=one,two",
		"--registry-map=docker.io=m1;docker.io=m2", "--secret=id=s,env=E", "--credential-helpers=", "--tarPath=/t",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Destinations) != 2 || o.Labels[0] != "x=1,2" || o.BuildArgs[0] != "A=b,c=d" || len(o.Targets) != 2 ||
		len(o.Maps["docker.io"]) != 2 || o.Secrets["s"] != (options.Secret{FromEnv: true, Source: "E"}) ||
		len(o.CredentialHelpers) != 1 || o.CredentialHelpers[0] != "" || o.TarPath != "/t" {
		t.Errorf("values: %+v", o)
	}
}

func TestRefusedFlagsAreErrors(t *testing.T) {
	for arg, refused := range map[string]bool{
		"--dryrun": true, "--dryrun=false": false, "--preserve-context": true, "--bucket=b": true, "--use-new-run": false,
	} {
		fs, _ := flagSet(t)
		if err := fs.Parse([]string{arg}); err != nil {
			t.Fatal(err)
		}
		if err := refusedFlags(fs); (err != nil) != refused {
			t.Errorf("%s: %v", arg, err)
		}
	}
}
