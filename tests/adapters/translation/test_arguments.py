"""Where the arguments of a call end, as far as their text tells."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.translation.arguments import MOST_CHARACTERS, MOST_PIECES, are_cut

CUT = '{"city": "Par'


@pytest.mark.parametrize(
    ("pieces", "cut"),
    [
        (("{}",), False),
        (('{"city": ', '"Paris"}'), False),
        (('{"city": "Par', "is"), True),
        (('{"cities": ["Paris"',), True),
        (("Paris",), False),  # no JSON, but nothing in it is open
        ((CUT,), True),
        ((CUT, "x" * MOST_CHARACTERS), False),  # too long to be looked at
        ((CUT, *"x" * MOST_PIECES), False),
    ],
)
def test_arguments_that_break_off_are_told_from_whole_ones(
    pieces: Sequence[str], cut: bool
) -> None:
    assert are_cut(pieces) is cut
