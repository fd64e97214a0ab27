"""The ssh key of a Secret and the host keys that it trusts."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

KEYS: Final = ("ssh-privatekey", "identity")
"""As Secrets of type kubernetes.io/ssh-auth have it, and as Flux has it."""
KNOWN_HOSTS: Final = "known_hosts"
PASSPHRASE: Final = "password"  # noqa: S105 - the name of a key
_OPENSSH: Final = "-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC: Final = b"openssh-key-v1\0"
"""https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key"""
_PUBLIC: Final = ("ssh-", "ecdsa-", "sk-", "-----BEGIN PUBLIC KEY", "-----BEGIN SSH2 PUBLIC KEY", "---- BEGIN SSH2")


@dataclass(frozen=True)
class SshLogin:
    """What ssh logs in with, and what it trusts."""

    key: str = field(repr=False)
    """A private key in a form that OpenSSH reads."""
    known_hosts: str
    """Empty: every host key is taken."""
    passphrase: str = field(default="", repr=False)


def read_ssh_login(keys: Mapping[str, str], origin: str, *, ignore_host_key: bool) -> SshLogin:
    """The login from a Secret's keys; raises SourceError if they are none. `origin` names the Secret."""
    name = next((name for name in KEYS if keys.get(name, "").strip()), "")
    if not name:
        raise SourceError(
            Reason.SOURCE_DENIED,
            f"{origin} holds no ssh key, and an ssh url needs one; give it the keys {KEYS[0]} and {KNOWN_HOSTS}",
        )
    key = _mend(keys[name])
    _check_key(key, f"{name} in {origin}")
    passphrase = keys.get(PASSPHRASE, "").strip("\r\n")
    if is_encrypted(key) and not passphrase:
        raise SourceError(
            Reason.SOURCE_DENIED,
            f"{name} in {origin} is locked by a passphrase; give the Secret the passphrase as {PASSPHRASE}, or a key "
            "without one",
        )
    known_hosts = keys.get(KNOWN_HOSTS, "").strip()
    if not known_hosts and not ignore_host_key:
        raise SourceError(Reason.SOURCE_HOST_KEY, f"{origin} has no {KNOWN_HOSTS}, so nobody knows the server's key")
    trusted = "" if ignore_host_key else known_hosts.replace("\r\n", "\n") + "\n"
    return SshLogin(key, trusted, passphrase if is_encrypted(key) else "")


def _mend(text: str) -> str:
    """The key as OpenSSH wants it: without a Windows editor's line ends, without indents, and ended by a line end."""
    return "".join(f"{line.strip()}\n" for line in text.strip().splitlines())


def _check_key(key: str, named: str) -> None:
    """Raise SourceError for what is often given in place of a private key. Never names a part of it."""
    if key.startswith(_PUBLIC):
        flaw = "is the public half of a key; give the private half, whose file has no .pub at its end"
    elif key.startswith("PuTTY-User-Key-File"):
        flaw = "is a key of PuTTY; convert it: puttygen key.ppk -O private-openssh -o key"
    elif _decode(key).startswith(b"-----BEGIN "):
        flaw = "is in base64 twice; put the key into stringData as it is, or encode it once for data"
    elif not key.startswith("-----BEGIN ") or "PRIVATE KEY-----" not in key.partition("\n")[0]:
        flaw = "is no private key; it has to begin with -----BEGIN OPENSSH PRIVATE KEY----- or alike"
    elif key.count("\n") < 3:
        flaw = "is a key without its line breaks; make the Secret from the file: kubectl create secret … --from-file"
    else:
        return
    raise SourceError(Reason.SOURCE_DENIED, f"{named} {flaw}")


def is_encrypted(key: str) -> bool:
    """Whether a key that begins as one is locked by a passphrase."""
    begin, _, rest = key.partition("\n")
    if begin != _OPENSSH:
        return "ENCRYPTED" in key[:200]
    cipher = _decode(rest.partition("-----")[0])[len(_MAGIC) + 4 :]
    return not cipher.startswith(b"none")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
