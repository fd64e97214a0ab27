"""The proxy and the additional certificates of build pods."""

from typing import Final

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.core.settings import BuildSettings, ProxySettings

VOLUME: Final = "certificates"
FILE: Final = "trusted.crt"
SOURCE_MOUNT: Final = "/etc/buildandpush-certificates"
KANIKO_MOUNT: Final = "/kaniko/certificates"

# Never through a proxy: the API server and other Services, the pod itself, and the platform's own services.
_DIRECT: Final = (
    "localhost", "127.0.0.1", "::1", "169.254.169.254", "168.63.129.16", "kubernetes.default", ".svc", ".cluster.local",
)  # fmt: skip
# Where the executor's image keeps the usual certificates. A list of folders replaces the default, so both are named:
# https://pkg.go.dev/crypto/x509#SystemCertPool
_KANIKO_FOLDERS: Final = f"/kaniko/ssl/certs:{KANIKO_MOUNT}"


def proxy_environment(proxy: ProxySettings) -> list[Manifest]:
    """The variables of both containers, in upper and lower case: programs differ in which one they read."""
    return [
        {"name": spelling, "value": value}
        for name, value in sorted(_proxy_values(proxy).items())
        for spelling in (name, name.lower())
    ]


def proxy_build_arguments(proxy: ProxySettings, given: tuple[str, ...]) -> list[str]:
    """The predefined build arguments for RUN lines, without those that the spec gives itself.

    https://docs.docker.com/reference/dockerfile/#predefined-args
    """
    if not proxy.run_lines:
        return []
    return [
        f"--build-arg={spelling}={value}"
        for name, value in sorted(_proxy_values(proxy).items())
        for spelling in (name, name.lower())
        if spelling not in given
    ]


def certificate_annotations(settings: BuildSettings) -> dict[str, str]:
    """The certificates as an annotation of the pod. They are no secret, and need no object of their own."""
    return {meta.ANNOTATION_CERTIFICATES: settings.trusted_certificates} if settings.trusted_certificates else {}


def certificate_volumes(settings: BuildSettings) -> list[Manifest]:
    """The volume of the certificates, if there are any."""
    if not settings.trusted_certificates:
        return []
    field = {"fieldPath": f"metadata.annotations['{meta.ANNOTATION_CERTIFICATES}']"}
    return [{"name": VOLUME, "downwardAPI": {"items": [{"path": FILE, "fieldRef": field}]}}]


def certificate_mounts(settings: BuildSettings, path: str) -> list[Manifest]:
    """The mount of that volume in one container."""
    return [{"name": VOLUME, "mountPath": path, "readOnly": True}] if settings.trusted_certificates else []


def kaniko_environment(settings: BuildSettings) -> list[Manifest]:
    """What makes kaniko use proxy and certificates."""
    trust = [{"name": "SSL_CERT_DIR", "value": _KANIKO_FOLDERS}] if settings.trusted_certificates else []
    return [*proxy_environment(settings.proxy), *trust]


def _proxy_values(proxy: ProxySettings) -> dict[str, str]:
    values = {"HTTP_PROXY": proxy.http, "HTTPS_PROXY": proxy.https}
    found = {name: value for name, value in values.items() if value}
    if not found:
        return {}
    exceptions = [item.strip() for item in proxy.exceptions.split(",") if item.strip()]
    return {**found, "NO_PROXY": ",".join(dict.fromkeys([*_DIRECT, *exceptions]))}
