"""kopf's side: events in, a work queue, and the actions that decisions ask for."""
