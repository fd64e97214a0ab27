"""`make demo`: builds and pushes the examples and runs the result."""
