"""Azure as far as the operator meets it: Entra ID, container registries, the resource manager, a node's identity."""
