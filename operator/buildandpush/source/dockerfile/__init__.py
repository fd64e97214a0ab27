"""Reads a Dockerfile and tells what kaniko makes of it in another way than Docker."""
