"""The images that the cluster needs: what is in them, building them, loading them."""
