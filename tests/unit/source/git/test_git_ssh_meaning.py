"""What a fetch over ssh that failed means. The words are those of OpenSSH, git and the forges."""

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git.meaning import explain_ssh

ORIGIN = "Secret 'git-key'"
SHOWN = "debug1: Server host key: ssh-ed25519 SHA256:8B3AzOjWBBjBLKWPczND02IbTh+YoR5Phrs3Pg6BEEw\r\n"
KEY = "ssh-ed25519 SHA256:8B3AzOjWBBjBLKWPczND02IbTh+YoR5Phrs3Pg6BEEw"
BEFORE = (
    "debug1: Reading configuration data /dev/null\r\n"
    "debug1: Executing proxy dialer command: exec env -u LD_PRELOAD python3 tunnel.py git.example 22 192.0.2.7\r\n"
    "debug1: identity file /proc/7/fd/3 type -1\r\n"
    f"{SHOWN}"
)
AFTER = (
    "fatal: Could not read from remote repository.\n\n"
    "Please make sure you have the correct access rights\nand the repository exists.\n"
)
IN = (
    'Authenticated to git.example (via proxy) using "publickey".\r\n'
    "debug1: Sending command: git-upload-pack '/x.git'\r\n"
)
OUT = "debug1: Exit status 1\r\nTransferred: sent 3412, received 3044 bytes, in 0.1 s\r\nBytes per second: sent 1.0\r\n"
CHANGED = (
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n"
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
    "The fingerprint for the ED25519 key sent by the remote host is\r\n"
    "SHA256:8B3AzOjWBBjBLKWPczND02IbTh+YoR5Phrs3Pg6BEEw.\r\n"
    "Host key for [git.example]:2222 has changed and you have requested strict checking.\r\n"
    "Host key verification failed.\r\n"
)
UNKNOWN = "No ED25519 host key is known for git.example and you have requested strict checking.\r\n"
DENIED = "git@git.example: Permission denied (publickey).\r\n"

