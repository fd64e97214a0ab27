"""Claims of a registry's tokens are foreign: whatever they say, a life and rights come of it or nothing does."""

from datetime import timedelta
from typing import Any

import jwt
import pytest

from buildandpush.core.azure.token import USUAL_LIFE, has_repository_roles, read_access, read_end, read_life

BEGIN = 1_700_000_000


def token(**claims: Any) -> str:
    """A token that says this of itself."""
    return jwt.encode(claims, "k" * 32)


@pytest.mark.parametrize(
    ("claims", "life"),
    [
        ({"iat": BEGIN, "exp": BEGIN + 10_800}, timedelta(hours=3)),
        ({"nbf": BEGIN, "exp": BEGIN + 60}, timedelta(minutes=1)),
        ({"iat": BEGIN, "exp": BEGIN - 60}, timedelta(0)),
        ({"iat": BEGIN, "exp": BEGIN}, timedelta(0)),
        ({}, USUAL_LIFE),
        ({"exp": BEGIN}, USUAL_LIFE),
        ({"iat": "x", "exp": []}, USUAL_LIFE),
        ({"iat": BEGIN, "exp": (BEGIN + 10_800) * 1000}, USUAL_LIFE),
        ({"iat": BEGIN * 1000, "exp": (BEGIN + 10_800) * 1000}, USUAL_LIFE),
        ({"iat": BEGIN, "exp": 10**30}, USUAL_LIFE),
    ],
)
def test_life(claims: dict[str, Any], life: timedelta) -> None:
    assert read_life(token(**claims)) == life


def test_end() -> None:
    found = read_end(token(exp=BEGIN))
    assert found is not None
    assert found.timestamp() == BEGIN
    for claims in ({}, {"exp": "x"}, {"exp": BEGIN * 1000}, {"exp": -(10**30)}, {"exp": True}):
        assert read_end(token(**claims)) is None
    assert read_end("none") is None


@pytest.mark.parametrize(
    ("access", "found"),
    [
        (None, None),
        ("x", None),
        ([], {}),
        ([{"type": "repository", "name": "a", "actions": ["pull", "push"]}], {"a": {"pull", "push"}}),
        ([{"type": "repository", "name": "a", "actions": 5}], {"a": set()}),
        ([{"type": "repository", "name": "a", "actions": "push"}], {"a": set()}),
        ([{"type": "repository", "name": ["a"]}, 5, {"type": "registry"}], {"['a']": set()}),
    ],
)
def test_access(access: Any, found: Any) -> None:
    assert read_access(token(access=access)) == found


def test_a_registry_with_roles_for_repositories_is_known_by_its_refresh_token() -> None:
    assert has_repository_roles(token(aad_identity="builds"))
    assert not has_repository_roles(token())
    assert not has_repository_roles("none")


def test_what_is_no_token_says_nothing() -> None:
    nested = "[" * 60_000
    for text in ("", "x", "a.b.c", f"{nested}.{nested}.{nested}"):
        assert read_life(text) == USUAL_LIFE
        assert read_access(text) is None
