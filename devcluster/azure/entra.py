"""Entra ID: tokens for applications by secret, certificate or federation, and for the node's identity.

Protocol: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from devcluster.azure.answers import entra_error
from devcluster.azure.model import Principal, Tenant, World
from devcluster.azure.tokens import Tokens

LIFETIME_SECONDS = 3599
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REGISTRY_AUDIENCE = "https://containerregistry.azure.net"
REPOS_AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"
"""Azure DevOps is known by its id alone."""
STORAGE_AUDIENCE = "https://storage.azure.com"
MANAGER_AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://management.core.usgovcloudapi.net",
    "https://management.usgovcloudapi.net",
    "https://management.chinacloudapi.cn",
    "https://management.core.chinacloudapi.cn",
)


class Entra:
    """The token service of every tenant."""

    def __init__(self, world: World, tokens: Tokens, service_account_key: str) -> None:
        """`service_account_key` is the public key, in PEM form, of the tokens of service accounts."""
        self._world = world
        self._tokens = tokens
        self._service_account_key = service_account_key

    def describe(self, host: str, tenant_name: str) -> web.Response:
        """The openid-configuration of a tenant."""
        tenant = self._tenant(host, tenant_name)
        base = f"https://{host}/{tenant.id}"
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    def give_token(self, host: str, tenant_name: str, form: Mapping[str, Any]) -> tuple[web.Response, str]:
        """A token by client credentials, and whose it is."""
        tenant = self._tenant(host, tenant_name)
        values = {name: str(value) for name, value in form.items()}
        if values.get("grant_type") != "client_credentials":
            raise entra_error(
                70003, "The app requested an unsupported grant type.", error="unsupported_grant_type", status=400
            )
        audience = self._audience(values.get("scope", ""))
        client_id = values.get("client_id", "")
        principal = self._world.principal(client_id, tenant.id)
        if principal is None:
            raise entra_error(
                700016,
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{tenant.domain or tenant.id}'. "
                "This can happen if the application has not been installed by the administrator of the tenant or "
                "consented to by any user in the tenant.",
                error="unauthorized_client",
                status=400,
            )
        if not principal.enabled:
            raise entra_error(7000112, f"Application '{client_id}'(builds) is disabled.", error="unauthorized_client")
        self._authenticate(principal, host, tenant, values)
        return self._answer(principal, audience), principal.client_id

    def give_node_token(self, headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[web.Response, str]:
        """A token of the node's identity.
        https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token"""
        if headers.get("Metadata") != "true":
            text = "Required metadata header not specified"
            return web.json_response({"error": "invalid_request", "error_description": text}, status=400), ""
        wanted = query.get("client_id", "").lower()
        found = [item for item in self._world.principals if item.node_identity and wanted in ("", item.client_id)]
        if not found:
            text = "Identity not found"
            return web.json_response({"error": "invalid_request", "error_description": text}, status=400), ""
        resource = query.get("resource", "").rstrip("/")
        answer = self._answer(found[0], resource)
        return answer, found[0].client_id

    def _answer(self, principal: Principal, audience: str) -> web.Response:
        token = self._tokens.make(
            LIFETIME_SECONDS,
            aud=audience,
            appid=principal.client_id,
            oid=principal.client_id,
            tid=principal.tenant,
            iss=f"https://sts.windows.net/{principal.tenant}/",
        )
        body = {
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "ext_expires_in": LIFETIME_SECONDS,
            "expires_on": str(int(time.time()) + LIFETIME_SECONDS),
            "resource": audience,
            "access_token": token,
        }
        return web.json_response(body)

    def _tenant(self, host: str, name: str) -> Tenant:
        tenant = self._world.tenant(name)
        if tenant is None or tenant.authority != host:
            raise entra_error(
                90002,
                f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into "
                "the correct cloud.",
                error="invalid_request",
                status=400,
            )
        return tenant

    def _authenticate(self, principal: Principal, host: str, tenant: Tenant, form: Mapping[str, str]) -> None:
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION:
                raise entra_error(50027, "JWT token is invalid or malformed.", error="invalid_request", status=400)
            self._check_assertion(principal, host, tenant, form["client_assertion"])
        elif "client_secret" in form:
            _check_secret(principal, form["client_secret"])
        else:
            raise entra_error(
                7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            )

    def _check_assertion(self, principal: Principal, host: str, tenant: Tenant, assertion: str) -> None:
        try:
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise entra_error(50027, "JWT token is invalid or malformed.", error="invalid_request") from None
        if issuer == principal.client_id:
            self._check_certificate(principal, host, tenant, assertion)
        else:
            self._check_federation(principal, assertion)

    def _audience(self, scope: str) -> str:
        if scope == f"{REPOS_AUDIENCE}/.default":
            return REPOS_AUDIENCE
        if not scope.endswith("/.default") or not scope.startswith("https://"):
            raise entra_error(
                70011,
                f"The provided request must include a 'scope' input parameter. The scope {scope} is not valid.",
                error="invalid_scope",
                status=400,
            )
        audience = scope.removesuffix("/.default").rstrip("/")
        managers = {f"https://{item.manager}" for item in self._world.subscriptions}
        if audience not in {REGISTRY_AUDIENCE, STORAGE_AUDIENCE, *MANAGER_AUDIENCES, *managers}:
            raise entra_error(
                500011,
                f"The resource principal named {audience} was not found in the tenant.",
                error="invalid_resource",
                status=400,
            )
        return audience

    def _check_certificate(self, principal: Principal, host: str, tenant: Tenant, assertion: str) -> None:
        header = jwt.get_unverified_header(assertion)
        known = {_thumbprint(pem, digest): pem for pem in principal.certificates for digest in ("sha1", "sha256")}
        pem = known.get((header.get("x5t#S256") or header.get("x5t") or "").rstrip("="))
        if pem is None:
            raise entra_error(
                700027,
                "The certificate with identifier used to sign the client assertion is not registered on application. "
                f"[Reason - The key was not found., Please visit the Azure Portal, app '{principal.client_id}'].",
            )
        audiences = [f"https://{host}/{name}/oauth2/v2.0/token" for name in (tenant.id, tenant.domain) if name]
        key = (
            x509.load_pem_x509_certificate(pem.encode())
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        try:
            jwt.decode(
                assertion,
                key,
                algorithms=["RS256", "PS256"],
                audience=audiences,
                options={"require": ["exp", "aud", "iss", "sub", "jti"]},
            )
        except jwt.InvalidAudienceError:
            raise entra_error(700023, "Client assertion audience claim does not match Realm issuer.") from None
        except jwt.ExpiredSignatureError:
            raise entra_error(700024, "Client assertion is not within its valid time range.") from None
        except jwt.PyJWTError:
            raise entra_error(700027, "Client assertion failed signature validation.") from None

    def _check_federation(self, principal: Principal, assertion: str) -> None:
        try:
            claims = jwt.decode(
                assertion,
                self._service_account_key,
                algorithms=["RS256", "ES256"],
                options={"verify_aud": False, "require": ["exp", "aud", "iss", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise entra_error(700024, "Client assertion is not within its valid time range.") from None
        except jwt.PyJWTError:
            raise entra_error(50027, "JWT token is invalid or malformed.", error="invalid_request") from None
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not any(item.issuer == claims["iss"] for item in principal.federations):
            raise entra_error(
                700211,
                f"No matching federated identity record found for presented assertion issuer '{claims['iss']}'.",
            )
        if not any(item.subject == claims["sub"] for item in principal.federations):
            raise entra_error(
                700213,
                f"No matching federated identity record found for presented assertion subject '{claims['sub']}'. "
                "Check your federated identity credential Subject, Audience and Issuer.",
            )
        if not any(item.audience in audiences for item in principal.federations):
            raise entra_error(
                700212,
                f"No matching federated identity record found for presented assertion audience '{audiences[0]}'.",
            )


def _check_secret(principal: Principal, given: str) -> None:
    matching = [item for item in principal.secrets if hmac.compare_digest(item.value.encode(), given.encode())]
    if not matching:
        raise entra_error(
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{principal.client_id}'.",
        )
    if all(item.expires_at < datetime.now(UTC) for item in matching):
        raise entra_error(
            7000222,
            f"The provided client secret keys for app '{principal.client_id}' are expired. Visit the Azure portal to "
            "create new keys for your app.",
        )


def _thumbprint(pem: str, digest: str) -> str:
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.new(digest, der).digest()).decode().rstrip("=")
