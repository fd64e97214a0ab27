"""Builds that print what our patterns look for, in one line of 5 MB without an end, and then fail."""

from typing import Final

from tests.e2e.harness.api import Object
from tests.e2e.harness.build import FROM, inline

LINE_BYTES: Final = 5_000_000
EXIT_CODE: Final = 3


def print_and_fail(fragment: str, begin: str = "", end: str = "") -> Object:
    """A source whose RUN line prints a beginning, a fragment again and again, and an end, all in one line."""
    parts = (f"printf '{_octal(begin)}'", _repeat(fragment), f"printf '{_octal(end)}'")
    return inline(f"{FROM}RUN {'; '.join(parts)}; exit {EXIT_CODE}\n")


def _repeat(fragment: str) -> str:
    return f"yes \"$(printf '{_octal(fragment)}')\" | tr -d '\\n' | head -c {LINE_BYTES}"


def _octal(text: str) -> str:
    """A text as printf takes any, so that neither Dockerfile nor shell reads anything into it."""
    return "".join(f"\\{byte:03o}" for byte in text.encode())
