"""The one node: its programs, their configuration, keys and health."""
