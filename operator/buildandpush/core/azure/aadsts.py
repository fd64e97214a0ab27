"""The numbers of Entra ID's refusals, and what to do about each.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes lists most of them. Those about federated
credentials are in https://azure.github.io/azure-workload-identity/docs/troubleshooting.html and in
https://learn.microsoft.com/azure/devops/pipelines/release/troubleshoot-workload-identity.
"""

from typing import Final

from buildandpush.api.explanations import GOES_ON

TEMPORARY: Final = frozenset({50033, 50087, 90006, 90012, 90024, 90033, 90055, 90090, 90091})
"""Entra ID's own trouble, or too many requests to it: the documentation says to try again, whatever the status is."""

_APPLICATION: Final = "Correct the connector's clientId, or its tenantId if the application lives in another tenant."
_SERVICE_PRINCIPAL: Final = (
    "The tenant has no service principal of this application. Have an administrator of the tenant create it (az "
    "ad sp create --id CLIENTID), or correct the connector's clientId or tenantId."
)
_DISABLED: Final = "Enable the application in Entra ID (enterprise applications, enabled for users to sign in)."
_ACCOUNT: Final = (
    "The tenant does not know this account. Write the client id of an application or a managed identity into the "
    "connector, and the id of its own tenant."
)
_CONSENT: Final = "Have an administrator of the tenant consent to the application's permissions."
_TENANT: Final = "Correct the connector's tenantId."
_CLOUD: Final = "The tenant belongs to another cloud. Correct the connector's cloud, or its tenantId."
_TENANT_PROXY: Final = "A proxy between the operator and Entra ID allows other tenants only. Have it allow this tenant."
_CLIENT_VALUE: Final = "Put the secret's value, not its id, into the Secret that the connector names."
_EXPIRED_VALUE: Final = (
    "The client secret has expired. Make a new client secret for the application, and put its value into the "
    "connector's Secret."
)
_CREDENTIAL: Final = "Give the connector a secret, a certificate or a workload identity."
_PUBLIC_CLIENT: Final = (
    "The application is registered as a public client. Register one for a service, or correct the connector's clientId."
)
_CERTIFICATE: Final = "Upload this certificate to the application in Entra ID, or use the certificate that it knows."
_CERTIFICATE_EXPIRED: Final = (
    "The certificate has expired, or is not valid yet. Make a new one, upload it to the application, and put it "
    "with its key into the connector's Secret."
)
_CERTIFICATE_REVOKED: Final = (
    "The certificate was revoked. Make a new one, upload it to the application, and put it with its key into the "
    "connector's Secret."
)
_CLOCK: Final = "Correct the clock of the cluster's nodes: the assertion is not valid at Entra ID's time."
_FEDERATED: Final = (
    "Give the identity a federated credential with this cluster's issuer, the subject "
    "system:serviceaccount:<namespace>:<service account> and the audience api://AzureADTokenExchange. All three "
    "have to be the same to the letter."
)
_FEDERATION_FORBIDDEN: Final = (
    "The tenant forbids federated credentials. Have its administrator allow them for this identity, or let the "
    "connector log in otherwise."
)
_FEDERATED_ISSUER: Final = (
    "Give the federated credential this cluster's own issuer. Entra ID itself cannot be the issuer."
)
_ISSUER_KEYS: Final = (
    "Entra ID cannot read the keys of this cluster's service account issuer. The issuer's address has to answer "
    "from the internet, with the keys that the cluster signs with now."
)
_CONDITIONAL_ACCESS: Final = "Let the Conditional Access policies admit the identity from the cluster's address."
_PROVIDER: Final = "Register the provider Microsoft.ContainerRegistry in a subscription of the tenant."

_NUMBERS: Final[dict[str, tuple[int, ...]]] = {
    _APPLICATION: (700016, 700011),
    _SERVICE_PRINCIPAL: (7000229,),
    _DISABLED: (7000112, 70001),
    _ACCOUNT: (50034, 51004),
    _CONSENT: (65001, 650056, 90094),
    _TENANT: (90002, 900023, 50059, 90019, 50128),
    _CLOUD: (90038, 900382, 900432, 1000104),
    _TENANT_PROXY: (50002, 500021, 500022),
    _CLIENT_VALUE: (7000215, 70002),
    _EXPIRED_VALUE: (7000222,),
    _CREDENTIAL: (7000216, 7000218),
    _PUBLIC_CLIENT: (700025,),
    _CERTIFICATE: (700027, 700030, 50027, 50012, 7000274),
    _CERTIFICATE_EXPIRED: (1000502,),
    _CERTIFICATE_REVOKED: (7000214, 7000277),
    _CLOCK: (700024, 500133),
    _FEDERATED: (70021, 70025, 700211, 700212, 700213, 7002137, 7002138),
    _FEDERATION_FORBIDDEN: (700223, 700238),
    _FEDERATED_ISSUER: (700222, 700229),
    _ISSUER_KEYS: (90061, 900612, 50166, 501661),
    _CONDITIONAL_ACCESS: (53003, 530032, 530035, 53000, 53001, 50131, 50005),
    _PROVIDER: (500011, 50001, 650052),
}

REMEDIES: Final[dict[int, str]] = {
    number: f"{text} {GOES_ON}" for text, numbers in _NUMBERS.items() for number in numbers
}
"""What to do, by number."""
