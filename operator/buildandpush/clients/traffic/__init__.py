"""Who may ask which server, how often and how many at once."""
