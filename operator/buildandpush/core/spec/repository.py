"""What a repository may be called, and how long its name may be: kaniko's client and the registry's protocol limit
it."""

import re
from typing import Final

from buildandpush.api.repository import LONGEST_IMAGE, REPOSITORY_PATTERN, SHORTEST_IMAGE
from buildandpush.api.status import MAX_REPOSITORY
from buildandpush.core.errors import SpecInvalidError

_SHOWN: Final = 80


def check_length(field: str, repository: str, remedy: str = "") -> None:
    """Raise SpecInvalidError for a repository, with its registry, whose image name is too short or too long.

    `remedy` says what to do about a long one that nobody wrote.
    """
    registry, _, image = repository.partition("/")
    if not SHORTEST_IMAGE <= len(image) <= LONGEST_IMAGE:
        longer = "longer" if len(image) < SHORTEST_IMAGE else "shorter"
        raise SpecInvalidError(
            field,
            f"the image's name {_shown(image)!r} has the length {len(image)}; kaniko takes {SHORTEST_IMAGE} to "
            f"{LONGEST_IMAGE} characters; {remedy or f'write a {longer} one after {_shown(registry)}/'}",
        )
    if len(repository) > MAX_REPOSITORY:
        raise SpecInvalidError(
            field,
            f"with its registry it has {len(repository)} characters, more than {MAX_REPOSITORY}; "
            f"{remedy or 'write a shorter one'}",
        )


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def check_repository(repository: str) -> None:
    """Raise SpecInvalidError for what is no registry and image."""
    is_named = re.fullmatch(REPOSITORY_PATTERN, repository) and set(".:") & set(repository.partition("/")[0])
    if not is_named:
        raise SpecInvalidError("repository", f"{repository!r} {_explain(repository)}")
    check_length("repository", repository)


def _explain(repository: str) -> str:
    """Why a repository cannot be used, as the CRD's rules say it of one without expressions."""
    scheme, _, rest = repository.partition("://")
    registry, _, image = repository.partition("/")
    if rest:
        return f"begins with {scheme}://; write the repository without it"
    if not image or not set(".:") & set(registry):
        return f"names no {'registry' if image else 'image'}; write <registry>.azurecr.io/<image>"
    if repository != repository.lower():
        return "has upper case letters; write lower case letters only"
    if set(":@") & set(image):
        return "holds a tag or digest; put tags under tags"
    return (
        "is no image name; write <registry>.azurecr.io/<image> with letters, digits and single . _ - or / between them"
    )
