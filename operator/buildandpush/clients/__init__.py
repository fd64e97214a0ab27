"""The clients: the API server, registries and Azure. All I/O of the operator is here; kopf is not."""
