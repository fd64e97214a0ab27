package registry

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/options"
)

var knownHelpers = []string{"env", "google", "ecr", "acr", "gitlab"}

// keychain gives the credentials of the docker config. The cloud helpers are
// only named in the log as kaniko names them: this double asks no cloud.
func keychain(o *options.Registry) authn.Keychain {
	var order []string
	if _, set := os.LookupEnv("DOCKER_AUTH_CONFIG"); set {
		order = append(order, "env:DOCKER_AUTH_CONFIG")
	}
	if file := dockerConfigFile(); file != "" {
		order = append(order, "file:"+file)
	}
	helpers := []string(o.CredentialHelpers)
	if len(helpers) == 0 {
		helpers = knownHelpers
	}
	for _, helper := range helpers {
		switch {
		case helper == "":
			logrus.Info("all credential helpers disabled")
		case !known(helper):
			logrus.Warnf("Unknown cred-source %q, skipping.", helper)
		}
	}
	order = append(order, helpers...)
	logrus.Infof("credential providers by priority: [%s]", strings.Join(order, ", "))
	return authn.DefaultKeychain
}

func known(helper string) bool {
	for _, k := range knownHelpers {
		if k == helper {
			return true
		}
	}
	return false
}

func dockerConfigFile() string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(os.Getenv("HOME"), ".docker")
	}
	file := filepath.Join(dir, "config.json")
	if _, err := os.Lstat(file); err != nil {
		return ""
	}
	return file
}
