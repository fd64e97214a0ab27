"""What Azure's refusals of a login mean, and what to do about them.

Numbers: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.core.explain import describe
from buildandpush.core.foreign import Admitted, admit_line

MAX_FOREIGN: Final = 256
"""So many bytes are shown of a foreign answer."""

_NUMBER: Final = re.compile(r"AADSTS(\d{1,12})")
# Entra ID appends this to every error. It is for Microsoft's support, and differs in every answer.
_TRACE: Final = "Trace ID:"

_HEALS: Final = "the run goes on by itself."
_SECRET: Final = f"Put the secret's value, not its id, into the Secret that the connector names; {_HEALS}"
_CERTIFICATE: Final = f"Upload this certificate to the application in Entra ID, or use the one it knows; {_HEALS}"
_FEDERATED: Final = (
    "Give the identity a federated credential with this cluster's issuer, the subject "
    f"system:serviceaccount:<namespace>:<service account> and the audience api://AzureADTokenExchange; {_HEALS}"
)
_TENANT: Final = f"Correct the connector's tenantId; {_HEALS}"
_CLIENT: Final = (
    f"Correct the connector's clientId, or its tenantId if the application lives in another tenant; {_HEALS}"
)

_NODE: Final = (
    f"Assign the identity to the operator's node (or its scale set), or correct managedIdentity.clientId; {_HEALS}"
)

_REMEDIES: Final[dict[int, str]] = {
    7000215: _SECRET,
    7000222: f"Make a new client secret for the application and put its value into the connector's Secret; {_HEALS}",
    7000216: "Give the connector a secret, a certificate or a workload identity.",
    7000112: "Enable the application in Entra ID (enterprise applications, sign-in).",
    700016: _CLIENT,
    90002: _TENANT,
    900023: _TENANT,
    50059: _TENANT,
    70021: _FEDERATED,
    700211: _FEDERATED,
    700212: _FEDERATED,
    700213: _FEDERATED,
    7002138: _FEDERATED,
    700223: "Wait a few minutes: the change of the federated credential has not reached all of Entra ID yet.",
    700024: "Correct the clock of the cluster's nodes: the assertion is not valid at Entra ID's time.",
    700027: _CERTIFICATE,
    700030: _CERTIFICATE,
    50027: _CERTIFICATE,
    53003: "Let the Conditional Access policies admit the identity from the cluster's address.",
    500011: "Register the provider Microsoft.ContainerRegistry in a subscription of the tenant.",
}


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
    if status is None or status < 400 or is_busy(status):
        return LoginProblem(Reason.LOGIN_UNAVAILABLE, words, temporary=True)
    number = _NUMBER.search(text)
    return LoginProblem(Reason.LOGIN_FAILED, words, _REMEDIES.get(int(number[1]), "") if number else "")


def classify_node(text: Admitted, status: int | None) -> LoginProblem:
    """A refusal by the endpoint for the node's identities. It answers 400 to every request that can never succeed.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling"""
    if status == 400:
        return LoginProblem(Reason.LOGIN_FAILED, clip_foreign(text), _NODE)
    return LoginProblem(Reason.LOGIN_UNAVAILABLE, clip_foreign(text), temporary=True)


def classify_access(host: str, status: int, body: Admitted) -> LoginProblem:
    """A registry's refusal to give its own login a token for some repositories."""
    if status == 401 or (status == 400 and "denied" in body.lower()):
        return LoginProblem(Reason.PUSH_NOT_ALLOWED, clip_foreign(f"{host} answered {status}: {body}"))
    return classify_exchange(host, status, body)


def classify_exchange(host: str, status: int, body: Admitted) -> LoginProblem:
    """A registry's refusal to exchange a token of Entra ID for a login of its own."""
    words = clip_foreign(f"{host} answered {status}: {body}")
    if is_busy(status):
        return LoginProblem(Reason.REGISTRY_UNREACHABLE, words, temporary=True)
    return LoginProblem(Reason.REGISTRY_NETWORK_DENIED if status == 403 else Reason.EXCHANGE_REFUSED, words)


def unreachable(host: str, detail: str) -> LoginProblem:
    """A host that gave no answer, or an answer that nobody can read."""
    return LoginProblem(Reason.REGISTRY_UNREACHABLE, clip_foreign(f"{host}: {detail}"), temporary=True)
