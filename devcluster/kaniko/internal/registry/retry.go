package registry

import (
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
)

// firstDelay is a variable for tests only.
var firstDelay = time.Second

// Retry runs operation and, while it fails, up to retries times more, waiting
// twice as long each time.
func Retry(operation func() error, retries int) error {
	err := operation()
	delay := firstDelay
	for range retries {
		if err == nil {
			return nil
		}
		logrus.Warnf("Retrying operation after %s due to %v", delay, err)
		time.Sleep(delay)
		delay *= 2
		err = operation()
	}
	return err
}

// retryDownload says, as kaniko's downloads do, how many retries there were,
// even when there were none.
func retryDownload(operation func() error, retries int) error {
	if err := Retry(operation, retries); err != nil {
		return fmt.Errorf("unable to complete operation after %d attempts, last error: %w", retries, err)
	}
	return nil
}
