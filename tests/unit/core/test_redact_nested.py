"""Secrets do not stay in text that was written in one form and then in another, such as base64 of JSON."""

import base64
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.redact import MASK, mask_values

Write = Callable[[str], str]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wrapped(width: int) -> Write:
    def write(text: str) -> str:
        encoded = _base64(text)
        return "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))

    return write


FORMS: Final[dict[str, Write]] = {
    "raw": str,
    "base64": _base64,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without =": lambda text: _base64(text).rstrip("="),
    "base64 of more": lambda text: _base64(f"user:{text}\n"),
    "base64 in lines": _wrapped(76),
    "base64 of much more in lines": lambda text: _wrapped(64)(f"{'A long beginning. ' * 5}{text}{' and an end' * 5}"),
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").lower() if text == text.lower() else quote(text, safe=""),
    "form": quote_plus,
    "JSON": lambda text: json.dumps({"key": text}),
    "JSON in UTF-8": lambda text: json.dumps({"key": text}, ensure_ascii=False).replace("/", "\\/"),
    "JSON of Go": lambda text: json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c"),
    "HTML": html.escape,
    "HTML with numbers": lambda text: "".join(char if char.isalnum() else f"&#{ord(char)};" for char in text),
    "trace of dash": lambda text: "'" + text.replace("'", "'\"'\"'") + "'",
    "trace of bash": lambda text: "'" + text.replace("'", "'\\''") + "'",
}
# What the mask is of is in no secret. Control characters do not come through the door for foreign text.
CHARACTERS: Final = st.characters(exclude_characters="*", exclude_categories=["Cs", "Cc", "Co", "Cn"])
secrets = st.one_of(
    st.text(CHARACTERS, min_size=8, max_size=24),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=8, max_size=48),
    st.text("aB3 '\"\\/&<>%+=-_\u00e4\U0001f511", min_size=8, max_size=24),
).filter(lambda secret: len(set(secret)) > 3)
surroundings = st.lists(
    st.sampled_from([
        *("", " ", "\n", "x", "INFO[0003] ", "--key=", "user:", "@host/a b", '{"a": "', '"}', "'", "&amp;"),
        *("sha256:" + "0123456789abcdef" * 4, "/usr/local/lib/python3", "it's", "\\", "=", "%41", "50 %"),
        *("QUJDREVG", "\u00e4"),
    ]), max_size=4,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("outer", FORMS)
@pytest.mark.parametrize("inner", FORMS)
@given(secret=secrets, before=surroundings, after=surroundings)
def test_no_secret_stays_in_two_forms_of_each_other(
    inner: str, outer: str, secret: str, before: str, after: str
) -> None:
    written = FORMS[outer](FORMS[inner](secret))
    text = f"{before} {written} {after}"
    masked = mask_values(text, [secret, "another secret"])
    assert MASK in masked
    assert written not in masked
    assert secret not in masked
    assert masked.startswith(before)
    assert masked.endswith(after)
    assert len(masked) < len(text) + len(MASK)


@given(secret=secrets, text=st.one_of(st.text(), surroundings))
def test_a_text_without_the_secret_stays_as_it_is(secret: str, text: str) -> None:
    if mask_values(text, [secret]) != text:
        plain = html.unescape(text).replace("\\", "")
        assert secret.replace("\\", "")[:8] in plain


def test_the_login_in_a_docker_config_goes_from_the_data_of_its_secret() -> None:
    """Which is base64 of JSON with base64 of user and password, as `kubectl get secret -o yaml` prints it."""
    login = {"auths": {"contoso.azurecr.io": {"auth": _base64("00000000-0000-0000-0000-000000000000:hunter22-secret")}}}
    data = _base64(json.dumps(login))
    masked = mask_values(f"  .dockerconfigjson: {data}\nkind: Secret", ["hunter22-secret"])
    assert masked.startswith(f"  .dockerconfigjson: {data[:40]}")
    assert masked.endswith("\nkind: Secret")
    first = masked.removeprefix("  .dockerconfigjson: ").partition(MASK)[0]
    left = base64.b64decode(first[: len(first) // 4 * 4])
    assert b"contoso.azurecr.io" in left
    assert b"hunter" not in base64.b64decode(left.rpartition(b'"')[2] + b"AAAA"[: -len(left.rpartition(b'"')[2]) % 4])


@pytest.mark.parametrize("secret", ["admin", "a/b&"])
def test_a_short_value_in_a_form_of_a_long_one_hides_it_no_less(secret: str) -> None:
    """Each stands in what the other is written as."""
    long = f"{secret}-and-the-rest"
    for write in FORMS.values():
        masked = mask_values(write(long), [secret, long])
        assert "the-rest" not in masked
        assert len(masked) <= len(write("")) + len(MASK) + 4


def test_a_secret_goes_in_base64_of_lines_whose_first_a_cut_went_through() -> None:
    encoded = _wrapped(76)(f"{'before ' * 12}hunter22-secret{' after' * 12}")
    for cut in range(70):
        part = encoded[cut:]
        assert len(mask_values(part, ["hunter22-secret"])) < len(part) - 10


@pytest.mark.parametrize("written", ["$'p\\303\\244ss\\'w&rd'", "p\\xc3\\xa4ss'w&rd", "p\\\\303\\\\244ss'w&rd"])
def test_a_secret_goes_where_its_bytes_are_written_as_numbers(written: str) -> None:
    assert mask_values(f"+ login {written} x", ["p\u00e4ss'w&rd"]) in ("+ login *** x", "+ login $'***' x")


@pytest.mark.parametrize("write", [str, _base64])
def test_a_secret_with_a_blank_goes_from_a_form_that_has_no_other_escapes(write: Write) -> None:
    assert mask_values(f"so: {write('two+words')} is it", ["two words"]) == f"so: {MASK} is it"


def test_a_secret_goes_that_looks_like_an_escape_once_those_around_it_are_undone() -> None:
    secret = "001'\\\\\\'"
    assert mask_values(f"+ login {FORMS['trace of bash'](secret)}", [secret]) == f"+ login '{MASK}'"
