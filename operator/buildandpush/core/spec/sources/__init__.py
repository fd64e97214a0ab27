"""Where the files of a build come from: what is refused, and what the pod reads for it."""
