"""ssh for git: the command that git runs, and what the command reads.

ssh connects to a checked address only (network/tunnel.py) and knows the server by its name, as known_hosts does. It
reads no file of the machine. The key and the rest that it reads are files in memory: no disk keeps them, and they are
gone when the process is.
"""

import os
import pwd
import shlex
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from buildandpush.source.git.sshkey import SshLogin
from buildandpush.source.network import tunnel

_ASKPASS: Final = Path(__file__).parent / "askpass"
_TUNNEL: Final = Path(tunnel.__file__)
_FIXED: Final = {
    "ProxyUseFdpass": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
    "VerifyHostKeyDNS": "no",
    "CheckHostIP": "no",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "PreferredAuthentications": "publickey",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "NumberOfPasswordPrompts": "1",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "RequestTTY": "no",
    # A server that says nothing for a minute is given up: at the beginning, and in the middle.
    "ConnectTimeout": "60",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    # Tells the fingerprint that the server shows.
    "LogLevel": "DEBUG1",
}
"""https://man.openbsd.org/ssh_config"""


@dataclass(frozen=True)
class Route:
    """How the server is reached."""

    host: str
    port: int
    addresses: Sequence[str] = ()
    """Checked ones. None for the way through the proxy."""
    proxy: str = field(default="", repr=False)


class MemoryFile:
    """A file in memory that its owner alone may read, which ssh wants of a key. It is gone with this object."""

    def __init__(self, name: str, text: str) -> None:
        number = os.memfd_create(name)
        weakref.finalize(self, os.close, number)
        os.fchmod(number, 0o600)
        with open(number, "wb", closefd=False) as opened:
            opened.write(text.encode())
        self.path: Final = f"/proc/{os.getpid()}/fd/{number}"
        """Where processes of the same user open it."""


@dataclass(frozen=True)
class Ssh:
    """What git's environment needs for ssh. Its files live as long as this value."""

    environment: Mapping[str, str] = field(repr=False)
    files: Sequence[MemoryFile] = field(repr=False)
    origin: str
    """What the key comes from, in words."""


def prepare_ssh(route: Route, login: SshLogin, origin: str) -> Ssh:
    """The environment for a fetch over this route with this login."""
    key, known_hosts, passphrase = (
        MemoryFile(name, text)
        for name, text in (("key", login.key), ("known_hosts", login.known_hosts), ("passphrase", login.passphrase))
    )
    options = {
        **_FIXED,
        "ProxyCommand": _build_tunnel(route),
        "IdentityFile": key.path,
        "UserKnownHostsFile": known_hosts.path,
        "StrictHostKeyChecking": "yes" if login.known_hosts else "no",
        "BatchMode": "no" if login.passphrase else "yes",
    }
    named, users = _name_user()
    command = [*named, "ssh", "-F", os.devnull, *(f"-o{name}={value}" for name, value in options.items())]
    environment = {
        "GIT_ALLOW_PROTOCOL": "ssh",
        "GIT_SSH_COMMAND": shlex.join(command),
        "GIT_SSH_VARIANT": "ssh",
        "SSH_ASKPASS": str(_ASKPASS),
        "SSH_ASKPASS_REQUIRE": "force",
        "BUILDANDPUSH_PASSPHRASE": passphrase.path,
        **({tunnel.PROXY: route.proxy} if route.proxy else {}),
    }
    return Ssh(environment, (key, known_hosts, passphrase, *users), origin)


def _build_tunnel(route: Route) -> str:
    """What a shell is told, after ssh has expanded what stands behind a %."""
    # nss_wrapper is for ssh. It would change how Python looks up the proxy's name.
    command = ["env", "-u", "LD_PRELOAD", sys.executable, "-I", "-S", str(_TUNNEL)]
    return shlex.join([*command, route.host, str(route.port), *route.addresses]).replace("%", "%%")


def _name_user() -> tuple[list[str], list[MemoryFile]]:
    """ssh refuses to run for a user without a name, and pods run as any number. nss_wrapper gives this one a name:
    https://cwrap.org/nss_wrapper.html"""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        users = MemoryFile("passwd", f"build:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n")
        variables = {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": users.path,
            "NSS_WRAPPER_GROUP": os.devnull,
        }
        return ["env", *(f"{name}={value}" for name, value in variables.items())], [users]
    return [], []