ROWS = [
    (f"{UNKNOWN}Host key verification failed.\r\n", Reason.SOURCE_HOST_KEY,
     f"git.example shows the host key {KEY}; known_hosts in {ORIGIN} has no such key for it"),
    (CHANGED, Reason.SOURCE_HOST_KEY,
     f"[git.example]:2222 shows the host key {KEY}; known_hosts in {ORIGIN} names another one for it"),
    ("@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n"
     "Host key for git.example was revoked and you have requested strict checking.\r\n"
     "Host key verification failed.\r\n",
     Reason.SOURCE_HOST_KEY, f"git.example shows the host key {KEY}; known_hosts in {ORIGIN} revokes it"),
    (DENIED, Reason.SOURCE_DENIED, f"ssh: {DENIED.strip().rstrip('.')}; the server does not take the key in {ORIGIN}"),
    (f"Load key \"/proc/7/fd/3\": error in libcrypto\r\n{DENIED}", Reason.SOURCE_DENIED,
     f"ssh cannot read the key in {ORIGIN} (error in libcrypto); make the Secret from the file of the private key"),
    (f"Load key \"/proc/7/fd/3\": incorrect passphrase supplied to decrypt private key\r\n{DENIED}",
     Reason.SOURCE_DENIED, f"the password in {ORIGIN} is not the passphrase of its key"),
    ("Received disconnect from UNKNOWN port 65535:2: Too many authentication failures\r\n", Reason.SOURCE_DENIED,
     "ssh: Received disconnect from UNKNOWN port 65535:2: Too many authentication failures; "),
    (f"{IN}ERROR: Repository not found.\n{OUT}", Reason.SOURCE_DENIED,
     f"ssh: ERROR: Repository not found; it does not exist, or the key in {ORIGIN} may not read it"),
    (f"{IN}remote: \nremote: ====\nremote: ERROR: The project you were looking for could not be found or you don't "
     f"have permission to view it.\n{OUT}", Reason.SOURCE_DENIED, "ssh: remote: ERROR: The project you were"),
    (f"{IN}remote: TF401019: The Git repository with name or identifier web does not exist or you do not have "
     f"permissions for the operation you are attempting.\n{OUT}", Reason.SOURCE_DENIED, "ssh: remote: TF401019: "),
    (f"{IN}repository access denied. deploy key is not associated with the requested repository.\n{OUT}",
     Reason.SOURCE_DENIED, "ssh: repository access denied. "),
    (f"{IN}Unauthorized\n{OUT}", Reason.SOURCE_DENIED, "ssh: Unauthorized; "),
    (f"{IN}fatal: '/x.git' does not appear to be a git repository\n{OUT}", Reason.SOURCE_INVALID,
     "ssh: '/x.git' does not appear to be a git repository"),
    (f"{IN}fatal: couldn't find remote ref no-such\n{OUT}", Reason.REVISION_NOT_FOUND, "ssh: couldn't find remote ref"),
    ("192.0.2.7 is passed over: [Errno 101] Network is unreachable\n"
     "fatal: unable to connect to git.example port 22 (192.0.2.8): Connection refused\n"
     "mm_receive_fd: recvmsg: expected received 1 got 0\r\nproxy dialer did not pass back a connection\r\n",
     Reason.SOURCE_UNREACHABLE, "ssh: unable to connect to git.example port 22 (192.0.2.8): Connection refused"),
    ("kex_exchange_identification: Connection closed by remote host\r\n", Reason.SOURCE_UNREACHABLE,
     "ssh: kex_exchange_identification: Connection closed by remote host"),
    ("kex_exchange_identification: read: Connection reset by peer\r\n", Reason.SOURCE_UNREACHABLE, "ssh: kex"),
    ("Connection timed out during banner exchange\r\n", Reason.SOURCE_UNREACHABLE, "ssh: Connection timed out"),
    ("Connection closed by UNKNOWN port 65535\r\n", Reason.SOURCE_UNREACHABLE, "ssh: Connection closed by UNKNOWN"),
    (f"{IN}Timeout, server git.example not responding.\r\n", Reason.SOURCE_UNREACHABLE, "ssh: Timeout, server"),
    (f"{IN}Connection to git.example closed by remote host.\r\n", Reason.SOURCE_UNREACHABLE, "ssh: Connection to "),
    (f"{IN}client_loop: send disconnect: Broken pipe\r\n", Reason.SOURCE_UNREACHABLE, "ssh: client_loop: "),
    (f"{IN}ssh_dispatch_run_fatal: Connection to UNKNOWN port 65535: message authentication code incorrect\r\n",
     Reason.SOURCE_UNREACHABLE, "ssh: ssh_dispatch_run_fatal: "),
    (IN, Reason.SOURCE_UNREACHABLE, "ssh: the server ended the connection without a word"),
    ("Unable to negotiate with UNKNOWN port 65535: no matching host key type found. Their offer: ssh-dss\r\n",
     Reason.SOURCE_INVALID, "ssh: Unable to negotiate with "),
    ("kex_exchange_identification: banner line contains invalid characters\r\n"
     "banner exchange: Connection to UNKNOWN port 65535: invalid format\r\n", Reason.SOURCE_INVALID,
     "ssh: kex_exchange_identification: banner line contains invalid characters"),
    (f"{IN}This repository is archived by its owner\n{OUT}", Reason.SOURCE_INVALID, "ssh: This repository is archived"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason", "told"), ROWS, ids=[row[2][:60] for row in ROWS])
def test_the_words_of_ssh_say_whose_fault_it_is(words: str, reason: Reason, told: str) -> None:
    error = explain_ssh(BEFORE + words + AFTER, ORIGIN)
    assert error.reason is reason
    assert str(error).startswith(told)
    assert "debug1" not in str(error)
    assert "\n" not in str(error)


def test_an_empty_word_is_an_outage() -> None:
    assert explain_ssh("", ORIGIN).reason is Reason.SOURCE_UNREACHABLE


def test_the_first_fingerprint_is_the_servers() -> None:
    """What follows the key exchange may be the server's own invention."""
    words = f"{SHOWN}{SHOWN.replace('8B3', 'XXX')}{UNKNOWN}Host key verification failed.\r\n"
    assert KEY in str(explain_ssh(words, ORIGIN))
