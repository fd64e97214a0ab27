// Package dockerfile reads Dockerfiles with BuildKit's parser and plans which
// stages are built, in which order, on what.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/sirupsen/logrus"
)

// Read parses the Dockerfile at path, which may be a URL. Global arguments are
// expanded by those before them.
func Read(path string, buildArgs []string) ([]instructions.Stage, []instructions.ArgCommand, error) {
	content, err := load(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading dockerfile at path %s: %w", path, err)
	}
	stages, globals, err := parse(content)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing dockerfile: %w", err)
	}
	if err := expandGlobals(globals, buildArgs); err != nil {
		return nil, nil, fmt.Errorf("expanding meta ARGs: %w", err)
	}
	return stages, globals, nil
}

func load(path string) ([]byte, error) {
	if !strings.HasPrefix(path, "http://") && !strings.HasPrefix(path, "https://") {
		return os.ReadFile(path)
	}
	response, err := http.Get(path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, fmt.Errorf("request failed: %s", response.Status)
	}
	return io.ReadAll(response.Body)
}

func parse(content []byte) ([]instructions.Stage, []instructions.ArgCommand, error) {
	result, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, url, message string, location []parser.Range) {
		if len(location) > 0 {
			logrus.Warnf("%s: %s (line %d)\n\t%s", rule, message, location[0].Start.Line, url)
		} else {
			logrus.Warnf("%s: %s\n\t%s", rule, message, url)
		}
	}})
	return instructions.Parse(result.AST, lint)
}

// ParseTriggers parses ONBUILD instructions of a base image.
func ParseTriggers(lines []string) ([]instructions.Command, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	result, err := parser.Parse(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return nil, err
	}
	var commands []instructions.Command
	for _, node := range result.AST.Children {
		command, err := instructions.ParseCommand(node)
		if err != nil {
			return nil, err
		}
		commands = append(commands, command)
	}
	return commands, nil
}

func expandGlobals(globals []instructions.ArgCommand, buildArgs []string) error {
	var before []string
	for i := range globals {
		for j := range globals[i].Args {
			arg := &globals[i].Args[j]
			if arg.Value == nil {
				continue
			}
			value, err := unquote(*arg.Value)
			if err != nil {
				return err
			}
			value, err = Expand(value, append(before, buildArgs...))
			if err != nil {
				return err
			}
			arg.Value = &value
			before = append(before, arg.Key+"="+value)
		}
	}
	return nil
}

func unquote(value string) (string, error) {
	if len(value) < 2 {
		return value, nil
	}
	first, last := value[0], value[len(value)-1]
	opens, closes := first == '"' || first == '\'', last == '"' || last == '\''
	if !opens && (!closes || value[len(value)-2] == '\\') {
		return value, nil
	}
	if first != last {
		return "", errors.New("quotes wrapping arg values must be matched")
	}
	return value[1 : len(value)-1], nil
}

// Expand replaces variables in word by those of env and removes quotes.
func Expand(word string, env []string) (string, error) {
	expanded, _, err := shell.NewLex(parser.DefaultEscapeToken).ProcessWord(word, shell.EnvsFromSlice(env))
	return expanded, err
}

// ExpandRaw replaces variables and leaves quotes, as in a here-document.
func ExpandRaw(text string, env []string) (string, error) {
	lex := shell.NewLex(parser.DefaultEscapeToken)
	lex.RawQuotes = true
	lex.RawEscapes = true
	expanded, _, err := lex.ProcessWord(text, shell.EnvsFromSlice(env))
	return expanded, err
}

// ExpandPath expands a path and cleans it; a slash at its end has a meaning and
// stays. URLs pass unchanged.
func ExpandPath(word string, env []string) (string, error) {
	expanded, err := Expand(word, env)
	if err != nil || IsURL(expanded) {
		return expanded, err
	}
	cleaned := filepath.Clean(expanded)
	if strings.HasSuffix(expanded, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned, nil
}

// IsURL says whether a source of ADD is to be downloaded.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}
