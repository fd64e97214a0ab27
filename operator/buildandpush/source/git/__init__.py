"""Fetches one revision of a git repository."""
