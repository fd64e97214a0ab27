"""The clients: the Kubernetes API, registries and Azure. All I/O of the operator is here; kopf is not."""
