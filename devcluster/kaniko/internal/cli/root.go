// Package cli is the executor's command line: the flags as a table, kaniko's
// order of checks with kaniko's words, and its exit codes.
package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"devcluster/kaniko/internal/build"
	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/registry"
)

// Version is what the version subcommand prints. It names the release whose
// behaviour is doubled, and says that this is not it.
const Version = "v1.28.3-double"

// Main runs the executor with args and gives its exit code.
func Main(args []string) int {
	code := 0
	command := newRootCommand(&code)
	command.SetArgs(args)
	if err := command.Execute(); err != nil {
		// cobra has printed "Error: …" and the usage.
		return 1
	}
	return code
}

func newRootCommand(code *int) *cobra.Command {
	o := options.New()
	root := &cobra.Command{
		Use: "executor",
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Use != "executor" {
				return nil
			}
			return prepare(cmd, o)
		},
		Run: func(*cobra.Command, []string) {
			*code = exitCode(execute(o))
		},
	}
	register(root.Flags(), o, func(flagRow) bool { return true })
	root.AddCommand(newVersionCommand(), newPushCommand(), newLoginCommand())
	return root
}

// execute does what comes after the command line is known to be good. Its
// errors are printed bare, as the last line, without usage.
func execute(o *options.Options) error {
	if !contained() {
		if !o.Force {
			return errors.New("kaniko should only be run inside of a container, run with the --force flag if you are sure you want to continue")
		}
		logrus.Warn("Kaniko is being run outside of a container. This can have dangerous effects on your system")
	}
	if !o.NoPush || o.CacheRepo != "" {
		if err := registry.CheckPushPermissions(o); err != nil {
			logrus.Warn("make sure you entered the correct tag name, that you are authenticated correctly, and try again.")
			if _, set := os.LookupEnv("DOCKER_AUTH_CONFIG"); set {
				logrus.Warn("note that your DOCKER_AUTH_CONFIG env variable can shadow credentials from configfile")
			}
			return fmt.Errorf("error checking push permissions: %w", err)
		}
	}
	if err := makePathsAbsolute(o); err != nil {
		return fmt.Errorf("error resolving relative paths to absolute paths: %w", err)
	}
	// RUN without WORKDIR starts here, and the mount we came from may vanish
	// from under us when the file system is deleted.
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("error changing to root dir: %w", err)
	}
	image, err := build.New(o).Build()
	if err != nil {
		return fmt.Errorf("error building image: %w", err)
	}
	if err := registry.Push(image, o); err != nil {
		return fmt.Errorf("error pushing image: %w", err)
	}
	return nil
}

// exitCode prints err as the last line and says which code to leave with: that
// of a failed RUN, else 1. A child killed by a signal has -1, which the kernel
// makes 255.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode()
	}
	return 1
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version number of kaniko",
		Run: func(*cobra.Command, []string) {
			fmt.Println("Kaniko version : ", Version)
		},
	}
}

func hostPlatform() string {
	return runtime.GOOS + "/" + runtime.GOARCH
}
