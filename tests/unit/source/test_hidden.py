"""A server's words lose the login that they send back, in whatever form."""

import base64
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest

from buildandpush.source.hidden import hide

PASSWORD: Final = "p&ss/w'rd+1=\u00e4"
BASIC: Final = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
WORD: Final = BASIC.partition(" ")[2]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": str,
    "base64": _base64,
    "base64 of more": lambda text: _base64(f"x:{text}\n"),
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of Go": lambda text: json.dumps(text)[1:-1].replace("&", "\\u0026"),
    "HTML": html.escape,
    "trace of a shell": lambda text: text.replace("'", "'\\''"),
}


@pytest.mark.parametrize("outer", FORMS)
@pytest.mark.parametrize("inner", FORMS)
@pytest.mark.parametrize("secret", [PASSWORD, f"user:{PASSWORD}", WORD, BASIC])
def test_a_login_goes_in_every_form(secret: str, inner: str, outer: str) -> None:
    told = FORMS[outer](FORMS[inner](secret))
    text = f"401: you sent {told} and it is wrong"
    hidden = hide(text, [BASIC])
    assert hidden.startswith("401: you sent ")
    assert hidden.endswith(" and it is wrong")
    assert "***" in hidden
    assert len(hidden) < len("401: you sent  and it is wrong") + 3 + len("Basic x:eA==") * 2
    assert not [part for part in (PASSWORD, WORD[4:], quote(PASSWORD)) if part in hidden]


def test_words_without_the_login_stay() -> None:
    text = 'sha256:0123456789abcdef "it\'s" \\u0026 %41 dXNlcjpvdGhlcg== user:other'
    assert hide(text, [BASIC, "", "abc"]) == text


@pytest.mark.parametrize("at", range(290, 301))
def test_of_a_login_that_a_cut_goes_through_no_part_stays(at: int) -> None:
    text = "x" * (at - 1) + " " + PASSWORD + " and more" * 20
    assert hide(text, [BASIC], most=300) == ("x" * (at - 1) + " *** and more")[:300]


def test_a_server_that_says_much_costs_no_more_than_what_is_shown() -> None:
    """The container has little memory, and a build waits for it."""
    hidden = hide("dXNlcjpw" * 2**20, [BASIC], most=300)
    assert hidden == ("dXNlcjpw" * 40)[:300]
