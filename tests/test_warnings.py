"""Every word of `x-pointsman-warnings` stands in its table, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "warnings.md"
BARE = "empty_answer"
HEADS = (
    *("changed", "compacted", "cut", "dropped", "emulated", "fetched", "kept", "loaded"),
    *("malformed", "maybe_billed", "missing", "queued", "replaced", "rescued", "skipped"),
    *("spilled", "stand_in", "truncated", "unknown_model"),
)
WORD = re.compile(rf"(?:{'|'.join(HEADS)})=[\w.]*")


def said() -> set[str]:
    """The words in the code, those made of a name up to their `=`; what is dropped is any name."""
    found: set[str] = set()
    for path in [*(ROOT / "adapters").rglob("*.py"), *(ROOT / "proxy").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(str(text)) if WORD.fullmatch(text) or text == BARE:
                    found.add(text)
                case ast.Call(func=ast.Name("Warn") | ast.Attribute(attr="warn"), args=[argument]):
                    assert _is_known(argument), f"{path.name}:{node.lineno}"
    return {word for word in found if not word.startswith("dropped=")}


def _is_known(argument: ast.expr) -> bool:
    """Whether a word that is warned of begins as one of ours, as far as it is written there."""
    match argument:
        case ast.Constant(str(text)) | ast.JoinedStr([ast.Constant(str(text)), *_]):
            return WORD.match(text) is not None or text == BARE
    return True


def told() -> set[str]:
    """The words in the page's tables, without the names in capitals that stand for others."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    words = [word for row in rows for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    return {re.sub(r"=[A-Z:]+$", "=", word) for word in words}


def test_the_page_names_every_word_and_no_other() -> None:
    assert told() == said()


def test_the_first_page_leads_there() -> None:
    assert "docs/warnings.md" in (ROOT / "README.md").read_text(encoding="utf-8")
