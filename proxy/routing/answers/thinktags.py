"""`<think>…</think>` at the start of the text -> reasoning, for models that write it so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from adapters.base import Event, Finish, Reasoning, Text

OPEN, CLOSE = "<think>", "</think>"
MAX_HELD_CHARS = 1024
"""Of blanks that may stand before the first tag."""


class ThinkTags:
    """Splits one choice's text; a tag may come in pieces, so a possible beginning is held back."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._held = ""
        self._waiting_for: str | None = OPEN
        self._after_tag = False

    def feed(self, text: str) -> list[Event]:
        """What of the text is certain by now, as Reasoning and Text."""
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        self._held += text
        out: list[Event] = []
        if self._waiting_for == OPEN:
            self._look_for_open()
        if self._waiting_for == CLOSE:
            thought, tag, rest = self._held.partition(CLOSE)
            if tag:
                self._go_on(rest, waiting_for=None)
            else:
                keep = _overlap(thought, CLOSE)
                thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
            if thought:
                out.append(Reasoning(thought, self._index))
        if self._waiting_for is None:
            out += self.end()
        return out

    def end(self) -> list[Event]:
        """What was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        is_thought = self._waiting_for == CLOSE
        return [Reasoning(held, self._index) if is_thought else Text(held, self._index)]

    def _look_for_open(self) -> None:
        text = self._held.lstrip()
        if text.startswith(OPEN):
            self._go_on(text[len(OPEN) :], waiting_for=CLOSE)
        elif not OPEN.startswith(text) or len(self._held) > MAX_HELD_CHARS:
            self._waiting_for = None

    def _go_on(self, rest: str, *, waiting_for: str | None) -> None:
        """Behind a tag: the line ends that follow it belong to neither thought nor text."""
        self._waiting_for = waiting_for
        self._held = rest.lstrip("\n")
        self._after_tag = not self._held


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-size:]):
            return size
    return 0


async def split_think_tags(
    events: AsyncIterator[list[Event]],
) -> AsyncGenerator[list[Event], None]:
    """The same events, with tagged thoughts taken out of the text. Who opened them closes them."""
    choices: dict[int, ThinkTags] = {}
    async for batch in events:
        out: list[Event] = []
        for event in batch:
            match event:
                case Text(text, index):
                    out += choices.setdefault(index, ThinkTags(index)).feed(text)
                case Finish(_, index):
                    out += choices.setdefault(index, ThinkTags(index)).end()
                    out.append(event)
                case _:
                    out.append(event)
        if out:
            yield out
