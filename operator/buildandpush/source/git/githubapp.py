"""The login of a GitHub App: its private key becomes a token that reads one repository for an hour.

The Secret has the keys that Flux and Argo CD use. The private key goes to nobody: it signs a request to GitHub's API,
which lies on the host of the repository, or on the same host with `api.` in front. What is signed and what is asked:
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.source.hidden import hide
from buildandpush.source.network.ask import Answer, Request, ask
from buildandpush.source.network.connection import host_of
from buildandpush.source.report import SourceError

APP, INSTALLATION, PRIVATE_KEY, BASE_URL = (
    "githubAppID",
    "githubAppInstallationID",
    "githubAppPrivateKey",
    "githubAppBaseURL",
)
_ARGO_CD_BASE_URL: Final = "githubAppEnterpriseBaseUrl"
KEYS: Final = (APP, INSTALLATION, PRIVATE_KEY, BASE_URL, _ARGO_CD_BASE_URL)
_FORMS: Final = {APP: re.compile("[A-Za-z0-9._-]{1,100}"), INSTALLATION: re.compile("[0-9]{1,20}")}
_TOKEN: Final = re.compile(r"[!-~]{1,4000}")
_MAX_KEY: Final = 2048
"""Characters without blanks. GitHub makes keys of 2048 bits, which have some 1,700. The check of a long one takes up to
hours, and nothing else runs in the process meanwhile."""
_SECONDS: Final = 30.0
"""For a token. In the operator a thread waits for it, and these are few and for all users."""
_CLOCKS_APART_SECONDS: Final = 60
_VALID_SECONDS: Final = 540
"""GitHub takes at most 600, by its own clock."""
_MAX_WORDS: Final = 300
_WHAT: Final = f"{BASE_URL}, the address of GitHub's API"


@dataclass(frozen=True)
class App:
    """A GitHub App, installed where the repository is."""

    id: str
    """A number, or the client id."""
    installation: str
    private_key: str = field(repr=False)
    api: str
    """Address of GitHub's API, without a slash at its end."""


@dataclass(frozen=True)
class Trust:
    """How the API is reached."""

    certificates: Path | None = None
    """None for the usual ones."""
    rules: AddressRules | None = None
    """Which addresses are refused. Default: those that builds may not fetch from."""


class NoTokenError(SourceError):
    """The App gets no token for the repository. If it is public, it can be read without one."""


def names_app(keys: Mapping[str, str]) -> bool:
    """Whether a Secret with these keys is meant as the login of a GitHub App."""
    return any(key in keys for key in (APP, INSTALLATION, PRIVATE_KEY))


def fetch_app_header(keys: Mapping[str, str], origin: str, url: str, trust: Trust) -> str:
    """The Authorization header that reads the repository of the url, by a new token; raises SourceError, and
    NoTokenError if the App may not read it.

    `origin` is where the keys come from, in words.
    """
    app = parse_app(keys, origin, url)
    token = _fetch_token(app, origin, _repository(url), trust)
    return f"Authorization: Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


def parse_app(keys: Mapping[str, str], origin: str, url: str) -> App:
    """The App that a Secret names, for a repository's url; raises SourceError."""
    values = {key: keys[key].strip() for key in KEYS if keys.get(key, "").strip()}
    missing = [key for key in (APP, INSTALLATION, PRIVATE_KEY) if key not in values]
    if missing:
        raise _denied(f"{origin} names a GitHub App without {' and '.join(missing)}; add what is missing")
    other = next((key for key in ("password", "bearerToken") if keys.get(key, "").strip()), None)
    if other:
        raise _denied(f"{origin} names a GitHub App and holds a {other}; remove one of them")
    odd = next((key for key, form in _FORMS.items() if not form.fullmatch(values[key])), None)
    if odd:
        raise _denied(f"{odd} in {origin} is no id; copy it from the settings of the App or of its installation")
    if len("".join(values[PRIVATE_KEY].split())) > _MAX_KEY:
        raise _denied(
            f"{PRIVATE_KEY} in {origin} is longer than a key of GitHub's; give it the file as the settings of the App "
            "made it"
        )
    api = (values.get(BASE_URL) or values.get(_ARGO_CD_BASE_URL) or _usual_api(url)).rstrip("/")
    _check_api(api, origin, url)
    return App(values[APP], values[INSTALLATION], values[PRIVATE_KEY], api)


