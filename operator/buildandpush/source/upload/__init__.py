"""Takes a source that somebody sends into the waiting pod."""
