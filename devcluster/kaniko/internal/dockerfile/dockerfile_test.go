package dockerfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func plan(t *testing.T, text string, buildArgs, targets []string) ([]Stage, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	stages, globals, err := Read(path, buildArgs)
	if err != nil {
		return nil, err
	}
	args := NewArgs(buildArgs)
	args.Predefine("linux/amd64", "linux/amd64", "")
	return Plan(stages, globals, targets, args, func(base string) ([]string, error) {
		if base == "with-triggers" {
			return []string{"RUN one", "ENV two=2"}, nil
		}
		return nil, nil
	})
}

func describe(stages []Stage) []string {
	var out []string
	for _, s := range stages {
		var names []string
		for _, c := range s.Commands {
			names = append(names, strings.ToUpper(c.Name()))
		}
		text := s.BaseName + " " + strings.Join(names, ",")
		if s.Push {
			text += " push"
		}
		if s.Save {
			text += " save"
		}
		out = append(out, text)
	}
	return out
}

func TestPlan(t *testing.T) {
	cases := []struct {
		name, text string
		args       []string
		targets    []string
		want       []string
	}{
		{"unused stages are left out", "FROM a AS x\nRUN 1\nFROM b AS y\nRUN 2\nFROM c\nCOPY --from=X /a /b", nil, nil,
			[]string{"a RUN", "c COPY push save"}},
		{"a base used once is squashed", "FROM a AS x\nRUN 1\nFROM x\nENV a=b", nil, nil, []string{"a RUN,ENV push save"}},
		{"a base used twice is stored", "FROM a AS x\nRUN 1\nFROM x AS y\nRUN 2\nFROM x\nCOPY --from=y /a /b", nil, nil,
			[]string{"a RUN save", "x RUN", "x COPY push save"}},
		{"target ignores case", "FROM a AS one\nRUN 1\nFROM b", nil, []string{"ONE"}, []string{"a RUN push save"}},
		{"target by number", "FROM a\nRUN 1\nFROM b", nil, []string{"0"}, []string{"a RUN push save"}},
		{"first target is pushed", "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2", nil, []string{"one", "two"},
			[]string{"a RUN push save", "b RUN"}},
		{"global ARG", "ARG V=1\nARG IMG=a:$V\nFROM $IMG", nil, nil, []string{"a:1  push save"}},
		{"global ARG given", "ARG V=1\nFROM a:${V}", []string{"V=2"}, nil, []string{"a:2  push save"}},
		{"platform is accepted", "FROM --platform=$BUILDPLATFORM a", nil, nil, []string{"a  push save"}},
		{"triggers run first", "FROM with-triggers\nRUN x", nil, nil, []string{"with-triggers RUN,ENV,RUN push save"}},
		{"triggers of a stage", "FROM a AS x\nONBUILD RUN 1\nFROM x\nENV a=b", nil, nil, []string{"a RUN,ENV push save"}},
		{"copy by index and from an image", "FROM a\nRUN 1\nFROM b\nCOPY --from=0 /a /b\nCOPY --from=img:1 /a /c", nil, nil,
			[]string{"a RUN", "b COPY,COPY push save"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stages, err := plan(t, c.text, c.args, c.targets)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(stages); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanErrors(t *testing.T) {
	for text, want := range map[string]string{
		"FRM x":                            "unknown instruction: FRM",
		"FROM a\nCOPY --from=3 /a /b":      "refers to a stage that does not exist",
		"FROM a AS x\nCOPY --from=x /a /b": "refers to invalid stage: 0",
		"ARG A=\"b\nFROM a":                "quotes wrapping arg values must be matched",
	} {
		if _, err := plan(t, text, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	_, err := plan(t, "FROM a AS x", nil, []string{"y"})
	if err == nil || err.Error() != `error finding target stage: "y" is not a valid target build stage` {
		t.Errorf("target: %v", err)
	}
}

func TestArgs(t *testing.T) {
	one, two := "1", "2"
	a := NewArgs([]string{"GIVEN=g", "HTTP_PROXY=p", "UNDECLARED=u"})
	a.SetGlobal("GLOBAL", &one)
	a.Declare("GIVEN", &two)
	a.Declare("DEFAULT", &two)
	a.Declare("GLOBAL", nil)
	a.Declare("UNSET", nil)
	a.Declare("SHADOWED", &two)
	got := a.Env([]string{"SHADOWED=env"})
	want := []string{"SHADOWED=env", "DEFAULT=2", "GIVEN=g", "GLOBAL=1", "HTTP_PROXY=p"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if key := a.KeyEnv(nil); strings.Contains(strings.Join(key, " "), "PROXY") {
		t.Errorf("a proxy is in the cache key: %q", key)
	}
}

func TestHeredocsAndMounts(t *testing.T) {
	stages, err := plan(t, "FROM a\nRUN --mount=type=secret,id=s <<EOF\necho 1\nEOF\nCOPY <<F /x\nhi\nF", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	run := stages[0].Commands[0].(*instructions.RunCommand)
	if len(run.Files) != 1 || run.Files[0].Data != "echo 1\n" || len(run.FlagsUsed) != 1 {
		t.Errorf("RUN: %+v", run)
	}
	c := stages[0].Commands[1].(*instructions.CopyCommand)
	if len(c.SourceContents) != 1 || c.SourceContents[0].Data != "hi\n" {
		t.Errorf("COPY: %+v", c)
	}
}
