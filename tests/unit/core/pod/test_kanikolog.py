"""What kaniko's log says it pushed: the image and not a cached layer, coloured or plain."""

import pytest

from buildandpush.core.pod.kanikolog import find_cache_trouble, find_pushed_digests, select_end

HOST = "contoso.azurecr.io/shop/web"
ONE, TWO = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("log", "digest"),
    [
        (f"INFO[0003] Pushed {HOST}@{ONE}", ONE),
        (f"\x1b[36mINFO\x1b[0m[0003] Pushed {HOST}@{ONE}\n", ONE),
        (f'time="2026-11-24T12:00:00Z" level=info msg="x"\nINFO[2026] Pushed {HOST}@{ONE}\nINFO more\n', ONE),
        (f"INFO[0003] Pushed {HOST}@{ONE}\x1b[0m\r\n", ONE),
        (f"INFO Pushed {HOST}@{ONE}\nINFO Pushed {HOST}@{ONE}", ONE),
        (f"INFO Pushed {HOST}/cache@{ONE}", None),
        (f"INFO Pushed other.azurecr.io/shop/web@{ONE}", None),
        (f"INFO Pushing image to {HOST}:latest", None),
        (f"INFO Pushed {HOST}@{ONE[:-1]}", None),
        (f"INFO Pushed {HOST}@{ONE} and more", None),
        ("", None),
    ],
)
def test_digest_in_the_log(log: str, digest: str | None) -> None:
    assert find_pushed_digests(log, HOST) == ((digest,) if digest else ())


def test_every_digest_that_the_log_names_is_told_once_and_in_order() -> None:
    """A RUN line can print kaniko's words; that they do not agree gives it away."""
    lines = [f"INFO[0007] Pushed {HOST}@{digest}" for digest in (TWO, ONE, TWO)]
    assert find_pushed_digests("\n".join(lines), HOST) == (TWO, ONE)


def test_a_log_that_names_thousands_is_bounded() -> None:
    log = "\n".join(f"Pushed {HOST}@sha256:{number:064x}" for number in range(5000))
    assert len(find_pushed_digests(log, HOST)) == 8


@pytest.mark.parametrize(
    ("log", "trouble"),
    [
        ("INFO one\nWARN[0002] Error uploading layer to cache: DENIED: no\nINFO two", "DENIED: no"),
        ("WARN error uploading layer to cache: one\nWARN Error uploading layer to cache: two", "two"),
        ("WARN Error uploading layer to cache", ""),
        ("INFO one\n", None),
        ("", None),
    ],
)
def test_cache_trouble_in_the_log(log: str, trouble: str | None) -> None:
    assert find_cache_trouble(log) == trouble


ENDED = (
    "error building image: error building stage: failed to execute command: waiting for process to exit: exit status 3"
)


@pytest.mark.parametrize(
    ("log", "selected", "begins"),
    [
        ("one\ntwo", "one\ntwo", True),
        ("one\ntwo\nthree\n", "two\nthree", False),
        (f"one\n{ENDED}\ntwo\nthree\n", f"{ENDED}\ntwo\nthree", False),
        (f"{ENDED}\ntwo\nthree", f"{ENDED}\ntwo\nthree", True),
        (f"one\nxxx{ENDED}\ntwo\nthree\nfour", f"{ENDED}\nthree\nfour", False),
        (f"one\n\x1b[0;{ENDED}\n", f"\x1b[0;\n{ENDED}", False),
        (f"xxx{ENDED}", f"xxx\n{ENDED}", True),
        ("xxx: waiting for process to exit: exit status 3", "xxx: waiting for process to exit: exit status 3", True),
        (f"{ENDED}\ntwo\n{ENDED}\nthree", f"{ENDED}\nthree", False),
        ("", "", True),
    ],
)
def test_how_a_command_ended_is_not_lost_behind_what_it_printed(log: str, selected: str, begins: bool) -> None:
    assert select_end(log, 2) == (selected, begins)
