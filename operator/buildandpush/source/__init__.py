"""What runs in a build pod's init container: fetches the source. Standard library and git only."""
