"""Secrets do not stay in text, in any form they are printed in."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.redact import MASK, longest_form, mask_values, redact

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl"
SECRET = "p@ss/w+rd=="

# The mask's own character could make a secret anew, which no secret worth the name is made of.
words = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=30)


@given(words, st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"])), st.text("ab \n", max_size=5))
def test_no_given_secret_stays(secret: str, before: str, after: str) -> None:
    assert secret not in redact(before + secret + after + secret, [secret])


@given(words)
def test_no_encoded_form_of_a_secret_stays(secret: str) -> None:
    forms = (base64.b64encode(secret.encode()).decode(), quote(secret, safe=""))
    text = redact(f"one {forms[0]} two {forms[1]} three", [secret])
    assert not any(form in text for form in forms)


@pytest.mark.parametrize(
    "form", [SECRET, base64.b64encode(SECRET.encode()).decode(), quote(SECRET, safe=""), f"x{SECRET}y"]
)
def test_secret_goes_and_its_surroundings_stay(form: str) -> None:
    text = redact(f"before {form} after", [SECRET])
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert MASK in text
    assert form not in text


WRITTEN = "pä s/w&'<r\"d\\"
"""Each way to write it differs from all others."""
FORMS = {
    "raw": WRITTEN,
    "base64": base64.b64encode(WRITTEN.encode()).decode(),
    "URL": quote(WRITTEN, safe=""),
    "form": quote_plus(WRITTEN),
    "HTML": html.escape(WRITTEN),
    "JSON": json.dumps(WRITTEN, ensure_ascii=False)[1:-1],
    "JSON in ASCII": json.dumps(WRITTEN)[1:-1],
    "JSON with \\/": json.dumps(WRITTEN, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "JSON in ASCII with \\/": json.dumps(WRITTEN)[1:-1].replace("/", "\\/"),
}


ODD = "pä s/w&'\\<r\"d"
OTHER_FORMS = {
    "URL in lower case": quote(ODD, safe="").lower(),
    "URL in a URL": quote(quote(ODD, safe=""), safe=""),
    "URL of JavaScript": quote(ODD, safe="!'()*"),
    "JSON of Go": json.dumps(ODD, ensure_ascii=False)[1:-1].replace("&", "\\u0026").replace("<", "\\u003C"),
    "JSON in JSON": json.dumps(json.dumps(ODD).replace("&", "\\u0026"))[3:-3],
    "HTML with numbers": ODD.replace("&", "&#38;").replace("'", "&#39;").replace("<", "&#x3C;").replace('"', "&#34;"),
    "bash -x": ODD.replace("'", "'\\''"),
    "dash -x": ODD.replace("'", "'\"'\"'"),
    "Python": repr(ODD)[1:-1],
    "JavaScript": ODD.replace("\\", "\\\\").replace("'", "\\x27").replace("<", "\\x3c"),
}


@pytest.mark.parametrize("name", OTHER_FORMS)
@pytest.mark.parametrize("others", [0, 60, 500])
def test_a_secret_goes_however_its_odd_characters_are_escaped(name: str, others: int) -> None:
    form = OTHER_FORMS[name]
    assert form != ODD
    values = [ODD, *(f"other value {number}" for number in range(others))]
    for text in (form, f"{form} after", f"before {form}", f"%41 before &lt;{form}& after \\u0026"):
        assert mask_values(text, values) == text.replace(form, MASK)


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "a long user, and more:"])
@pytest.mark.parametrize("after", ["", "\n", "@host", "\n\n"])
@pytest.mark.parametrize("secret", [ODD, "hunter22", "s3cr3t-value", "\U0001f511" * 4, "?>~?>~?>~"])
def test_a_secret_goes_in_base64_of_whatever_it_stands_in(before: str, after: str, secret: str) -> None:
    """`echo $TOKEN | base64` is not base64 of the token: a line break follows it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(f"{before}{secret}{after}".encode()).decode()
        masked = mask_values(f"so: {encoded} is it", [secret])
        left = masked.removeprefix("so: ").removesuffix(" is it")
        assert left.count(MASK) == 1
        for part in left.split(MASK):
            assert len(part) <= (len(before) + len(after)) * 4 / 3 + 4
        assert secret not in mask_values(masked, [])


@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("before", ["", "user:"])
def test_a_secret_goes_in_base64_of_several_lines(width: int, before: str) -> None:
    secret = "".join(f"{number}-part of a token, " for number in range(20))
    encoded = base64.b64encode(f"{before}{secret}\n".encode()).decode()
    lines = "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    masked = mask_values(f"+ base64\n{lines}\nerror building image", [secret])
    assert masked.startswith("+ base64\n")
    assert masked.endswith("\nerror building image")
    assert len(masked) < 60


def test_digests_and_words_stay_beside_short_secrets() -> None:
    text = "sha256:" + "0123456789abcdef" * 4 + " c2hvcnQ= &amp; %41 \\u0026 it's"
    assert mask_values(text, ["tests", "0000", "a%b"]) == text


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("others", [0, 60, 500])
def test_a_secret_goes_in_every_form_that_it_is_written_in(name: str, others: int) -> None:
    assert len(set(FORMS.values())) == len(FORMS)
    values = [WRITTEN, *(f"other value {number}" for number in range(others))]
    for text in (FORMS[name], f"{FORMS[name]} after", f"before {FORMS[name]}", f"before {FORMS[name]} after"):
        assert mask_values(text, values) == text.replace(FORMS[name], MASK)


