"""A real one-node Kubernetes for Debian machines without Docker; nothing of the operator lives here."""
