"""The expressions `<+codebase.*>`: what a run's commit gives to tags, labels and build arguments."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.spec import SEQUENCE_ID, TAG_PATTERN, BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError

_EXPRESSION: Final = re.compile(r"<\+codebase\.([A-Za-z0-9_.]{1,64})>")
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_PULL_REQUEST: Final = re.compile(r"refs/(?:pull|pull-requests|merge-requests)/([0-9]{1,10})/(?:head|merge|from)")
"""GitHub's and Azure Repos', Bitbucket Server's and GitLab's."""
_SHORT: Final = 7
_UNKNOWN: Final = "codebase-7f3a9c51"
"""Stands for a value that is not known yet. No tag has it in itself."""
_DETAILS: Final = frozenset({"commitMessage", "gitUserId"})
"""What only the commit itself tells."""
_SHOWN: Final = 200


@dataclass(frozen=True)
class Codebase:
    """The commit of a run."""

    url: str
    commit: str
    ref: str = ""
    """Full name of the branch or tag; empty where the revision is a commit's id."""
    author: str = ""
    message: str = ""

    def values(self) -> dict[str, str]:
        """The value of each expression; empty where this commit has none."""
        pull_request = _PULL_REQUEST.fullmatch(self.ref)
        kind = "PR" if pull_request else "tag" if self.ref.startswith(_TAGS) else "branch" if self.ref else ""
        return {
            "branch": self.ref.removeprefix(_HEADS) if self.ref.startswith(_HEADS) else "",
            "tag": self.ref.removeprefix(_TAGS) if self.ref.startswith(_TAGS) else "",
            "commitSha": self.commit,
            "shortCommitSha": self.commit[:_SHORT],
            "commitRef": self.ref,
            "commitMessage": self.message,
            "gitUserId": self.author,
            "repoUrl": self.url,
            "prNumber": pull_request[1] if pull_request else "",
            "build.type": kind,
        }


NAMES: Final = tuple(Codebase("", "").values())
_STAND_INS: Final = {name: f"{_UNKNOWN}-{number}" for number, name in enumerate(NAMES)}


def uses_codebase(spec: BuildAndPushACRSpec) -> bool:
    """Whether something in the spec depends on the run's commit."""
    return bool(_names_in(spec))


def uses_details(spec: BuildAndPushACRSpec) -> bool:
    """Whether it depends on the commit's author or message."""
    return bool(_names_in(spec) & _DETAILS)


def is_unknown(text: str) -> bool:
    """Whether a text depends on a commit that was not known when it was made."""
    return _UNKNOWN in text


def expand_codebase(spec: BuildAndPushACRSpec, codebase: Codebase | None) -> BuildAndPushACRSpec:
    """The spec with the values of its run's commit in tags, labels and build arguments.

    Without a commit, what depends on it has a value that `is_unknown` tells. Raises SpecInvalidError for an expression
    that there is not, for one without a value, and for a tag that cannot be one.
    """
    if not uses_codebase(spec):
        return spec
    if spec.source.git is None:
        raise SpecInvalidError("source", "<+codebase.…> speaks of a commit, which only source.git has; use source.git")
    changes = {
        "tags": [_expand_tag(tag, codebase) for tag in spec.tags or ()] or None,
        "labels": _expand_all("labels", spec.labels, codebase),
        "build_args": _expand_all("buildArgs", spec.build_args, codebase),
    }
    return spec.model_copy(update=changes)


def _names_in(spec: BuildAndPushACRSpec) -> set[str]:
    texts = (*(spec.tags or ()), *(spec.labels or {}).values(), *(spec.build_args or {}).values())
    return {name for text in texts for name in _EXPRESSION.findall(text)}


def _expand_all(field: str, values: dict[str, str] | None, codebase: Codebase | None) -> dict[str, str] | None:
    return values and {name: _expand(f"{field}.{name}", text, codebase) for name, text in values.items()}


def _expand_tag(tag: str, codebase: Codebase | None) -> str:
    expanded = _expand("tags", tag, codebase)
    if expanded != tag and not re.fullmatch(TAG_PATTERN, expanded.replace(SEQUENCE_ID, "0")):
        raise SpecInvalidError(
            "tags",
            f"{tag!r} becomes {expanded[:_SHOWN]!r}, which is no tag: a tag has up to 128 letters, digits, _ . or -; "
            "use <+codebase.shortCommitSha>, or write the name out",
        )
    return expanded


def _expand(field: str, text: str, codebase: Codebase | None) -> str:
    def find(match: re.Match[str]) -> str:
        name = match[1]
        values = codebase.values() if codebase is not None else _STAND_INS
        if name not in values:
            raise SpecInvalidError(
                field, f"there is no <+codebase.{name}>; use one of {', '.join(NAMES)} after <+codebase."
            )
        if not values[name]:
            raise SpecInvalidError(field, _explain_empty(name, codebase))
        return values[name]

    return _EXPRESSION.sub(find, text)


def _explain_empty(name: str, codebase: Codebase | None) -> str:
    ref = codebase.ref if codebase is not None else ""
    at = f"the revision is {ref[:_SHOWN]!r}" if ref else "the revision is the id of a commit"
    return f"<+codebase.{name}> has no value, since {at}; use another expression, or correct source.git.revision"
