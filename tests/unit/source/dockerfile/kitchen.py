"""A Dockerfile with its context, examined as the init container does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildandpush.source.dockerfile.context import open_context
from buildandpush.source.dockerfile.examine import examine
from buildandpush.source.dockerfile.finding import Finding, Settings

AMD64 = "linux/amd64"


@dataclass(frozen=True)
class Kitchen:
    """A folder that stands for the context."""

    root: Path

    def put(self, files: dict[str, str | bytes]) -> "Kitchen":
        """Write these files."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def examine(self, text: str, *, submodules: tuple[str, ...] = (), **settings: Any) -> list[Finding]:
        """The findings in this Dockerfile."""
        chosen = Settings(**{"platform": AMD64, **settings})
        context = open_context(self.root, self.root / "Dockerfile")
        return examine(text, context, chosen, machine=AMD64, submodules=submodules)

    def checks(self, text: str, **settings: Any) -> set[str]:
        """The ids of the checks that found something."""
        return {finding.check for finding in self.examine(text, **settings)}
