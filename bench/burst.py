"""Measures many builds at once on simulated nodes: how close the operator comes to what the machine can do at all.

    make bench            (python -m bench.burst [--short] [--builds N] [--only burst rate recover import growth slow])

kwok plays the nodes and the build pods, which take a second each. The limit is a bare client that creates the pod and
patches the status three times for each build. It is measured in the same run, since all figures depend on the machine.
"""

import argparse
import asyncio
import signal
import sys
from typing import Final

from bench.api import Api
from bench.goals import GOALS, LATEST, SHORT_GOALS, missed, print_table, write_figures
from bench.interpreter import MACHINE, Command, image_python
from bench.measures import PARTS, Figures, Sizes
from bench.plane import run_plane
from bench.scene import prepare

SHORT: Final = Sizes(burst=100)


async def measure(parts: list[str], sizes: Sizes, command: Command) -> Figures:
    """Measure some parts, one after the other. `command` runs the operator."""
    figures: Figures = {}
    with run_plane(command) as plane:
        async with Api.connect(plane.settings) as api:
            await prepare(plane, api)
            for part in parts:
                print(f"measure {part} …", flush=True)
                figures |= await PARTS[part](plane, api, sizes)
    return figures


def compare(figures: Figures) -> Figures:
    """What the short form has measured, with ratios of it: they hold beside other work, too."""
    burst = figures["limit_100_s"] / figures["burst_100_share_of_limit_no_push"]
    return {
        **figures,
        "cpu_read_back_over_no_push": figures["cpu_ms_per_build_read_back"] / figures["cpu_ms_per_build_no_push"],
        "recover_100_over_burst": figures["recover_100_s"] / burst,
    }


def main() -> int:
    """The command line. The short form fails if a figure is far from what it is to be."""
    parser = argparse.ArgumentParser(description="Measure many builds on simulated nodes.")
    parser.add_argument("--short", action="store_true", help="a hundred builds, and ratios with wide limits")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure; else all")
    parser.add_argument("--builds", type=int, default=Sizes.burst, help="builds of a burst; 1,000 by default")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every process is stopped
    if arguments.short:
        figures, goals = compare(asyncio.run(measure(["burst", "recover"], SHORT, MACHINE))), SHORT_GOALS
    else:
        with image_python() as python:
            figures, goals = asyncio.run(measure(arguments.only, Sizes(burst=arguments.builds), python)), GOALS
        write_figures(LATEST, figures)
    print_table(figures, goals)
    return 1 if arguments.short and missed(figures, goals) else 0


if __name__ == "__main__":
    sys.exit(main())
