"""What happens next: starts, progress, ends, and the status that says so."""
