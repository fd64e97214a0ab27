"""What the read-back pod runs: it asks the registry what a build has pushed."""
