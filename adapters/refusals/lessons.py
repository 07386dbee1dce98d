"""What refusals teach of a model: what of a call it does not take, or not so. Pure.

Which model takes what changes more often than any list. So a refusal is read for what it names, the
call is changed by that and sent once more; what holds of the model goes along with its later calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from adapters.base import NativeCall
from adapters.errors import AdapterError, ErrorKind

MENDABLE = (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED)
MOST_LESSONS = 512


class Lesson(NamedTuple):
    """One thing that a model takes not, or not so.

    `change` makes of a call, and of what was `told`, one that the model takes; the same where there
    is nothing of that kind in it. `lasts` where it is of the model, and not of the one call.
    """

    change: Callable[..., NativeCall]
    told: tuple[Any, ...] = ()
    lasts: bool = False


Reading = Sequence[Lesson]
"""What a refusal may mean: all of these at once."""


def by_words(*rows: tuple[str, Lesson]) -> Callable[[str], Reading]:
    """What finds in a message all that it names; a row is a pattern, and what it is a sign of."""
    table = [(re.compile(words, re.IGNORECASE | re.DOTALL), lesson) for words, lesson in rows]
    return lambda message: [lesson for words, lesson in table if words.search(message)]


class Lessons:
    """What is known of each model of one provider; `read` gives the readings of a call's refusal.

    The first of them by which the call is another one holds. A call is mended `most` times, as some
    name one thing after the other.
    """

    def __init__(
        self, read: Callable[[NativeCall, AdapterError], Iterable[Reading]], most: int = 1
    ) -> None:
        self.most = most
        self.known: dict[str, tuple[Lesson, ...]] = {}
        self._read = read

    def kept(self, call: NativeCall) -> NativeCall:
        """The call, as its model takes it."""
        for lesson in self.known.get(call.model, ()):
            call = _followed(call, lesson)
        return call

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        """The call as the refusal wants it; None where it names nothing that can be mended."""
        for lessons in self._read(call, error):
            mended = call
            for lesson in lessons:
                mended = _followed(mended, lesson)
            if mended.body != call.body:
                self._keep(call.model, [lesson for lesson in lessons if lesson.lasts])
                return mended
        return None

    def _keep(self, model: str, found: Reading) -> None:
        if not found:
            return
        if model not in self.known and len(self.known) >= MOST_LESSONS:
            del self.known[next(iter(self.known))]
        # What is learnt once more goes behind the others, one of which has made it needed.
        others = [lesson for lesson in self.known.get(model, ()) if lesson not in found]
        self.known[model] = (*others, *found)


def _followed(call: NativeCall, lesson: Lesson) -> NativeCall:
    try:
        return lesson.change(call, *lesson.told)
    except (LookupError, TypeError, AttributeError, ValueError):
        return call  # what a client has laid over the body may be of any shape
