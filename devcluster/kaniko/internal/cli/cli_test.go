package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// call runs the executor's command line in a directory of its own and gives
// exit code and standard error.
func call(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	kaniko := t.TempDir()
	write(t, filepath.Join(kaniko, "in-use"), "")
	t.Setenv("KANIKO_DIR", kaniko)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("container", "kube")
	t.Chdir(dir)

	old := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = w
	said := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		said <- string(text)
	}()
	code := Main(args)
	os.Stderr = old
	w.Close()
	return code, <-said
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBadCommandLines(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\n")
	cases := []struct {
		name, want string
		args       []string
	}{
		{"unknown flag", "Error: unknown flag: --x", []string{"--x"}},
		{"no destination", "Error: you must provide --destination, or use --no-push", nil},
		{"no dockerfile", "Error: error resolving dockerfile path: please provide a valid path to a Dockerfile within the build context with --dockerfile", []string{"-d", "a/b", "-f", "nope"}},
		{"cache without repository", "Error: cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo", []string{"--no-push", "--cache"}},
		{"other context", "Error: error resolving source context: the kaniko double does not fetch git:// contexts", []string{"-d", "a/b", "-c", "git://x/y"}},
		{"log format", `Error: not a valid log format: "xml"`, []string{"--log-format=xml"}},
		{"name file", "Error: you must provide --destination if setting ImageNameDigestFile", []string{"--no-push", "--image-name-with-digest-file=x"}},
		{"secret", `Error: error resolving secrets: environment variable for secret "s" not set: NOT_SET_ANYWHERE`, []string{"-d", "a/b", "--secret=id=s,env=NOT_SET_ANYWHERE"}},
		{"argument", `Error: unknown command "what" for "executor"`, []string{"what"}},
		{"push without destination", "Error: at least one --destination is required", []string{"push", "x"}},
		{"push with another flag", "Error: unknown flag: --digest-file", []string{"push", "x", "--digest-file=y"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, said := call(t, dir, c.args...)
			if code != 1 || !strings.HasPrefix(said, c.want) {
				t.Errorf("exit code %d, said %q", code, said)
			}
			if !strings.Contains(said, "Usage:") && !strings.Contains(said, "Run 'executor --help'") {
				t.Errorf("no usage in %q", said)
			}
		})
	}
}

func TestPushPermissionIsCheckedFirst(t *testing.T) {
	for status, want := range map[int]string{401: "UNAUTHORIZED", 403: "DENIED"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" && status == 403 {
				return
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, want)
		}))
		defer server.Close()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "Dockerfile"), "this is not parsed before the check")
		destination := strings.TrimPrefix(server.URL, "http://") + "/a/b:1"
		code, said := call(t, dir, "-d", destination, "--log-format=text")
		lines := strings.Split(strings.TrimSpace(said), "\n")
		last := lines[len(lines)-1]
		prefix := fmt.Sprintf("error checking push permissions: checking push permission for %q: ", destination)
		if code != 1 || !strings.HasPrefix(last, prefix) || !strings.Contains(last, want) {
			t.Errorf("%d: exit code %d, last line %q", status, code, last)
		}
	}
}

func TestDockerfileIsLookedUpInWorkingDirectoryThenContext(t *testing.T) {
	context := t.TempDir()
	write(t, filepath.Join(context, "Other"), "FRM x")
	code, said := call(t, t.TempDir(), "-c", context, "-f", "Other", "--no-push", "--log-format=text")
	if code != 1 || !strings.Contains(said, "error building image: parsing dockerfile: dockerfile parse error on line 1: unknown instruction: FRM") {
		t.Errorf("exit code %d, said %q", code, said)
	}
}

func TestNoPushByEnvironment(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FRM x")
	t.Setenv("KANIKO_NO_PUSH", "true")
	// Nobody listens there: the check would fail first.
	_, said := call(t, dir, "-d", "127.0.0.1:1/a:b", "--log-format=text")
	if !strings.Contains(said, "parsing dockerfile") {
		t.Errorf("said %q", said)
	}
}

func TestExitCodes(t *testing.T) {
	run := func(script string) error {
		return fmt.Errorf("error building image: %w", exec.Command("/bin/sh", "-c", script).Run())
	}
	cases := map[string]struct {
		err  error
		want int
	}{
		"success":   {nil, 0},
		"any error": {errors.New("x"), 1},
		"RUN's own": {run("exit 7"), 7},
		"signal":    {run("kill -9 $$"), -1},
	}
	for name, c := range cases {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
