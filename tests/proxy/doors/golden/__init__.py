"""The golden table: what an answer can say, and what each protocol's own SDK reads of it.

`features.py` has the rows, each a list of neutral events and what they mean. A door is a column,
one file: a `Reader` that hands them to the protocol's official SDK, whose HTTP client gets a `Line`
for its transport, and that names what cannot be said. `READERS` in `table.py` lists them.
docs/doors.md shows the table; `python -m tests.proxy.doors.golden` prints it anew.
"""
