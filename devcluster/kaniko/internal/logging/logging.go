// Package logging sets up log lines in kaniko's formats.
package logging

import (
	"fmt"

	"github.com/sirupsen/logrus"
)

// Configure sets level and format of the process's one logger, which writes to
// standard error.
func Configure(level, format string, timestamp bool) error {
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		return fmt.Errorf("parsing log level: %w", err)
	}
	logrus.SetLevel(parsed)
	switch format {
	case "text":
		logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: timestamp})
	case "color":
		// Colours even without a terminal: that is what ends up in pod logs.
		logrus.SetFormatter(&logrus.TextFormatter{ForceColors: true, FullTimestamp: timestamp})
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{})
	default:
		return fmt.Errorf("not a valid log format: %q. Please specify one of (text, color, json)", format)
	}
	return nil
}
