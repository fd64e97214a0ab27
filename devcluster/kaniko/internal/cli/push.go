package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"devcluster/kaniko/internal/logging"
	"devcluster/kaniko/internal/options"
	"devcluster/kaniko/internal/registry"
)

// newPushCommand is "push <tar|oci-dir> -d …", which takes the registry flags
// and no others: no digest file, no log format.
func newPushCommand() *cobra.Command {
	o := options.New()
	command := &cobra.Command{
		Use:   "push <path>",
		Short: "Push a pre-built image to a registry",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := logging.Configure("info", "color", false); err != nil {
				return err
			}
			if len(o.Destinations) == 0 {
				return errors.New("at least one --destination is required")
			}
			path, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("resolving path: %w", err)
			}
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("path %s not readable: %w", path, err)
			}
			if err := registry.CheckPushPermissions(o); err != nil {
				return fmt.Errorf("checking push permissions: %w", err)
			}
			image, err := registry.LoadImage(path)
			if err != nil {
				return fmt.Errorf("loading image: %w", err)
			}
			if err := registry.Push(image, o); err != nil {
				return fmt.Errorf("pushing image: %w", err)
			}
			return nil
		},
	}
	register(command.Flags(), o, func(row flagRow) bool {
		return row.registry || row.name == "destination"
	})
	return command
}
