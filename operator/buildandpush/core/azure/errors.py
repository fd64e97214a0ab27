"""What Azure's refusals of a login mean, and what to do about them."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.explanations import GOES_ON
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.aadsts import REMEDIES, TEMPORARY
from buildandpush.core.explain import describe
from buildandpush.core.foreign import Admitted, admit_line
from buildandpush.core.registrywords import find_denied_address

MAX_FOREIGN: Final = 256
"""So many bytes are shown of a foreign answer."""

_NUMBER: Final = re.compile(r"AADSTS(\d{1,12})")
# Entra ID appends this to every error. It is for Microsoft's support, and differs in every answer.
_TRACE: Final = "Trace ID:"

_NODE: Final = (
    f"Assign the identity to the operator's node (or its scale set), or correct managedIdentity.clientId. {GOES_ON}"
)
_ADD_AUTHORITY: Final = "add it to trustedCertificates in the chart's values"


@dataclass(frozen=True)
class LoginProblem:
    """Why a login failed."""

    reason: Reason
    detail: str
    """Azure's own words."""
    remedy: str = ""
    """What helps, where more is known than the reason says."""
    temporary: bool = False
    """It is expected to go away by itself."""
    retry_after_seconds: int = 0
    """How long the server wants to be left alone; 0 if it does not say."""

    @property
    def message(self) -> str:
        """Cause, Azure's words and remedy."""
        return describe(self.reason, self.detail, self.remedy)


class LoginError(Exception):
    """A login failed; carries the problem, never a token or a secret."""

    def __init__(self, problem: LoginProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def clip_foreign(text: str) -> Admitted:
    """Foreign words in one line, short enough for a status and without tokens. Whoever knows secrets that may stand in
    them admits the words with these first."""
    return admit_line(text.partition(_TRACE)[0].rstrip(), size=MAX_FOREIGN)


def is_busy(status: int) -> bool:
    """Whether the status of an answer means "try again later": the server has a problem, and refuses nothing."""
    return status == 429 or status >= 500


def classify_entra(text: Admitted, status: int | None) -> LoginProblem:
    """A refusal by Entra ID. `status` is None if no answer came. An answer that refuses nothing and holds no token does
    not come from Entra ID."""
    # azure-identity and its error codes stand before Entra ID's own words.
    words = clip_foreign(text[max(text.find("AADSTS"), 0) :].rstrip("' "))
    found = _NUMBER.search(text)
    number = int(found[1]) if found else 0
    if status is None or status < 400 or is_busy(status) or number in TEMPORARY:
        return LoginProblem(Reason.LOGIN_UNAVAILABLE, words, temporary=True)
    return LoginProblem(Reason.LOGIN_FAILED, words, REMEDIES.get(number, ""))


def classify_node(text: Admitted, status: int | None) -> LoginProblem:
    """A refusal by the endpoint for the node's identities. It answers 400 to every request that can never succeed.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling"""
    if status == 400:
        return LoginProblem(Reason.LOGIN_FAILED, clip_foreign(text), _NODE)
    return LoginProblem(Reason.LOGIN_UNAVAILABLE, clip_foreign(text), temporary=True)


def classify_access(host: str, status: int, body: Admitted) -> LoginProblem:
    """A registry's refusal to give its own login a token for some repositories."""
    if find_denied_address(body) is None and (status == 401 or (status == 400 and "denied" in body.lower())):
        return LoginProblem(Reason.PUSH_NOT_ALLOWED, clip_foreign(f"{host} answered {status}: {body}"))
    return classify_exchange(host, status, body)


def classify_exchange(host: str, status: int, body: Admitted) -> LoginProblem:
    """A registry's refusal to exchange a token of Entra ID for a login of its own."""
    words = clip_foreign(f"{host} answered {status}: {body}")
    address = find_denied_address(body)
    if address is not None:
        return LoginProblem(Reason.REGISTRY_NETWORK_DENIED, clip_foreign(f"address {address}: {words}"))
    if is_busy(status):
        return LoginProblem(Reason.REGISTRY_UNREACHABLE, words, temporary=True)
    return LoginProblem(Reason.REGISTRY_NETWORK_DENIED if status == 403 else Reason.EXCHANGE_REFUSED, words)


UNTOLD: Final = "the operator cannot reach it; the operator's log says why"
"""What users are told of a host inside the cluster's network, whatever is the matter with it."""


def unreachable(host: str, detail: str) -> LoginProblem:
    """A host that gave no answer, or an answer that nobody can read."""
    return LoginProblem(Reason.REGISTRY_UNREACHABLE, clip_foreign(f"{host}: {detail}"), temporary=True)


def distrusts_registry(host: str, detail: str) -> LoginProblem:
    """A registry, or a proxy before it, whose certificate is not trusted."""
    remedy = (
        f"Put the certificate of its authority into the connector's caBundle, or have the installer {_ADD_AUTHORITY}"
    )
    return _distrusts(host, detail, remedy)


def distrusts_entra(host: str, detail: str) -> LoginProblem:
    """Entra ID, or a proxy before it, whose certificate is not trusted. A connector's own certificates are for
    registries alone."""
    remedy = f"Ask the operator's installer to take the certificate of its authority and {_ADD_AUTHORITY}"
    return _distrusts(host, detail, remedy)


def _distrusts(host: str, detail: str, remedy: str) -> LoginProblem:
    """The server may get another certificate, so that a login that has not ended is good enough meanwhile."""
    reason = Reason.CERTIFICATE_NOT_TRUSTED
    return LoginProblem(reason, clip_foreign(f"{host}: {detail}"), f"{remedy}. {GOES_ON}", temporary=True)
