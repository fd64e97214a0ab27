"""Clients of Entra ID, Azure's registries and the resource manager: for logins, read-back and links."""
