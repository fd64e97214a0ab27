"""What kaniko's log says it pushed: the image and not a cached layer, coloured or plain."""

import pytest

from buildandpush.core.pod.kanikolog import find_pushed_digest

HOST = "contoso.azurecr.io/shop/web"
ONE, TWO = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("log", "digest"),
    [
        (f"INFO[0003] Pushed {HOST}@{ONE}", ONE),
        (f"\x1b[36mINFO\x1b[0m[0003] Pushed {HOST}@{ONE}\n", ONE),
        (f'time="2026-11-24T12:00:00Z" level=info msg="x"\nINFO[2026] Pushed {HOST}@{ONE}\nINFO more\n', ONE),
        (f"INFO[0003] Pushed {HOST}@{ONE}\x1b[0m\r\n", ONE),
        (f"INFO Pushed {HOST}@{ONE}\nINFO Pushed {HOST}@{TWO}", TWO),
        (f"INFO Pushed {HOST}/cache@{ONE}", None),
        (f"INFO Pushed other.azurecr.io/shop/web@{ONE}", None),
        (f"INFO Pushing image to {HOST}:latest", None),
        (f"INFO Pushed {HOST}@{ONE[:-1]}", None),
        (f"INFO Pushed {HOST}@{ONE} and more", None),
        ("", None),
    ],
)
def test_digest_in_the_log(log: str, digest: str | None) -> None:
    assert find_pushed_digest(log, HOST) == digest
