"""Which resource is worked on next, and what becomes of the process if that work never ends."""
