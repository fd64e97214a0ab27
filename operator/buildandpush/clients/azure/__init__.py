"""Entra ID, registries as Azure runs them, and the resource manager: the I/O of logins, read-back and links."""
