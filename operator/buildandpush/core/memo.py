"""Results of pure functions that one decision asks for several times: each question starts it anew."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

LAST_SUBJECTS: Final = 16
"""The steps of a decision follow each other closely. So few others come in between."""

S = TypeVar("S")
P = ParamSpec("P")
V = TypeVar("V")


def remembered(most: int) -> Callable[[Callable[Concatenate[S, P], V]], Callable[Concatenate[S, P], V]]:
    """A function that gives its last result again for the same subject, which is its first argument.

    The subject is told apart by its identity, so it must never change. All else is compared. Results of the `most`
    subjects that came last are kept. An error is not kept.
    """

    def decorate(function: Callable[Concatenate[S, P], V]) -> Callable[Concatenate[S, P], V]:
        known: dict[int, tuple[S, object, V]] = {}

        @wraps(function)
        def call(subject: S, /, *args: P.args, **kwargs: P.kwargs) -> V:
            found = known.get(id(subject))
            # The table holds the subject, so no other can have its identity meanwhile.
            if found is not None and found[1] == (args, kwargs):
                return found[2]
            value = function(subject, *args, **kwargs)
            known.pop(id(subject), None)
            known[id(subject)] = (subject, (args, kwargs), value)
            if len(known) > most:
                del known[next(iter(known))]
            return value

        return call

    return decorate
