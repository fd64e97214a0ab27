"""Fetches an archive from a web server and unpacks it."""
