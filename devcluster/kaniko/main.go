// Command executor is a double of the kaniko executor for a development
// cluster and its end-to-end tests. It takes kaniko's command line, builds for
// real in its own root file system, and pushes for real. It is never shipped.
package main

import (
	"os"

	"devcluster/kaniko/internal/cli"
)

func main() {
	// No signal handler on purpose: kaniko has none, and a Go process that is
	// PID 1 then leaves with exit code 2 on SIGTERM, which the operator relies on.
	os.Exit(cli.Main(os.Args[1:]))
}
