package options

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
)

// Secret is one build secret: a file, or a variable of our environment.
type Secret struct {
	FromEnv bool
	Source  string
}

// Secrets are the build secrets by id.
type Secrets map[string]Secret

func (s *Secrets) Type() string { return "secret" }

func (s *Secrets) String() string {
	if len(*s) == 0 {
		return "id=MY_SECRET[,src=/file][,env=VAR][,type=file|env]"
	}
	var parts []string
	for id, secret := range *s {
		if secret.FromEnv {
			parts = append(parts, fmt.Sprintf("id=%s,type=env,env=%s", id, secret.Source))
		} else {
			parts = append(parts, fmt.Sprintf("id=%s,type=file,src=%s", id, secret.Source))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, "; ")
}

// Set reads "id=…[,src=…|env=…][,type=file|env]".
func (s *Secrets) Set(v string) error {
	var id, kind, src, env string
	for part := range strings.SplitSeq(v, ",") {
		key, value, found := strings.Cut(part, "=")
		if !found {
			return fmt.Errorf("invalid secret format: %q", part)
		}
		switch key {
		case "id":
			id = value
		case "type":
			if value != "file" && value != "env" {
				return fmt.Errorf("invalid secret type: %q (file|env)", value)
			}
			kind = value
		case "src", "source":
			src = value
		case "env":
			env = value
		default:
			return fmt.Errorf("unknown key %q in secret", key)
		}
	}
	switch {
	case id == "":
		return errors.New("secret requires id=ID")
	case src != "" && env != "":
		return errors.New("only one of src or env may be specified")
	case kind == "file" && env != "":
		return errors.New("env cannot be specified for file type secrets")
	}
	if _, exists := (*s)[id]; exists {
		return fmt.Errorf("secret with ID %q is already defined", id)
	}
	(*s)[id] = resolveSecret(id, kind, src, env)
	return nil
}

// resolveSecret fills in what was left out: a bare id names a variable if one
// of that name exists, else a file.
func resolveSecret(id, kind, src, env string) Secret {
	switch {
	case kind == "env" && src != "":
		return Secret{FromEnv: true, Source: src}
	case kind == "env" || env != "":
		return Secret{FromEnv: true, Source: env}
	case src != "":
		return Secret{Source: src}
	}
	if _, set := os.LookupEnv(id); set && kind == "" {
		return Secret{FromEnv: true, Source: id}
	}
	if kind == "file" {
		return Secret{Source: src}
	}
	return Secret{Source: id}
}
