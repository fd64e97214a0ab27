package cli

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
)

// newLoginCommand is "login <registry>": it writes the docker config.
func newLoginCommand() *cobra.Command {
	var username, password string
	var fromStdin bool
	command := &cobra.Command{
		Use:   "login",
		Short: "Log into a container registry",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if fromStdin {
				content, err := io.ReadAll(os.Stdin)
				if err != nil {
					return err
				}
				password = strings.TrimRight(string(content), "\r\n")
			}
			if username == "" && password == "" {
				return errors.New("username and password required")
			}
			host := args[0]
			if host == name.DefaultRegistry {
				host = authn.DefaultAuthKey
			}
			file, err := config.Load(os.Getenv("DOCKER_CONFIG"))
			if err != nil {
				return err
			}
			err = file.GetCredentialsStore(host).Store(types.AuthConfig{
				ServerAddress: host, Username: username, Password: password,
			})
			if err != nil {
				return err
			}
			return file.Save()
		},
	}
	command.Flags().StringVarP(&username, "username", "u", "", "Username for the registry")
	command.Flags().StringVarP(&password, "password", "p", "", "Password for the registry")
	command.Flags().BoolVar(&fromStdin, "password-stdin", false, "Accept the registry password via stdin")
	return command
}
