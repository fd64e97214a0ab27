"""Which pod a build gets, and what a pod says."""
