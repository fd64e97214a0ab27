"""Amounts of memory and cpu, and durations, in the notations of the pipeline step and of Kubernetes."""

import math
import re
from decimal import Decimal
from typing import Final

from buildandpush.api.base import MAX_QUANTITY
from buildandpush.core.errors import SpecInvalidError

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_FACTORS: Final = {
    "": Decimal(1), "m": Decimal("0.001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")

MIN_MEMORY_BYTES: Final = 16 * 2**20
"""Below this the kaniko binary itself does not start."""
_LEAST_MI: Final = 16

# The step's units, and Go's below a second: https://pkg.go.dev/time#ParseDuration
_SECONDS: Final = {
    "w": Decimal(7 * 86400), "d": Decimal(86400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1),
    "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"), "ns": Decimal("1e-9"),
}  # fmt: skip
# No search begins in the middle of a number, so a text is read once.
_DURATION: Final = re.compile(r"(?<![0-9.])([0-9]++(?:\.[0-9]*+)?|\.[0-9]++)\s*+(ms|us|µs|μs|ns|[wdhms])")
MAX_TIMEOUT_SECONDS: Final = 7 * 86400


def parse_memory(field: str, value: str | float) -> str:
    """A memory amount as Kubernetes takes it; raises SpecInvalidError for anything else or for less than 16Mi."""
    text, amount = _parse(field, value, "a number with G, M, Gi or Mi, such as 2Gi")
    if amount < MIN_MEMORY_BYTES:
        raise SpecInvalidError(field, f"{text} is less than 16Mi; {_more_than(text)}")
    return text


def _more_than(text: str) -> str:
    """What somebody meant who forgot the unit, or wrote m for Mi."""
    match = _QUANTITY.fullmatch(text)
    number, unit = (match[1], match[2] or "") if match else ("", "k")
    told = {"": "a plain number counts bytes", "m": "m stands for thousandths"}.get(unit)
    if told is None or not Decimal(number):
        return "write 16Mi or more"
    return f"{told}, write for example {number}{'Mi' if Decimal(number) >= _LEAST_MI else 'Gi'}"


def parse_cpu(field: str, value: str | float) -> str:
    """A cpu amount as Kubernetes takes it; raises SpecInvalidError for anything else or for zero."""
    text, amount = _parse(field, value, "a number of cores, such as 1.5 or 400m")
    if not Decimal("0.001") <= amount <= 1024:
        raise SpecInvalidError(field, f"{text} cores are out of range; write a number of cores, such as 1.5 or 400m")
    return text


def quantity_value(text: str) -> Decimal:
    """The number that a well-formed quantity stands for, in bytes or cores."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    return Decimal(match[1]) * _FACTORS[match[2] or ""]


def _parse(field: str, value: str | float, wanted: str) -> tuple[str, Decimal]:
    text = str(value).strip()
    if isinstance(value, bool) or len(text) > MAX_QUANTITY or _QUANTITY.fullmatch(text) is None:
        raise SpecInvalidError(field, f"{text[:64]!r} is no amount; write {wanted}")
    return text, quantity_value(text)


def parse_duration_seconds(field: str, value: str) -> int:
    """Seconds, rounded up, of a duration such as `90s`, `1h 30m` or `1d`, or Go's `1h30m`, `1.5h`.

    Raises SpecInvalidError for anything else, for less than a second and for more than a week.
    """
    text = value.strip()
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise SpecInvalidError(field, f"{text[:64]!r} is no duration; write for example 90s, 30m or 1h 30m")
    seconds = sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0))
    if not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise SpecInvalidError(field, f"{text[:64]!r} is out of range; write between 1s and 7d")
    return math.ceil(seconds)
