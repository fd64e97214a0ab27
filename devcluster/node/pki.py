"""Makes and renews the cluster's own authority, certificates and service-account key; needs only `cryptography`."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.machine.shell import write_file
from devcluster.settings import (
    AZURE_HOSTS,
    BLOB_DOMAINS,
    CLUSTER_DOMAIN,
    LOOK_ALIKE_DOMAIN,
    NODE_NAME,
    REGISTRY_DOMAINS,
    Settings,
)

_LIFETIME = datetime.timedelta(days=365)
_RENEW_BEFORE = datetime.timedelta(days=1)
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """What a certificate must say; a server's has names, a client's has none."""

    name: str
    common_name: str
    organization: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def list_certificates(settings: Settings) -> tuple[Certificate, ...]:
    """List every certificate of the cluster."""
    network = settings.network
    short = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    service_names = (*short, f"{short[-1]}.{CLUSTER_DOMAIN}")
    return (
        Certificate(
            "apiserver",
            "kube-apiserver",
            dns_names=("localhost", *service_names),
            addresses=("127.0.0.1", network.kubernetes_service, network.gateway),
        ),
        # One for the health ports that listen on loopback only.
        Certificate("loopback", "localhost", dns_names=("localhost",), addresses=("127.0.0.1",)),
        Certificate("kubelet", NODE_NAME, dns_names=(NODE_NAME,), addresses=(network.gateway,)),
        Certificate(
            "registry",
            settings.registry_host,
            # A wildcard stands for one label only.
            dns_names=(
                *(f"*.{domain}" for domain in (*REGISTRY_DOMAINS, *BLOB_DOMAINS, LOOK_ALIKE_DOMAIN)),
                *(f"*.{domain}.{LOOK_ALIKE_DOMAIN}" for domain in REGISTRY_DOMAINS),
                *AZURE_HOSTS,
            ),
            addresses=(network.gateway,),
        ),
        Certificate("admin", "admin", organization="system:masters"),
        Certificate("apiserver-kubelet-client", "kube-apiserver-kubelet-client", organization="system:masters"),
        Certificate("controller-manager", "system:kube-controller-manager"),
        Certificate("scheduler", "system:kube-scheduler"),
        Certificate("kube-proxy", "system:kube-proxy"),
        Certificate("node", f"system:node:{NODE_NAME}", organization="system:nodes"),
        Certificate("coredns", "buildandpush:coredns"),
    )


def ensure_pki(settings: Settings, now: datetime.datetime) -> tuple[str, ...]:
    """Make each certificate that is missing, ends soon, or differs from the table; return the names of those."""
    made: list[str] = []
    authority = _read_authority(settings.pki, now)
    if authority is None:
        authority = _make_authority(settings.pki, now)
        made.append("ca")
    for wanted in list_certificates(settings):
        if not _is_current(wanted, settings.pki, authority, now):
            _make_certificate(wanted, settings.pki, authority, now)
            made.append(wanted.name)
    if not (settings.pki / "sa.key").exists() or not (settings.pki / "sa.pub").exists():
        _make_service_account_key(settings.pki)
        made.append("sa")
    return tuple(made)


def _read_authority(folder: Path, now: datetime.datetime) -> _Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.not_valid_after_utc - now < _RENEW_BEFORE:
        return None
    return _Authority(certificate, key)


def _make_authority(folder: Path, now: datetime.datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _build_name("buildandpush-devcluster CA", "")
    certificate = (
        _start_builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_build_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate, key)
    return _Authority(certificate, key)


def _make_certificate(wanted: Certificate, folder: Path, authority: _Authority, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = _build_alternative_names(wanted)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _start_builder(
            _build_name(wanted.common_name, wanted.organization), authority.certificate.subject, key.public_key(), now
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_build_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # Python's ssl refuses a chain without it when it checks strictly, as 3.13 does by default.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write_pair(folder, wanted.name, builder.sign(authority.key, hashes.SHA256()), key)


def _is_current(wanted: Certificate, folder: Path, authority: _Authority, now: datetime.datetime) -> bool:
    if not (folder / f"{wanted.name}.key").exists():
        return False
    try:
        found = x509.load_pem_x509_certificate((folder / f"{wanted.name}.crt").read_bytes())
        found.verify_directly_issued_by(authority.certificate)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    if found.not_valid_after_utc - now < _RENEW_BEFORE:
        return False
    return found.subject == _build_name(wanted.common_name, wanted.organization) and read_names(found) == {
        *wanted.dns_names,
        *wanted.addresses,
    }


def read_names(certificate: x509.Certificate) -> set[str]:
    """Read the names and addresses a certificate is valid for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return {*names.get_values_for_type(x509.DNSName), *addresses}


def _make_service_account_key(folder: Path) -> None:
    # RSA, since some verifiers of service-account tokens outside the cluster know no other.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_file(folder / "sa.key", _encode_key(key), mode=0o600)
    write_file(folder / "sa.pub", public.decode())


def _start_builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _build_name(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _build_alternative_names(wanted: Certificate) -> Sequence[x509.GeneralName]:
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.addresses]
    return [*(x509.DNSName(name) for name in wanted.dns_names), *addresses]


def _build_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_file(folder / f"{name}.key", _encode_key(key), mode=0o600)
    write_file(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _encode_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
