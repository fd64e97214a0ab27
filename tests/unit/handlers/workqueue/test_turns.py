"""Whose turn it is, judged by a model that looks at everything."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from buildandpush.handlers.workqueue.turns import SHARE, Turns

Key = tuple[str, str]
"""Namespace and name."""

NAMESPACES = ("a", "b", "c")


def make(places: int, *, void: frozenset[Key] = frozenset()) -> Turns[Key]:
    return Turns(places, lambda key: key[0], lambda item: item[2] in void)


def take_all(turns: Turns[Key]) -> list[Key]:
    """What begins at once, in its order."""
    taken: list[Key] = []
    while (key := turns.take()) is not None:
        taken.append(key)
    return taken


def fill(turns: Turns[Key], namespace: str, count: int) -> None:
    for number in range(count):
        turns.add((0.0, number, (namespace, str(number))))


def test_a_namespace_gets_no_more_than_its_share() -> None:
    turns = make(8)
    fill(turns, "a", 100)
    assert take_all(turns) == [("a", "0"), ("a", "1")]


def test_a_namespace_gets_one_place_where_there_are_few() -> None:
    turns = make(2)
    fill(turns, "a", 10)
    fill(turns, "b", 10)
    assert take_all(turns) == [("a", "0"), ("b", "0")]


def test_namespaces_have_their_turns_one_after_the_other() -> None:
    turns = make(40)
    fill(turns, "a", 3)
    fill(turns, "b", 2)
    fill(turns, "c", 1)
    assert [key[0] for key in take_all(turns)] == ["a", "b", "c", "a", "b", "a"]


def test_a_key_that_is_due_again_has_its_place_in_the_order_after_its_work() -> None:
    turns = make(4)
    turns.add((0.0, 0, ("a", "first")))
    assert turns.take() == ("a", "first")
    turns.add((1.0, 1, ("a", "first")))
    turns.add((2.0, 2, ("a", "second")))
    turns.end(("a", "first"))
    assert turns.take() == ("a", "first")


def test_entries_that_are_void_take_no_turn() -> None:
    turns = make(40, void=frozenset({("a", "0"), ("a", "1")}))
    fill(turns, "a", 3)
    fill(turns, "b", 1)
    assert take_all(turns) == [("a", "2"), ("b", "0")]


def test_a_turn_looks_at_no_more_keys_when_many_wait() -> None:
    """Ten thousand keys of one namespace, whose first hang."""
    looked: Counter[str] = Counter()

    def note(kind: str) -> bool:
        looked[kind] += 1
        return False

    turns: Turns[Key] = Turns(20, lambda key: str(note("namespace")) and key[0], lambda item: note("void"))
    fill(turns, "a", 10_000)
    assert len(take_all(turns)) == 20 // SHARE
    looked.clear()
    for _ in range(100):
        turns.add((1.0, 1, ("b", "0")))
        assert turns.take() == ("b", "0")
        assert turns.take() is None
        turns.end(("b", "0"))
    assert looked["void"] <= 100
    assert looked["namespace"] <= 400


@given(st.integers(1, 40), st.lists(st.sampled_from(NAMESPACES), max_size=60))
def test_nothing_is_kept_of_keys_that_are_done(places: int, namespaces: list[str]) -> None:
    turns = make(places)
    for number, namespace in enumerate(namespaces):
        turns.add((0.0, number, (namespace, str(number))))
    done: list[Key] = []
    while taken := take_all(turns):
        for key in taken:
            turns.end(key)
        done += taken
    assert len(done) == len(namespaces)
    left = [turns._due, turns._order, turns._held, turns._used, turns.running]
    assert not any(left)


class Model(RuleBasedStateMachine):
    """Adds, takes and ends in any order."""

    places = 12

    def __init__(self) -> None:
        super().__init__()
        self.turns = make(self.places)
        self.numbers = itertools.count()
        self.due: dict[Key, tuple[float, int]] = {}
        self.overtaken: dict[str, Counter[str]] = {}
        """By a namespace that could have a turn: how often each other has had one since."""

    def used(self, namespace: str) -> int:
        return sum(key[0] == namespace for key in self.turns.running)

    def able(self) -> set[str]:
        """The namespaces that could have a turn."""
        return {
            key[0]
            for key in self.due
            if key not in self.turns.running and self.used(key[0]) < max(1, self.places // SHARE)
        }

    def note_able(self) -> None:
        self.overtaken = {namespace: self.overtaken.get(namespace, Counter()) for namespace in self.able()}

    @rule(namespace=st.sampled_from(NAMESPACES), name=st.sampled_from("uvwxyz"), when=st.integers(0, 5))
    def add(self, namespace: str, name: str, when: int) -> None:
        if (namespace, name) not in self.due:
            self.due[(namespace, name)] = (float(when), next(self.numbers))
            self.turns.add((*self.due[(namespace, name)], (namespace, name)))
        self.note_able()

    @rule()
    def take(self) -> None:
        able = self.able()
        free = len(self.turns.running) < self.places
        running = set(self.turns.running)
        key = self.turns.take()
        assert (key is not None) == (free and bool(able)), "whoever can have a turn has one"
        if key is None:
            return
        waiting = {other: when for other, when in self.due.items() if other[0] == key[0] and other not in running}
        assert key == min(waiting, key=lambda other: waiting[other]), "the order within a namespace"
        del self.due[key]
        for other in able - {key[0]}:
            self.overtaken[other][key[0]] += 1
            assert self.overtaken[other][key[0]] <= 1, f"{key[0]} has two turns while {other} waits for one"
        self.overtaken.pop(key[0], None)
        self.note_able()

    @precondition(lambda self: self.turns.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.turns.end(data.draw(st.sampled_from(sorted(self.turns.running))))
        self.note_able()

    @invariant()
    def no_namespace_has_more_than_its_share(self) -> None:
        assert all(self.used(namespace) <= max(1, self.places // SHARE) for namespace in NAMESPACES)
        assert len(self.turns.running) <= self.places


class Crowded(Model):
    """Fewer places than namespaces."""

    places = 2


TestShares = Model.TestCase
TestCrowded = Crowded.TestCase
