"""The tags of a run: given, expanded, or derived from the git ref. All other modules use the result."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.repository import SEQUENCE_ID, TAG_PATTERN
from buildandpush.api.sources.source import Source
from buildandpush.api.spec import MAX_TAGS, BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value
from buildandpush.core.spec.flags import PluginFlags, field_name

AUTO, SUFFIX, EXPAND = "PLUGIN_AUTO_TAG", "PLUGIN_AUTO_TAG_SUFFIX", "PLUGIN_EXPAND_TAG"
REF, DEFAULT_BRANCH = "DRONE_COMMIT_REF", "DRONE_REPO_BRANCH"

_TAGS_REF: Final = "refs/tags/"
_HEADS_REF: Final = "refs/heads/"

# https://semver.org: no leading zeros in numbers, and no empty identifier.
_NUMBER: Final = r"(0|[1-9][0-9]*)"
_IDENTIFIER: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PRERELEASE: Final = rf"(-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)"
_BUILD: Final = r"(\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
_VERSION: Final = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_PRERELEASE}?{_BUILD}?")
# The short forms count too: https://pkg.go.dev/golang.org/x/mod/semver
_EXPANDABLE: Final = re.compile(rf"v?{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}{_PRERELEASE}?)?)?")


@dataclass(frozen=True)
class TagPlan:
    """The tags of a run, in order, each once."""

    tags: tuple[str, ...] = ()
    numbered: tuple[str, ...] = ()
    """Those of them that hold the run's number."""


def plan_tags(spec: BuildAndPushACRSpec, flags: PluginFlags, run_number: int) -> TagPlan:
    """The tags that the spec gives or derives. Empty if it does neither. Raises SpecInvalidError."""
    given = spec.tags or []
    if flags.is_on(AUTO):
        return TagPlan(_check(_derive(given, flags, spec.source), field_name(AUTO)))
    for tag in given:
        if given.count(tag) > 1:
            raise SpecInvalidError("tags", f"{tag!r} is given twice; give each tag once")
    tags: list[str] = []
    numbered: list[str] = []
    for tag in given:
        resolved = tag.replace(SEQUENCE_ID, str(run_number))
        found = expand_tag(resolved) if flags.is_on(EXPAND) else (resolved,)
        tags += found
        if resolved != tag:
            numbered.append(found[-1])  # the shorter ones move from run to run
    unique = _check(tuple(dict.fromkeys(tags)), "tags")
    if len(unique) != len(tags) and not flags.is_on(EXPAND):
        twice = next(tag for tag in tags if tags.count(tag) > 1)
        raise SpecInvalidError("tags", f"{twice!r} is given twice; give each tag once")
    return TagPlan(unique, tuple(dict.fromkeys(numbered)))


def expand_tag(tag: str) -> tuple[str, ...]:
    """`[v]1.2.3` as `1`, `1.2` and `1.2.3`, the shortest first; a pre-release as itself alone, without the v.

    `_` counts as `-`, which versions want; what is no version then, such as 1.2.3_01, is left as it is.
    """
    match = _EXPANDABLE.fullmatch(tag.replace("_", "-"))
    if match is None:
        return (tag,)
    major, minor, patch, prerelease = match.groups()
    full = f"{major}.{minor or 0}.{patch or 0}"
    if prerelease:
        return (full + prerelease,)
    return tuple(dict.fromkeys((major, f"{major}.{minor or 0}", full)))


def derive_tags(ref: str, suffix: str) -> tuple[str, ...]:
    """The tags of a git ref: `latest`, or of `refs/tags/v1.2.3` the tags `1`, `1.2` and `1.2.3`.

    Of a version 0.x only `0.2` and `0.2.3`, for 0 promises nothing; of a pre-release only itself. A suffix is appended
    with a dash, and stands alone for `latest`. Raises SpecInvalidError for a tag that is no version.
    """
    tags = _derive_version(ref.removeprefix(_TAGS_REF)) if ref.startswith(_TAGS_REF) else ("latest",)
    if not suffix:
        return tags
    return tuple(suffix if tag == "latest" else f"{tag}-{suffix}" for tag in tags)


def _derive_version(version: str) -> tuple[str, ...]:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise SpecInvalidError(
            field_name(AUTO), f"the git tag {version[:200]!r} is no version such as v1.2.3; give tags instead"
        )
    major, minor, patch, prerelease, build = match.groups()
    full = f"{major}.{minor}.{patch}"
    if prerelease or build:
        return ((full + (prerelease or "") + (build or "")).replace("+", "_"),)  # a tag cannot hold a plus sign
    return (f"{major}.{minor}", full) if int(major) == 0 else (major, f"{major}.{minor}", full)


def _derive(given: list[str], flags: PluginFlags, source: Source) -> tuple[str, ...]:
    if flags.is_on(EXPAND):
        raise SpecInvalidError(field_name(EXPAND), f"it cannot be used together with {AUTO}; give one of them")
    if given and given != ["latest"]:
        raise SpecInvalidError("tags", f"they cannot be used together with {AUTO}; give one of them")
    return derive_tags(_find_ref(flags, source), flags.text(SUFFIX))


def _find_ref(flags: PluginFlags, source: Source) -> str:
    """A tag's full ref, or any other text for the default branch; raises where it is neither."""
    if not flags.text(REF) and source.git is None:
        raise SpecInvalidError(field_name(AUTO), f"only source.git has a ref to derive tags from; give tags or {REF}")
    ref = flags.text(REF) or (source.git.revision if source.git else "")
    if not ref or ref.startswith(_TAGS_REF):
        return ref
    if not ref.startswith("refs/") and _VERSION.fullmatch(ref):
        return _TAGS_REF + ref
    if ref.removeprefix(_HEADS_REF) == flags.text(DEFAULT_BRANCH):
        return ref
    raise SpecInvalidError(
        field_name(AUTO),
        f"{ref[:200]!r} is neither a version's tag nor known to be the default branch; give tags, leave "
        f"source.git.revision out for the default branch, or name that branch in {DEFAULT_BRANCH}",
    )


def _check(tags: tuple[str, ...], field: str) -> tuple[str, ...]:
    for tag in tags:
        if not re.fullmatch(TAG_PATTERN, tag):
            raise SpecInvalidError(field, f"{show_value(tag)} is no tag; use up to 128 letters, digits, _ . or -")
    if len(tags) > MAX_TAGS:
        raise SpecInvalidError(field, f"{len(tags)} tags come out of it, more than {MAX_TAGS}; give fewer")
    return tags
