"""A git server over ssh that pods reach: Debian's OpenSSH, with a configuration and users of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_NOBODY: Final = 65534
"""sshd without root needs no users of the machine, and can do nothing to it."""


@dataclass(frozen=True)
class KeyPair:
    """A key in OpenSSH's forms."""

    private: str
    public: str


@dataclass(frozen=True)
class SshServer:
    """A server with one host key, which lets the user `git` in with one key."""

    address: str
    port: int
    host_key: KeyPair
    user_key: KeyPair

    def url(self, path: str) -> str:
        """The address of a repository."""
        return f"ssh://git@{self.address}:{self.port}{path}"

    def known_hosts(self, key: KeyPair | None = None) -> str:
        """What the server is known by: its own key, or another."""
        return f"[{self.address}]:{self.port} {(key or self.host_key).public}\n"


def make_key(passphrase: str = "") -> KeyPair:
    """A new key, locked by the passphrase if there is one."""
    key = Ed25519PrivateKey.generate()
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock).decode()
    return KeyPair(private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


@contextmanager
def serve_ssh(debian: Path, address: str, user_keys: tuple[KeyPair, ...]) -> Iterator[tuple[SshServer, Path]]:
    """A server for the time of the block, and a folder that it reads. `debian` holds the unpacked packages."""
    with tempfile.TemporaryDirectory() as name:
        folder, host_key = Path(name), make_key()
        # The cache may be in a folder that root alone can enter.
        debian = Path(shutil.copytree(debian, folder / "debian"))
        _write_files(folder, address, host_key, user_keys)
        _name_parts(debian, folder / "config")
        port = _find_port(address)
        libraries = next(path.parent for path in debian.rglob("libnss_wrapper.so"))
        environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": str(libraries),
            "LD_PRELOAD": str(libraries / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
            "NSS_WRAPPER_GROUP": "/etc/group",
        }
        command = [str(debian / "usr" / "sbin" / "sshd"), "-D", "-e", "-f", str(folder / "config"), "-p", str(port)]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                command, env=environment, stderr=log, user=_NOBODY, group=_NOBODY, extra_groups=[], cwd="/"
            )
        try:
            _wait_for_listener(address, port, running, folder / "log")
            yield SshServer(address, port, host_key, user_keys[0]), folder
        finally:
            running.terminate()
            running.wait()


def _write_files(folder: Path, address: str, host_key: KeyPair, user_keys: tuple[KeyPair, ...]) -> None:
    folder.chmod(0o755)
    (folder / "host").write_text(host_key.private)
    (folder / "host").chmod(0o600)
    shutil.chown(folder / "host", _NOBODY, _NOBODY)
    (folder / "keys").write_text("".join(f"{key.public}\n" for key in user_keys))
    (folder / "passwd").write_text(f"git:x:{_NOBODY}:{_NOBODY}::/:/bin/sh\n")
    (folder / "config").write_text(
        f"ListenAddress {address}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/keys\nStrictModes no\nUsePAM no\n"
        "PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowUsers git\n"
        "SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n"
    )


def _name_parts(debian: Path, config: Path) -> None:
    """Newer versions consist of several programs, which sshd looks for where they would be installed."""
    with config.open("a") as opened:
        for program, option in (("sshd-session", "SshdSessionPath"), ("sshd-auth", "SshdAuthPath")):
            for found in debian.rglob(program):
                opened.write(f"{option} {found}\n")


def _find_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        return int(found.getsockname()[1])


def _wait_for_listener(address: str, port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    while running.poll() is None:
        try:
            socket.create_connection((address, port), 5).close()
        except ConnectionRefusedError:
            continue
        return
    raise RuntimeError(f"sshd ended with {running.returncode}: {log.read_text()}")
