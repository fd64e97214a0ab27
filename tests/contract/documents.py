"""The repository's own YAML: CRDs, examples, and samples in Markdown."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.settings import REPOSITORY_ROOT

Document = dict[str, Any]

CRDS: Final = REPOSITORY_ROOT / "crds"
CHART: Final = REPOSITORY_ROOT / "charts" / "buildandpush-operator"
KIND_CONFIG: Final = REPOSITORY_ROOT / "kind-config.yaml"

_FENCED: Final = re.compile(r"^```ya?ml[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def load_all(text: str) -> list[Document]:
    """The documents of a YAML text."""
    return [document for document in yaml.safe_load_all(text) if document]


def load_examples() -> dict[str, Document]:
    """Every object in examples/ by its place."""
    files = sorted((REPOSITORY_ROOT / "examples").rglob("*.y*ml"))
    return _placed((path, load_all(path.read_text())) for path in files)


def list_pages() -> list[Path]:
    """The Markdown files for users: README.md and docs/."""
    return [REPOSITORY_ROOT / "README.md", *sorted((REPOSITORY_ROOT / "docs").rglob("*.md"))]


def load_samples() -> dict[str, Document]:
    """Every YAML block of the pages by its place."""
    return _placed(
        (path, [document for block in _FENCED.findall(path.read_text()) for document in load_all(block)])
        for path in list_pages()
    )


def read_values() -> Document:
    """The chart's values with their defaults."""
    result: Document = yaml.safe_load((CHART / "values.yaml").read_text())
    return result


def load_sample_values() -> dict[str, Document]:
    """Every YAML block of the pages with values for the chart by its place."""
    names = set(read_values())
    return {place: document for place, document in load_samples().items() if set(document) <= names}


def _placed(found: Any) -> dict[str, Document]:
    return {
        f"{path.relative_to(REPOSITORY_ROOT)}#{number}": document
        for path, documents in found
        for number, document in enumerate(documents, start=1)
    }


def read_crd(plural: str, folder: Path = CRDS) -> Document:
    """One of our CRDs."""
    result: Document = yaml.safe_load((folder / f"{plural}.yaml").read_text())
    return result


def read_schema(plural: str) -> Document:
    """The schema of one of our kinds."""
    result: Document = read_crd(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return result
