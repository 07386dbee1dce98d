"""What a model of Groq is known not to take, and what is only one wish too many."""

from __future__ import annotations

from adapters.base import AdapterError, ErrorKind, NativeCall
from adapters.groq.lessons import readings
from adapters.refusals.lessons import Lessons


def test_a_refused_value_says_nothing_of_others() -> None:
    for words, is_known in (
        ("`reasoning_effort` is not supported with this model", True),
        ("`reasoning_effort` xhigh is not supported with this model", False),
    ):
        lessons = Lessons(readings)
        call = NativeCall("POST", "/x", {"model": "m", "reasoning_effort": "xhigh"})
        error = AdapterError(
            ErrorKind.UNSUPPORTED, words, provider="groq", status=400, param="reasoning_effort"
        )
        mended = lessons.amended(call, error)
        assert mended and "reasoning_effort" not in mended.body
        low = NativeCall("POST", "/x", {"model": "m", "reasoning_effort": "low"})
        assert ("reasoning_effort" not in lessons.kept(low).body) is is_known, words
