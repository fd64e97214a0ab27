package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"devcluster/kaniko/internal/options"
)

// register defines the rows that want says yes to on fs, storing into o.
func register(fs *pflag.FlagSet, o *options.Options, want func(flagRow) bool) {
	for _, row := range flagTable {
		if !want(row) {
			continue
		}
		define(fs, row, target(row, o))
		if row.hidden {
			_ = fs.MarkHidden(row.name)
		}
		if row.deprecated != "" {
			_ = fs.MarkDeprecated(row.name, row.deprecated)
		}
	}
}

// target is where the value goes; for a flag without a field, a place nobody
// reads, so that the value is still parsed and refused when ill-typed.
func target(row flagRow, o *options.Options) any {
	if row.field != nil {
		return row.field(o)
	}
	switch row.kind {
	case kindBool:
		return new(bool)
	case kindInt:
		return new(int)
	case kindDuration:
		return new(time.Duration)
	case kindMulti:
		return new(options.Multi)
	default:
		return new(string)
	}
}

func define(fs *pflag.FlagSet, row flagRow, to any) {
	switch p := to.(type) {
	case *string:
		fs.StringVarP(p, row.name, row.short, row.def, row.usage)
	case *bool:
		def, err := strconv.ParseBool(row.def)
		must(row, err)
		fs.BoolVarP(p, row.name, row.short, def, row.usage)
	case *int:
		def, err := strconv.Atoi(row.def)
		must(row, err)
		fs.IntVarP(p, row.name, row.short, def, row.usage)
	case *time.Duration:
		def, err := time.ParseDuration(row.def)
		must(row, err)
		fs.DurationVarP(p, row.name, row.short, def, row.usage)
	case *[]string:
		fs.StringSliceVarP(p, row.name, row.short, nil, row.usage)
	case pflag.Value:
		fs.VarP(p, row.name, row.short, row.usage)
	default:
		panic(fmt.Sprintf("flag %s has a field of unknown type %T", row.name, to))
	}
}

func must(row flagRow, err error) {
	if err != nil {
		panic(fmt.Sprintf("default of flag %s: %v", row.name, err))
	}
}

// refusedFlags names the flags in use that kaniko would act on and this double
// cannot. A boolean given as false asks for nothing and passes.
func refusedFlags(fs *pflag.FlagSet) error {
	var names []string
	for _, row := range flagTable {
		f := fs.Lookup(row.name)
		if row.effect != refused || f == nil || !f.Changed {
			continue
		}
		if row.kind == kindBool && f.Value.String() == "false" {
			continue
		}
		names = append(names, "--"+row.name)
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("the kaniko double does not do %s", strings.Join(names, ", "))
}
