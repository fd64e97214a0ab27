"""Amounts and durations in the pipeline's and Kubernetes' notations."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.quantity import parse_cpu, parse_duration_seconds, parse_memory, quantity_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("500Mi", "500Mi"),
        ("2G", "2G"),
        ("1.5Gi", "1.5Gi"),
        (" 2Gi ", "2Gi"),
        ("16Mi", "16Mi"),
        (".5Gi", ".5Gi"),
        (536870912, "536870912"),
        ("536870912", "536870912"),
    ],
)
def test_memory_is_taken_as_written(value: str | int, text: str) -> None:
    assert parse_memory("memory", value) == text


@pytest.mark.parametrize(
    "value",
    ["", " ", "Mi", "-1Gi", "+1Gi", "1 Gi", "1GB", "1gi", "1e9", "0x10", "٢Gi", "1Gi\n1", "1,5Gi", "nan", float("nan"),
     float("inf"), True, 1e22, "1.Gi", ".Gi", ".", "0" * 30 + "1Gi"],
)  # fmt: skip
def test_what_is_no_amount_of_memory_is_refused_by_name(value: str | float) -> None:
    with pytest.raises(SpecInvalidError, match=r"^resources\.limits\.memory: ") as caught:
        parse_memory("resources.limits.memory", value)
    assert caught.value.field == "resources.limits.memory"


@pytest.mark.parametrize("value", ["0", 0, 500, "500", "15Mi", "1000000m"])
def test_memory_too_little_for_kaniko_is_refused(value: str | int) -> None:
    with pytest.raises(SpecInvalidError, match="16Mi"):
        parse_memory("memory", value)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (512, "a plain number counts bytes, write for example 512Mi"),
        ("0.5", "a plain number counts bytes, write for example 0.5Gi"),
        ("500m", "m stands for thousandths, write for example 500Mi"),
        ("15Mi", "write 16Mi or more"),
        ("500k", "write 16Mi or more"),
    ],
)
def test_too_little_memory_has_a_remedy_that_is_an_amount(text: str | int, remedy: str) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        parse_memory("resources.limits.memory", text)
    assert str(caught.value) == f"resources.limits.memory: {text} is less than 16Mi; {remedy}"


@pytest.mark.parametrize(
    ("value", "text"),
    [("400m", "400m"), ("1.5", "1.5"), (0.5, "0.5"), (".5", ".5"), (1, "1"), ("0.001", "0.001"), (1024, "1024")],
)
def test_cpu_is_taken_as_written(value: str | float, text: str) -> None:
    assert parse_cpu("cpu", value) == text


@pytest.mark.parametrize("value", ["0", 0, "0.0001", "0.5m", 1025, "1Gi", "one", "", True, "-1", 2e-05])
def test_cpu_that_no_pod_can_have_is_refused(value: str | float) -> None:
    with pytest.raises(SpecInvalidError, match=r"^cpu: "):
        parse_cpu("cpu", value)


def test_long_value_is_not_repeated_in_full() -> None:
    with pytest.raises(SpecInvalidError) as caught:
        parse_cpu("cpu", "x" * 10_000)
    assert len(str(caught.value)) < 256


@pytest.mark.parametrize(
    ("text", "value"), [("1Ki", 1024), ("1k", 1000), ("1500m", "1.5"), ("1.5Gi", 1610612736), ("2T", 2 * 10**12)]
)
def test_value_of_a_quantity(text: str, value: int | str) -> None:
    assert quantity_value(text) == Decimal(value)


def test_what_is_no_quantity_has_no_value() -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity_value("1 Gi")


@given(st.integers(16, 10**6))
def test_amounts_of_one_unit_keep_their_order(number: int) -> None:
    smaller, larger = parse_memory("m", f"{number}Mi"), parse_memory("m", f"{number + 1}Mi")
    assert quantity_value(smaller) < quantity_value(larger)


@pytest.mark.proves("timeout")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1s", 1),
        ("30m", 1800),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1 h  30 m", 5400),
        (" 2h ", 7200),
        ("1d", 86400),
        ("1w", 604800),
        ("6d 23h 59m 60s", 604800),
        ("1.5h", 5400),
        ("1h0m0s", 3600),
        ("1m30.5s", 91),
        (".5h", 1800),
        ("2.h", 7200),
        ("1500ms", 2),
        ("1h1us", 3601),
        ("1h1µs1ns", 3601),
    ],
)
def test_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration_seconds("timeout", text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "0s", "0h 0m", "8d", "1w 1s", "90", "h", "1.5.5h", ".h", "-1h", "1h-", "1x", "1H", "1h,30m", "٣s", "1ms"],
)
def test_what_is_no_duration_in_range_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^timeout: "):
        parse_duration_seconds("timeout", text)


@given(hours=st.integers(0, 100), minutes=st.integers(0, 1000), seconds=st.integers(1, 1000))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    whole = parse_duration_seconds("timeout", f"{hours}h {minutes}m {seconds}s")
    assert whole == hours * 3600 + minutes * 60 + seconds
