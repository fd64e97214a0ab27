"""What the process tells of itself: to probes, and as metrics."""
