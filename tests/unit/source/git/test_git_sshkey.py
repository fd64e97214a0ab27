"""Keys as people give them: what is mended, and what is told."""

import base64

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git.sshkey import is_encrypted, read_ssh_login
from buildandpush.source.report import SourceError

ORIGIN = "Secret 'git-key'"
HOSTS = "git.example ssh-ed25519 AAAAC3Nz\n"


def openssh(cipher: bytes) -> str:
    content = b"openssh-key-v1\0" + len(cipher).to_bytes(4) + cipher + bytes(120)
    body = base64.b64encode(content).decode()
    lines = [body[at : at + 70] for at in range(0, len(body), 70)]
    return "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *lines, "-----END OPENSSH PRIVATE KEY-----", ""])


KEY = openssh(b"none")
LOCKED = openssh(b"aes256-ctr")
RSA = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
LOCKED_RSA = RSA.replace("\nMIIE", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIE")
LOCKED_PKCS8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n"


def refused(keys: dict[str, str], *, ignore_host_key: bool = False) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read_ssh_login(keys, ORIGIN, ignore_host_key=ignore_host_key)
    assert "git-key" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["ssh-privatekey", "identity"])
@pytest.mark.parametrize(
    "given",
    [
        pytest.param(KEY, id="as it is"),
        pytest.param(KEY.rstrip("\n"), id="without the last line end"),
        pytest.param(KEY.replace("\n", "\r\n"), id="with Windows line ends"),
        pytest.param(KEY.replace("\n", "\n  "), id="indented"),
        pytest.param(f"\n\n{KEY}\n\n", id="with empty lines around"),
    ],
)
def test_a_key_is_mended(name: str, given: str) -> None:
    login = read_ssh_login({name: given, "known_hosts": HOSTS}, ORIGIN, ignore_host_key=False)
    assert (login.key, login.known_hosts, login.passphrase) == (KEY, HOSTS, "")


def test_the_lines_of_a_locked_key_stay_where_they_are() -> None:
    keys = {"identity": LOCKED_RSA, "known_hosts": HOSTS, "password": "x"}
    assert read_ssh_login(keys, ORIGIN, ignore_host_key=False).key == LOCKED_RSA


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ssh-ed25519 AAAAC3Nz ann@laptop", "is the public half of a key"),
        ("ecdsa-sha2-nistp256 AAAA", "is the public half of a key"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "is the public half of a key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen key.ppk -O private-openssh"),
        (base64.b64encode(KEY.encode()).decode(), "is in base64 twice"),
        (KEY.replace("\n", "\\n"), "without its line breaks"),
        (KEY.replace("\n", " "), "without its line breaks"),
        ("hunter-2-hunter", "is no private key"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "is no private key"),
    ],
)
def test_what_is_no_key_is_told_without_its_content(given: str, words: str) -> None:
    error = refused({"ssh-privatekey": given, "known_hosts": HOSTS})
    assert error.reason is Reason.SOURCE_DENIED
    assert words in str(error)
    assert not [secret for secret in ("AAAA", "hunter", "MIIB", KEY[50:70]) if secret in str(error)]


@pytest.mark.parametrize("keys", [{}, {"ssh-privatekey": " \n"}, {"username": "ann", "password": "p"}])
def test_a_secret_without_a_key_is_told_what_it_needs(keys: dict[str, str]) -> None:
    error = refused(keys)
    assert error.reason is Reason.SOURCE_DENIED
    assert "give it the keys ssh-privatekey and known_hosts" in str(error)


@pytest.mark.parametrize("known_hosts", [{}, {"known_hosts": ""}, {"known_hosts": "\n"}])
def test_without_known_hosts_no_server_is_trusted(known_hosts: dict[str, str]) -> None:
    error = refused({"ssh-privatekey": KEY, **known_hosts})
    assert error.reason is Reason.SOURCE_HOST_KEY
    assert "has no known_hosts" in str(error)
    assert read_ssh_login({"ssh-privatekey": KEY, **known_hosts}, ORIGIN, ignore_host_key=True).known_hosts == ""


@pytest.mark.parametrize("key", [LOCKED, LOCKED_RSA, LOCKED_PKCS8], ids=["openssh", "rsa", "pkcs8"])
def test_a_locked_key_needs_its_passphrase(key: str) -> None:
    keys = {"ssh-privatekey": key, "known_hosts": HOSTS}
    error = refused(keys)
    assert error.reason is Reason.SOURCE_DENIED
    assert "give the Secret the passphrase as password" in str(error)
    login = read_ssh_login({**keys, "password": " open sesame\n"}, ORIGIN, ignore_host_key=False)
    assert login.passphrase == " open sesame"


@pytest.mark.parametrize("key", [KEY, RSA])
def test_a_password_beside_an_open_key_is_no_passphrase(key: str) -> None:
    assert not is_encrypted(key)
    keys = {"ssh-privatekey": key, "known_hosts": HOSTS, "password": "of https"}
    assert read_ssh_login(keys, ORIGIN, ignore_host_key=False).passphrase == ""


def test_a_login_does_not_show_its_secrets() -> None:
    login = read_ssh_login({"ssh-privatekey": LOCKED, "password": "sesame"}, ORIGIN, ignore_host_key=True)
    assert not [secret for secret in ("sesame", LOCKED[50:70]) if secret in repr(login)]