def _usual_api(url: str) -> str:
    """GitHub's cloud has an API host of its own; GitHub Enterprise Server has it below the server's address."""
    address, host = urlsplit(url).netloc, urlsplit(url).hostname or ""
    is_cloud = host == "github.com" or host.endswith(".ghe.com")
    return f"https://api.{address}" if is_cloud else f"https://{address}/api/v3"


def _check_api(api: str, origin: str, url: str) -> None:
    """The key signs for the repository's own server alone."""
    host, port = host_of(url, "the repository's address")
    try:
        found = host_of(api, _WHAT)
    except SourceError as error:
        raise _denied(f"{origin}: {error}") from None
    if found not in ((host, port), (f"api.{host}", port)) or urlsplit(api).query or urlsplit(api).fragment:
        usual = _usual_api(url)
        raise _denied(f"{BASE_URL} in {origin} is not on the host of source.git.url; write {usual} or leave it out")


def _repository(url: str) -> str:
    """The name by which the API knows the repository; empty if the url has another form than GitHub's."""
    parts = urlsplit(url).path.strip("/").split("/")
    return parts[1].removesuffix(".git") if len(parts) == 2 else ""


def _fetch_token(app: App, origin: str, repository: str, trust: Trust) -> str:
    signed = _sign(app, origin)
    wanted: dict[str, Any] = {"permissions": {"contents": "read"}}
    if repository:
        wanted["repositories"] = [repository]
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {signed}",
        "Content-Type": "application/json",
    }
    url = f"{app.api}/app/installations/{app.installation}/access_tokens"
    request = Request("POST", url, _WHAT, headers, json.dumps(wanted).encode())
    answer = ask(request, trust.certificates, rules=trust.rules, seconds=_SECONDS)
    if answer.status != 201:
        if answer.status == 422 and repository:
            raise NoTokenError(Reason.SOURCE_DENIED, _NOT_INSTALLED.format(app=app.id, installation=app.installation))
        words = hide(str(answer.read_object().get("message", "")), [signed], most=_MAX_WORDS)
        raise _explain(answer, words, app, origin)
    token = answer.read_object().get("token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SourceError(Reason.SOURCE_INVALID, f"{app.api} answers without a token; is it the API of GitHub?")
    return token


def _sign(app: App, origin: str) -> str:
    # The one place of this package that needs more than the standard library, and only for those who use it.
    import jwt  # noqa: PLC0415

    now = int(time.time())
    claims = {"iss": app.id, "iat": now - _CLOCKS_APART_SECONDS, "exp": now + _VALID_SECONDS}
    try:
        return jwt.encode(claims, app.private_key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError):  # their words may quote the key
        raise _denied(
            f"{PRIVATE_KEY} in {origin} is no RSA key in PEM form without a passphrase; "
            "give it the file as the settings of the App made it"
        ) from None


def _explain(answer: Answer, words: str, app: App, origin: str) -> SourceError:
    """What it means that there is no token. https://docs.github.com/rest/apps/apps"""
    status = answer.status
    told = f"{app.api} answers with {status}" + (f" ({words})" if words else "")
    if status == 429 or (status == 403 and _is_limit(answer, words)):
        return SourceError(Reason.SOURCE_THROTTLED, told)
    if status >= 500 or status == 408:
        return SourceError(Reason.SOURCE_UNREACHABLE, told)
    remedy = _REMEDIES.get(status)
    if remedy is None:
        return SourceError(Reason.SOURCE_INVALID, f"{told}; is it the API of GitHub?")
    return _denied(f"{told}; {remedy.format(origin=origin, app=app.id, installation=app.installation)}")


_REMEDIES: Final = {
    401: "compare githubAppID and githubAppPrivateKey in {origin} with the App {app}, and look at the node's clock",
    403: "make the installation {installation} active again, or let the App {app} read the contents of repositories",
    404: "compare githubAppInstallationID in {origin}: the App {app} has no installation {installation}",
    422: "let the App {app} read the contents of repositories",
}
_NOT_INSTALLED: Final = (
    "the App {app} gets no token for this repository; let the installation {installation} have it, and let the App "
    "read the contents of repositories"
)


def _is_limit(answer: Answer, words: str) -> bool:
    remaining = answer.headers.get("X-RateLimit-Remaining", "")
    return "Retry-After" in answer.headers or remaining == "0" or "rate limit" in words.lower()


def _denied(message: str) -> SourceError:
    """For what the Secret or the App may cure: a change of the Secret starts a new run."""
    return SourceError(Reason.SOURCE_DENIED, message)
