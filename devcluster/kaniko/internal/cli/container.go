package cli

import (
	"os"
	"regexp"
	"strings"
)

var runtimeNames = []string{
	"docker", "rkt", "systemd-nspawn", "lxc", "lxc-libvirt", "openvz",
	"kube", "garden", "podman", "gvisor", "firejail", "wsl",
}

var overlayRoot = regexp.MustCompile(`^[^ ]+ / overlay`)

// contained says whether this process seems to run in a container. kaniko
// refuses to unpack an image over a machine's own files.
func contained() bool {
	for _, marker := range []string{"/run/.containerenv", "/.dockerenv", "/var/run/secrets/kubernetes.io/serviceaccount"} {
		if _, err := os.Stat(marker); err == nil {
			return true
		}
	}
	for _, text := range []string{
		readFile("/proc/self/cgroup"),
		readFile("/proc/1/cmdline"),
		os.Getenv("container"),
		readFile("/run/systemd/container"),
	} {
		if namesRuntime(text) {
			return true
		}
	}
	return overlayRoot.MatchString(readFile("/proc/mounts"))
}

func namesRuntime(text string) bool {
	for _, name := range runtimeNames {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}

func readFile(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}
