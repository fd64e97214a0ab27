"""The outside: the Kubernetes API and registries. All I/O of the operator lives here; nothing here knows kopf."""
