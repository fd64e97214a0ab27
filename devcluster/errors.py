"""The one error a user of the dev cluster sees; no logic lives here."""


class DevclusterError(Exception):
    """Say in one message what was wrong, why, and what to do; the command line prints it without a traceback."""
