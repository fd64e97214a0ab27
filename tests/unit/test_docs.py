"""README.md and docs/ name only what exists, and a page names all that it promises to list."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from buildandpush.api.meta import LABEL_SPEC_HASH, ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.schema import render_schema
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.naming import build_pod_labels
from buildandpush.core.spec.spechash import SHAPING_FIELDS
from tests.contract.documents import list_pages, read_values

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = {str(path.relative_to(ROOT)): path for path in list_pages()}

_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`]+)`")


def _read_links(page: Path) -> list[str]:
    """The links of a page that lead to files of this repository."""
    return [link for link in _LINK.findall(page.read_text()) if not link.startswith(("http://", "https://"))]


def _read_anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _read_first_column(page: Path, heading: str) -> list[str]:
    """What stands as code in the first column of the first table below a heading."""
    section = page.read_text().partition(f"{heading}\n")[2]
    table = re.search(r"^\|.*?(?=^[^|])", f"{section}\n\n", re.MULTILINE | re.DOTALL)
    assert table, f"{page.name} has no table below {heading!r}"
    rows = table.group().splitlines()[2:]
    return [name for row in rows for name in _CODE.findall(row.split("|")[1])]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in _read_links(PAGES[page]):
        path, _, anchor = link.partition("#")
        target = (PAGES[page].parent / path).resolve() if path else PAGES[page]
        assert target.exists(), link
        assert not anchor or anchor in _read_anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [PAGES["README.md"]]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in _read_links(page)}
        waiting += [target for target in targets - seen if target in PAGES.values()]
    assert seen == set(PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = PAGES[page].read_text()
    named = re.findall(r"(?:^ {4}|`|&& )make ([a-z][a-z0-9-]*)", text, re.MULTILINE)
    assert set(named) <= targets


def test_the_page_of_fields_lists_every_field_of_the_spec() -> None:
    listed = _read_first_column(DOCS / "fields.md", "# Fields of a build")
    assert {name.partition(".")[0] for name in listed} == set(render_schema(BuildAndPushACRSpec)["properties"])


def test_the_page_of_the_status_lists_every_condition() -> None:
    assert set(_read_first_column(DOCS / "status.md", "## Conditions")) == {str(kind) for kind in ConditionType}


def test_the_most_common_reasons_are_reasons() -> None:
    listed = _read_first_column(DOCS / "troubleshooting.md", "# Troubleshooting")
    assert listed
    assert set(listed) <= {str(reason) for reason in Reason}


def _list_values(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{path}{name}"
        if isinstance(value, dict):
            yield from _list_values(value, f"{path}{name}.")


def test_the_page_of_the_installation_lists_every_setting_of_the_chart() -> None:
    values = read_values()
    listed = [name.removesuffix(".…") for name in _read_first_column(DOCS / "install.md", "## Settings of the chart")]
    assert set(listed) <= set(_list_values(values))
    assert {name.partition(".")[0] for name in listed} == set(values)


@pytest.mark.parametrize("place", ["docs/install.md", "charts/buildandpush-operator/templates/NOTES.txt"])
def test_crds_that_helm_installed_are_applied_over_its_ownership(place: str) -> None:
    """Helm owns the fields of the CRDs that it installs, so the API server refuses new ones from anybody else."""
    text = (ROOT / place).read_text()
    commands = [line for line in text.splitlines() if "kubectl apply" in line and "crds" in line]
    assert commands
    assert all("--server-side --force-conflicts" in command for command in commands)


def test_the_page_of_runs_lists_every_field_that_asks_for_another_image() -> None:
    text = (DOCS / "runs.md").read_text().partition("The spec asks for another image")[2].partition("\n- **")[0]
    secrets = {"buildSecrets", "envDockerSecrets", "fileDockerSecrets"}  # the page calls them build secrets
    assert "a build secret" in text
    assert set(SHAPING_FIELDS) - secrets <= set(_CODE.findall(text))


def test_the_page_for_the_platform_team_lists_the_labels_of_build_pods() -> None:
    """Policies and monitoring select pods by them."""
    listed = _read_first_column(DOCS / "platform.md", "## The pods of a build")
    labels = build_pod_labels("web", run=1, build=0, attempt=1, spec_hash="v2:0")
    assert set(listed) == set(labels) - {LABEL_SPEC_HASH}
