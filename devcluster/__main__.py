"""The command line of the dev cluster: parses arguments, calls one function, prints; no logic lives here."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from devcluster import actions
from devcluster.down import take_down
from devcluster.errors import DevclusterError
from devcluster.images.catalogue import IMAGES
from devcluster.machine.preflight import require_root
from devcluster.node.components import NAMES
from devcluster.node.deploy import deploy_operator
from devcluster.node.environment import render_exports
from devcluster.settings import Settings, read_settings
from devcluster.up import bring_up

_EPILOG = """\
Everything lives in one folder, /var/lib/buildandpush-devcluster or $DEVCLUSTER_STATE; compiled tools and built images
stay in ${XDG_CACHE_HOME:-~/.cache}/buildandpush-devcluster, which `down` keeps. Needs root, Debian and Go.
Components: %s."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m devcluster",
        description="A real one-node Kubernetes for Debian machines without Docker.",
        epilog=_EPILOG % ", ".join(NAMES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="install, compile and start whatever is missing, until the node is ready")
    down = commands.add_parser("down", help="stop and remove everything but the cache of tools and images")
    down.add_argument("--keep-logs", action="store_true", help="leave the components' logs in the state folder")
    commands.add_parser("status", help="show components and node; exit code 0 only if all is well")
    commands.add_parser("env", help='print shell exports, for eval "$(python -m devcluster env)"')
    logs = commands.add_parser("logs", help="show a component's log")
    logs.add_argument("name", metavar="NAME")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    load = commands.add_parser("load", help="import docker-archive or OCI tars for pods to use")
    load.add_argument("archives", metavar="IMAGE.tar", nargs="+", type=Path)
    for verb, text in (("start", "start one component again"), ("restart", "stop one component and start it again")):
        commands.add_parser(verb, help=text).add_argument("name", metavar="NAME")
    stop = commands.add_parser("stop", help="stop one component until `start` or `up`, for tests of failures")
    stop.add_argument("name", metavar="NAME")
    stop.add_argument("--kill", action="store_true", help="with SIGKILL, without a chance to finish")
    tool = commands.add_parser("tool", help="compile one more tool if needed and print its path")
    tool.add_argument("name", metavar="NAME", help="kind, or one of those that `up` compiles")
    _add_images(commands)
    python = commands.add_parser("python", help="run Python as the operator's image has it, in this folder")
    python.add_argument("arguments", metavar="ARGUMENT", nargs="+", help="what Python gets; write -- before it")
    commands.add_parser("deploy", help="install the operator from the chart, with the images made here")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        if parsed.command in _NEED_ROOT:
            require_root()
        return _COMMANDS[parsed.command](read_settings(), parsed) or 0
    except DevclusterError as err:
        print(f"devcluster: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as head, has gone; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _add_images(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    images = commands.add_parser("images", help="build the project's images, load them, push the bases")
    images.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(IMAGES)}; all without any")
    images.add_argument("--build-only", action="store_true", help="write the tars only; needs no cluster")
    images.add_argument("--dockerfile", type=Path, help="of the operator image; operator/Dockerfile by default")
    images.add_argument("--context", type=Path, help="of the operator image; the repository's root by default")


def _restart(settings: Settings, name: str) -> None:
    actions.stop(settings, name, kill=False)
    actions.start(settings, name)


# `up` checks more than that, in its own order.
_NEED_ROOT = ("down", "status", "load", "start", "restart", "stop", "images", "python")
_COMMANDS: Mapping[str, Callable[[Settings, argparse.Namespace], int | None]] = {
    "up": lambda settings, _parsed: bring_up(settings),
    "down": lambda settings, parsed: take_down(settings, keep_logs=parsed.keep_logs),
    "status": lambda settings, _parsed: actions.show_status(settings),
    "env": lambda settings, _parsed: print(render_exports(settings)),
    "logs": lambda settings, parsed: actions.show_log(settings, parsed.name, follow=parsed.follow),
    "load": lambda settings, parsed: actions.load(settings, parsed.archives),
    "start": lambda settings, parsed: actions.start(settings, parsed.name),
    "restart": lambda settings, parsed: _restart(settings, parsed.name),
    "stop": lambda settings, parsed: actions.stop(settings, parsed.name, kill=parsed.kill),
    "tool": lambda settings, parsed: actions.show_tool(settings, parsed.name),
    "images": actions.make_images,
    "python": lambda settings, parsed: actions.run_python(settings, parsed.arguments),
    "deploy": lambda settings, _parsed: deploy_operator(settings),
}

if __name__ == "__main__":
    sys.exit(main())
