"""The kinds of source, as a spec writes them."""
