"""kubectl, helm and the dev cluster's own commands, as a user runs them."""

import os
import subprocess
import sys
from dataclasses import dataclass

from devcluster.node.environment import build_environment
from devcluster.settings import REPOSITORY_ROOT, Settings


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs programs against the dev cluster and never against another one."""

    settings: Settings

    def kubectl(self, *arguments: str, stdin: str = "") -> Finished:
        """Run kubectl."""
        return self.run(str(self.settings.bin / "kubectl"), *arguments, stdin=stdin)

    def helm(self, *arguments: str) -> Finished:
        """Run helm."""
        return self.run(str(self.settings.bin / "helm"), *arguments)

    def devcluster(self, *arguments: str) -> str:
        """Run a command of the dev cluster, which must succeed; gives back what it printed."""
        done = self.run(sys.executable, "-m", "devcluster", *arguments)
        assert done.code == 0, f"devcluster {' '.join(arguments)}: {done.err}{done.out}"
        return done.out

    def run(self, *command: str, stdin: str = "") -> Finished:
        """Run a program to its end."""
        environment = {**os.environ, **build_environment(self.settings)}
        done = subprocess.run(
            command,
            input=stdin,
            env=environment,
            cwd=REPOSITORY_ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)
