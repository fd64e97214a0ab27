"""Fetches an artifact from a registry and unpacks it."""
