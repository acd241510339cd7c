"""The plot of a run of peers.py: of each row, every server's rate as a ratio to the better rival's.

    python benchmarks/plot.py [FILE]    # of benchmarks/results, or the newest of them

Writes benchmarks/results/newest.svg, which the README shows. Its ground is transparent and its text grey, so that it can
be read on white and on black.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import orjson
from matplotlib.figure import Figure
from report import OURS, PLOT, RIVALS, ROWS, newest, rate

# The grey has a contrast of 4 and more on both grounds, the colours of 3 and more.
GREY = "#7d858d"
COLOURS = {OURS: "#e4572e", "rclone": "#3f88c5", "seaweedfs": "#2a9d6f", "moto": "#9a7fb5"}
LEAST = 0.02  # a ratio below is drawn as this


def draw(result: dict[str, Any]) -> Figure:
    rows = [row for row in ROWS if row in result["rows"]]
    servers = [name for name in COLOURS if any(name in result["rows"][row] for row in rows)]
    figure = Figure(figsize=(8, 0.5 + 0.28 * len(rows) * (len(servers) + 1)))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        figures = result["rows"][row]
        best = max(figures[name]["per_second"] for name in RIVALS if name in figures)
        for number, name in enumerate(name for name in servers if name in figures):
            found = figures[name]["per_second"] / best
            height = place * (len(servers) + 1) + number
            axes.barh(height, max(found, LEAST) - LEAST, 0.85, left=LEAST, color=COLOURS[name])
            axes.text(
                max(found, LEAST) * 1.06,
                height,
                f"{found:.2g} × ({rate(figures[name]['per_second'])}/s)",
                va="center",
                fontsize=8,
                color=GREY,
            )
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(LEAST, 200)
    axes.set_xticks([0.1, 1, 10, 100], ["0.1 ×", "1 ×", "10 ×", "100 ×"])
    middle = (len(servers) - 1) / 2
    axes.set_yticks([place * (len(servers) + 1) + middle for place in range(len(rows))], [ROWS[row][0] for row in rows])
    axes.invert_yaxis()
    axes.set_title("Requests a second, as ratios to the better of rclone and SeaweedFS", color=GREY, fontsize=10)
    axes.legend(
        [mpl.patches.Patch(color=COLOURS[name]) for name in servers],
        servers,
        labelcolor=GREY,
        frameon=False,
        loc="lower right",
    )
    axes.tick_params(colors=GREY, which="both", left=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def save(result: dict[str, Any], path: Path = PLOT) -> None:
    # The same file each time for the same figures; text as text.
    with mpl.rc_context({"svg.hashsalt": "falcon-s3", "svg.fonttype": "none", "font.family": "sans-serif"}):
        draw(result).savefig(path, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=newest(), help="the newest of benchmarks/results")
    given = parser.parse_args()
    if given.file is None:
        parser.error("there are no results yet: make results")
    save(orjson.loads(given.file.read_bytes()))
    print(PLOT)


if __name__ == "__main__":
    main()
