"""A table that does not grow: what was used longest ago goes first, but never what is in use."""

from buildandpush.clients.recent import Recent


def test_what_was_used_longest_ago_goes_first() -> None:
    table: Recent[str, int] = Recent(2)
    table.put("a", 1)
    table.put("b", 2)
    assert table.get("a") == 1
    table.put("c", 3)
    assert [table.get(key) for key in "abc"] == [1, None, 3]
    assert len(table) == 2


def test_what_is_in_use_stays() -> None:
    table: Recent[int, bool] = Recent(2, is_idle=lambda idle: idle)
    for number, idle in enumerate((False, True, False, False)):
        table.put(number, idle)
    assert [key for key, _ in table.items()] == [0, 2, 3]


def test_what_is_dropped_is_gone() -> None:
    table: Recent[tuple[str, str], int] = Recent(9)
    for uid in "ab":
        table.put((uid, "x"), 1)
    table.drop(lambda key: key[0] == "a")
    assert [key for key, _ in table.items()] == [("b", "x")]
    table.pop(("b", "x"))
    table.pop(("b", "x"))
    assert len(table) == 0


def test_a_full_table_is_not_walked_through_for_each_new_entry() -> None:
    looked_at: list[int] = []

    def is_idle(value: int) -> bool:
        looked_at.append(value)
        return True

    table: Recent[int, int] = Recent(1000, is_idle=is_idle)
    for number in range(1100):
        table.put(number, number)
    assert (len(table), looked_at) == (1000, list(range(100)))
