"""What the bench measures, and what each figure is to be."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LATEST: Final = Path(__file__).with_name("latest.json")
"""The figures of the last runs."""


@dataclass(frozen=True)
class Goal:
    """A figure's limit. Figures in seconds, milliseconds or MiB hold for 2 cores."""

    limit: float
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        """Whether a figure is as good as it is to be."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


GOALS: Final = {
    "burst_1000_share_of_limit_no_push": Goal(0.90, at_least=True),
    "burst_1000_share_of_limit_read_back": Goal(0.80, at_least=True),
    "cpu_ms_per_build_no_push": Goal(10),
    "cpu_ms_per_build_read_back": Goal(18),
    "writes_per_build_without_events": Goal(5),
    "writes_per_build_with_events": Goal(9),
    "apply_to_pod_ms_p50": Goal(100),
    "apply_to_pod_ms_p99": Goal(400),
    "pod_end_to_status_ms_p50": Goal(100),
    "pod_end_to_status_ms_p99": Goal(400),
    "rss_mb_start": Goal(110),
    "rss_mb_running_1000": Goal(160),
    "rss_mb_finished_10000": Goal(250),
    "start_to_ready_s": Goal(2.5),
    "start_10000_s": Goal(20),
    "start_10000_writes": Goal(0),
    "start_10000_lag_ms_p99": Goal(100),
    "recover_1000_s": Goal(15),
    "recover_1000_lost": Goal(0),
    "recover_1000_doubled": Goal(0),
    "cpu_growth_10000_over_100": Goal(1.3),
    "slow_registry_p99_ratio": Goal(1.5),
    "small_build_overhead_s": Goal(1.5),
}

SHORT_GOALS: Final = {
    "burst_100_share_of_limit_no_push": Goal(0.4, at_least=True),
    "burst_100_share_of_limit_read_back": Goal(0.25, at_least=True),
    "writes_per_build_without_events": Goal(5.2),
    "writes_per_build_with_events": Goal(9.4),
    "cpu_read_back_over_no_push": Goal(4),
    "recover_100_over_burst": Goal(4),
    "recover_100_lost": Goal(0),
    "recover_100_doubled": Goal(0),
}
"""Of the short form, which runs beside other work. So it compares only what was measured in the same run."""


def print_table(figures: dict[str, float], goals: dict[str, Goal]) -> None:
    """Print each figure, and how it stands to its goal."""
    width = max(map(len, figures))
    for name, figure in figures.items():
        goal = goals.get(name)
        told = f"{goal!s:>8}  {'met' if goal.is_met(figure) else 'MISSED'}" if goal else ""
        print(f"{name:<{width}}  {figure:>9.2f}  {told}".rstrip())


def missed(figures: dict[str, float], goals: dict[str, Goal]) -> list[str]:
    """The figures that are worse than they are to be."""
    return [name for name, goal in goals.items() if name in figures and not goal.is_met(figures[name])]


def write_figures(path: Path, figures: dict[str, float]) -> None:
    """Add figures to a file of them."""
    known = json.loads(path.read_text()) if path.exists() else {}
    rounded = {name: round(figure, 3) for name, figure in figures.items()}
    path.write_text(json.dumps({**known, **rounded}, indent=2) + "\n")
