"""A thought in tags at the start of the text -> reasoning, for models that write it so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from adapters.base import Event, Finish, Reasoning, Text

TAGS: Mapping[str, str] = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "<|channel>thought": "<channel|>",
    "<|channel|>analysis<|message|>": "<|end|><|start|>assistant<|channel|>final<|message|>",
}
"""What a thought begins with, and its end: Gemini's, Seed's, Mistral's, Gemma's, gpt-oss's."""
MAX_HELD_CHARS = 1024
"""Of blanks that may stand before the first tag."""


class ThinkTags:
    """Splits one choice's text; a tag may come in pieces, so a possible beginning is held back."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._held = ""
        self._is_start = True
        self._close: str | None = None
        self._after_tag = False

    def feed(self, text: str) -> list[Event]:
        """What of the text is certain by now, as Reasoning and Text."""
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        self._held += text
        out: list[Event] = []
        if self._is_start:
            self._look_for_open()
        if self._close:
            thought, tag, rest = self._held.partition(self._close)
            if tag:
                self._go_on(rest, close=None)
            else:
                keep = _overlap(thought, self._close)
                thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
            if thought:
                out.append(Reasoning(thought, self._index))
        if not (self._is_start or self._close):
            out += self.end()
        return out

    def end(self) -> list[Event]:
        """What was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [Reasoning(held, self._index) if self._close else Text(held, self._index)]

    def _look_for_open(self) -> None:
        text = self._held.lstrip()
        opened = next((tag for tag in TAGS if text.startswith(tag)), None)
        if opened:
            self._go_on(text[len(opened) :], close=TAGS[opened])
        may_open = len(self._held) <= MAX_HELD_CHARS and any(tag.startswith(text) for tag in TAGS)
        self._is_start = may_open and not opened

    def _go_on(self, rest: str, *, close: str | None) -> None:
        """Behind a tag: the line ends that follow it belong to neither thought nor text."""
        self._close = close
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