def test_a_value_goes_though_each_part_that_tells_it_is_the_same() -> None:
    """Of many values those are looked for of which a few characters stand in the text."""
    values = [f"{number:04}" * 4 for number in range(500)]
    assert mask_values(f"{values[7]} or {values[8]}", values) == f"{MASK} or {MASK}"
    assert mask_values(values[7][:8], values) == values[7][:8]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:hunter22@host/x", f"https://{MASK}@host/x"),
        ("https://user:hun/ter22@host/x", f"https://{MASK}@host/x"),
        ("https://user:hun@ter/22@host/x", f"https://{MASK}@host/x"),
        ("https://token@host/x", f"https://{MASK}@host/x"),
        ("https://user:one@two@host/x@y", f"https://{MASK}@y"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host:8080/a", "https://host:8080/a"),
        ("://@host", f"://{MASK}@host"),
        ("git+ssh://git@host:22/x or https://u:pw@host", f"git+ssh://{MASK}@host:22/x or https://{MASK}@host"),
    ],
)
def test_of_a_url_the_login_goes_and_the_rest_stays(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eyJhbGciOiJI.eyJzdWIi.c2lnbmF0", MASK),
        ("eyJ12345678.12345678", MASK),
        ("eyJ12345678.eyJ45678", MASK),
        ("eyJ12345678.12345678.s.rest.of.it", f"{MASK}.rest.of.it"),
        ("a.package.eyJ12345678.12345678", f"a.package.{MASK}"),
        ("of-eyJ-eyJ12345678.12345678", f"of-{MASK}"),
        ("eyJ12345678.12345678.sign.eyJ12345678.12345678", f"{MASK}.{MASK}"),
        ("eyJ12345678.12345678.sign.a.eyJ12345678.12345678", f"{MASK}.a.{MASK}"),
        ("eyJ1234567.1234567890123", "eyJ1234567.1234567890123"),
        ("eyJ12345678901234567.1234567", "eyJ12345678901234567.1234567"),
        ("eyJ12345678901234567890", "eyJ12345678901234567890"),
        ("one.two.three.four.eyJ12345678", "one.two.three.four.eyJ12345678"),
    ],
)
def test_of_a_word_the_tokens_go_and_the_rest_stays(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(f"so: {text}, and more") == f"so: {expected}, and more"


def test_the_longest_form_is_that_of_a_url_of_characters_of_four_bytes() -> None:
    secret = "\U0001f511" * 4
    assert longest_form(["abc", "abcd", secret]) == len(quote(secret)) == 48
    assert longest_form(["abcd"]) == 48
    assert longest_form(["abc"]) == longest_form([]) == 0


def test_a_secret_that_holds_another_goes_whole() -> None:
    assert redact("x abcd-efgh x", ["abcd", "abcd-efgh"]) == f"x {MASK} x"


@pytest.mark.parametrize("secrets", [[], [""], ["a"], ["abc"]])
def test_values_too_short_for_a_secret_blank_nothing_out(secrets: list[str]) -> None:
    assert redact("abc abc", secrets) == "abc abc"


def test_a_secret_is_no_pattern() -> None:
    assert redact("aXXb a..b", ["a..b"]) == f"aXXb {MASK}"


@pytest.mark.parametrize("text", [f"token {JWT}", f"Authorization: Bearer {JWT}", f'{{"refresh_token":"{JWT}"}}'])
def test_tokens_go_without_being_named(text: str) -> None:
    assert JWT not in redact(text)
    assert "c2lnbmF0dXJl" not in redact(text)


@pytest.mark.parametrize("key", ["auth", "password", "identitytoken", "registrytoken"])
def test_logins_of_a_docker_config_go(key: str) -> None:
    text = redact(f'{{"auths": {{"contoso.azurecr.io": {{"{key}" : "hunter22"}}}}}}')
    assert "hunter22" not in text
    assert "contoso.azurecr.io" in text


def test_a_login_that_does_not_end_takes_no_other_line_with_it() -> None:
    assert redact('{"auth":"hunter22\nerror building image: "x"') == '{"auth":"***\nerror building image: "x"'


def test_a_password_with_an_escaped_quote_goes_whole() -> None:
    assert "tail" not in redact(r'{"password":"head\"tail"}')


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter22@host/x",
        "http://user:hunter22@host",
        "https://:hunter22@host/x",
        "https://user:hunter22@extra@host/x",
    ],
)
def test_logins_in_urls_go(url: str) -> None:
    text = redact(f"fatal: unable to access '{url}': refused")
    assert "hunter22" not in text
    assert "extra" not in text
    assert "host" in text


@pytest.mark.parametrize(
    "text",
    [
        "https://host/path",
        "https://host:8080/path",
        "mail me@example.com",
        "eyJ is how tokens begin",
        "sha256:" + "a" * 64,
        "pkg@1.0:2.0",
    ],
)
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(), st.lists(words, max_size=3))
def test_redacting_never_fails(text: str, secrets: list[str]) -> None:
    redact(text, secrets)
