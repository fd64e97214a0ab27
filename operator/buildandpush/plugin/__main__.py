"""Reads the command line of `kubectl buildandpush`."""

import argparse
import sys
from collections.abc import Sequence

from buildandpush.plugin.importing import add_import


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The result is the exit code of the process."""
    parser = argparse.ArgumentParser(prog="kubectl buildandpush", description="Work with BuildAndPushACR resources.")
    add_import(parser.add_subparsers(title="commands", metavar="COMMAND", required=True))
    given = parser.parse_args(arguments)
    return int(given.run(given))


if __name__ == "__main__":
    sys.exit(main())
