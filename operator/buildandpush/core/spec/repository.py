"""How long the name of a repository may be: kaniko's client and the registry's protocol limit it."""

from typing import Final

from buildandpush.api.repository import LONGEST_IMAGE, SHORTEST_IMAGE
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
