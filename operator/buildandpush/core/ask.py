"""How a decision asks for a fact that it does not have yet."""

from typing import TypeVar, cast

from buildandpush.core.world import Question, World

_T = TypeVar("_T")


class AskedError(Exception):
    """The decision hangs on a fact that is not among the answers yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


def answer(world: World, question: Question, kind: type[_T]) -> _T:
    """The answer to a question; ends the decision with the question where there is none yet. `kind` is what the
    answer is when it is not something rarer, such as Waiting or None."""
    if question not in world.answers:
        raise AskedError(question)
    return cast("_T", world.answers[question])
