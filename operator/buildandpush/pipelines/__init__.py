"""Makes resources from pipelines: text of YAML in, text of YAML out. Nothing here reads a file or asks a server."""
