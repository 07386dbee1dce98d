"""Draw the CPU of a request, by system and by what is in flight: docs/cpu.svg.

    uv run benchmarks/plot.py FIGURES.json [docs/cpu.svg]

The figures are those that `run.py --json` has written. The picture follows the reader's light or
dark scheme, and has no other text than the figures' own.
"""

from __future__ import annotations

import argparse
import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts.traffic import MANY, ONE, PLAIN, WAITING

GROUPS = {
    ONE.name: "1 in flight",
    PLAIN.name: "16 in flight",
    WAITING.name: "64 in flight, the provider answers after 50 ms",
    MANY.name: "256 in flight, the provider answers after 50 ms",
}
OURS = "pointsman"
WIDTH, LEFT, RIGHT, TOP, BAR, GAP, SPACE = 760, 128, 96, 64, 15, 4, 26
LEAST_US, MOST_US = 50.0, 20_000.0
TICKS_US = (100, 1_000, 10_000)

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .faint { fill: #59636e; }
  .group { font-weight: 600; }
  .line { stroke: #d1d9e0; }
  .bar { fill: #8b949e; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .faint { fill: #9198a1; }
    .line { stroke: #3d444d; }
    .bar { fill: #6e7681; }
    .ours { fill: #4493f8; }
  }
"""


@dataclass(frozen=True)
class Bar:
    """One system's CPU a request, in µs."""

    name: str
    cpu_us: float

    @property
    def told(self) -> str:
        ms = self.cpu_us / 1000
        return f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def groups_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Bar]]:
    """The bars of each group, cheapest first; of several routes of a system, their mean."""
    groups: dict[str, list[Bar]] = {}
    for load, title in GROUPS.items():
        costs: dict[str, list[float]] = {}
        for row in rows:
            if row["load"] == load and row["cpu_us"] > 0 and not row["failed"]:
                costs.setdefault(row["system"], []).append(row["cpu_us"])
        bars = [Bar(name, sum(found) / len(found)) for name, found in costs.items()]
        if bars:
            groups[title] = sorted(bars, key=lambda bar: bar.cpu_us)
    return groups


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """The whole picture."""
    groups = groups_of(rows)
    bars = sum(map(len, groups.values()))
    height = TOP + bars * (BAR + GAP) + len(groups) * (SPACE + 6) + 34
    body = "\n".join([*_axis(height - 30), *_bars(groups)])
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" \
width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">
<title id="title">CPU time per request by gateway and requests in flight</title>
<style>{STYLE}</style>
<text class="title" x="12" y="24">CPU time per request</text>
<text class="faint" x="12" y="42">1 KB in, 500 B out; shorter is better; logarithmic</text>
{body}
</svg>
"""


def _x(cpu_us: float) -> float:
    share = math.log(max(cpu_us, LEAST_US) / LEAST_US) / math.log(MOST_US / LEAST_US)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _axis(bottom: float) -> Iterator[str]:
    for tick in TICKS_US:
        x = _x(tick)
        yield f'<line class="line" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(f"{tick / 1000:g} ms", x, bottom + 18, 'class="faint" text-anchor="middle"')


def _bars(groups: dict[str, list[Bar]]) -> Iterator[str]:
    y = float(TOP)
    for title, bars in groups.items():
        yield _text(title, 12, y + 12, 'class="group"')
        y += SPACE - 6
        for bar in bars:
            kind = "bar ours" if bar.name == OURS else "bar"
            width, line = _x(bar.cpu_us) - LEFT, y + BAR - 3.5
            size = f'width="{width:.1f}" height="{BAR}" rx="2"'
            yield _text(bar.name, LEFT - 8, line, 'text-anchor="end"')
            yield f'<rect class="{kind}" x="{LEFT}" y="{y:.1f}" {size}/>'
            yield _text(bar.told, LEFT + width + 6, line)
            y += BAR + GAP
        y += 12


def _text(text: str, x: float, y: float, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(text)}</text>'


def main() -> None:
    """Draw the figures of a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figures", type=Path)
    default = Path(__file__).resolve().parent.parent / "docs" / "cpu.svg"
    parser.add_argument("picture", type=Path, nargs="?", default=default)
    options = parser.parse_args()
    rows = json.loads(options.figures.read_text())["rows"]
    options.picture.write_text(svg(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
