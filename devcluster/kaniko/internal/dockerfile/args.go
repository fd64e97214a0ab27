package dockerfile

import (
	"maps"
	"slices"
	"strings"
)

// proxyArgs need no ARG to be visible, and never enter a cache key.
var proxyArgs = map[string]bool{
	"HTTP_PROXY": true, "http_proxy": true, "HTTPS_PROXY": true, "https_proxy": true,
	"FTP_PROXY": true, "ftp_proxy": true, "NO_PROXY": true, "no_proxy": true,
	"ALL_PROXY": true, "all_proxy": true,
}

// Args are the build arguments as one stage sees them.
type Args struct {
	given    map[string]string  // --build-arg
	global   map[string]*string // ARG before the first FROM, and the predefined
	declared map[string]*string // ARG in the stage, with default
}

// NewArgs takes --build-arg values, each NAME=value.
func NewArgs(given []string) *Args {
	a := &Args{given: map[string]string{}, global: map[string]*string{}, declared: map[string]*string{}}
	for _, arg := range given {
		name, value, _ := strings.Cut(arg, "=")
		a.given[name] = value
	}
	return a
}

// Clone is for a stage built on another one, whose ARGs it inherits.
func (a *Args) Clone() *Args {
	return &Args{given: a.given, global: maps.Clone(a.global), declared: maps.Clone(a.declared)}
}

// SetGlobal adds an argument that a stage sees once it declares it.
func (a *Args) SetGlobal(name string, value *string) { a.global[name] = value }

// Declare makes a name visible from here on.
func (a *Args) Declare(name string, value *string) { a.declared[name] = value }

// Predefine adds the platform arguments.
func (a *Args) Predefine(build, target, stage string) {
	if stage == "" {
		stage = "default"
	}
	a.SetGlobal("TARGETSTAGE", &stage)
	for prefix, platform := range map[string]string{"BUILD": build, "TARGET": target} {
		parts := strings.SplitN(platform+"//", "/", 4)
		values := map[string]string{
			"PLATFORM": platform, "OS": parts[0], "ARCH": parts[1], "VARIANT": parts[2], "OSVERSION": "",
		}
		for suffix, value := range values {
			a.SetGlobal(prefix+suffix, &value)
		}
	}
}

// Env gives configEnv and, behind it, the visible arguments that it does not
// shadow, sorted.
func (a *Args) Env(configEnv []string) []string {
	return append(slices.Clone(configEnv), a.visible(configEnv, true)...)
}

// KeyEnv is Env without the proxies, sorted as a whole, for cache keys.
func (a *Args) KeyEnv(configEnv []string) []string {
	env := append(slices.Clone(configEnv), a.visible(configEnv, false)...)
	slices.Sort(env)
	return env
}

func (a *Args) visible(configEnv []string, proxies bool) []string {
	shadowed := map[string]bool{}
	for _, pair := range configEnv {
		name, _, _ := strings.Cut(pair, "=")
		shadowed[name] = true
	}
	var env []string
	for name := range a.declared {
		if value := a.value(name); value != nil && !shadowed[name] {
			env = append(env, name+"="+*value)
		}
	}
	for name, value := range a.given {
		if _, declared := a.declared[name]; proxies && proxyArgs[name] && !declared && !shadowed[name] {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return env
}

// value is the given one, else the stage's default, else the global one.
func (a *Args) value(name string) *string {
	if value, given := a.given[name]; given {
		return &value
	}
	if value := a.declared[name]; value != nil {
		return value
	}
	return a.global[name]
}
