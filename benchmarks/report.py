"""What a run of peers.py found, as tables: for a terminal and for the README; and which goals it reaches.

    python benchmarks/report.py [FILE] [--readme]

FILE is one of benchmarks/results, or the newest of them; `--readme` puts the table and the plot of it into the README.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

RESULTS = Path(__file__).resolve().parent / "results"
README = RESULTS.parent.parent / "README.md"
PLOT = RESULTS / "newest.svg"
BEGIN, END = "<!-- benchmarks/report.py writes from here -->\n", "<!-- to here -->\n"

OURS, RELAXED, MANY, NGINX = "falcon-s3", "falcon-s3 relaxed", "falcon-s3 many keys", "nginx"
RIVALS = ("rclone", "seaweedfs")
# Row -> (its name, the ratio to the better rival that is the goal).
ROWS = {
    "list": ("LIST, page of 1,000 keys", 15.0),
    "folders": ("LIST, folders", 1.5),
    "get 4 KiB": ("GET 4 KiB", 4.0),
    "get 64 MiB": ("GET 64 MiB", 1.5),
    "put 4 KiB": ("PUT 4 KiB", 2.5),
    "put 16 MiB": ("PUT 16 MiB, 2 at a time", 2.0),
    "put 16 MiB again": ("PUT 16 MiB that came before, 2 at a time", 2.0),
    "put 8 x 16 MiB": ("PUT 16 MiB, 8 at a time", 2.0),
}
BIG_BYTES, PUT_BYTES = 64 << 20, 16 << 20
MOST_MIB, MOST_MIB_OF_WORKER = 200, 60


class Goal(NamedTuple):
    what: str
    wanted: str
    found: str
    reached: bool


def newest() -> Path | None:
    """The results file of the last run: their names begin with the date."""
    return max(RESULTS.glob("*.json"), default=None, key=lambda path: path.name)


def save(result: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    moment = re.sub("[^0-9T]", "", result["date"].partition("+")[0])
    path = RESULTS / f"{moment}-{result['versions']['commit']}.json"
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def ratio(result: dict[str, Any], row: str) -> float | None:
    """Ours to the better rival."""
    figures = result["rows"].get(row, {})
    rivals = [figures[name]["per_second"] for name in RIVALS if name in figures]
    if OURS not in figures or not rivals or not max(rivals):
        return None
    return float(figures[OURS]["per_second"] / max(rivals))


def goals(result: dict[str, Any]) -> Iterator[Goal]:
    """Every goal that the run can tell of."""
    rows, limits = result["rows"], result["limits"]

    def figure(row: str, server: str, name: str = "per_second") -> float | None:
        return rows.get(row, {}).get(server, {}).get(name)

    for row, (title, wanted) in ROWS.items():
        if (found := ratio(result, row)) is not None:
            yield Goal(
                f"{title}: to the better of {' and '.join(RIVALS)}", f">= {wanted}", f"{found:.2f}", found >= wanted
            )
    ours, sent = figure("get 64 MiB", OURS), figure("get 64 MiB", NGINX)
    if ours and sent:
        yield Goal("GET 64 MiB: to nginx", ">= 60 %", f"{ours / sent:.0%}", ours >= 0.6 * sent)
    for row in ("put 16 MiB", "put 16 MiB again", "put 8 x 16 MiB"):
        if cpu := figure(row, OURS, "cpu_us"):
            share = PUT_BYTES / cpu / limits["md5_megabytes"]
            yield Goal(f"{ROWS[row][0]}: bytes a second of CPU, to MD5", ">= 85 %", f"{share:.0%}", share >= 0.85)
    if cpu := figure("list", OURS, "cpu_us"):
        yield Goal("LIST, page of 1,000 keys: CPU of the server", "< 1 ms", f"{cpu / 1e3:.2f} ms", cpu < 1000)
    for row, (title, _) in ROWS.items():
        few, many = figure(row, OURS), figure(row, MANY)
        if few and many:
            keys = result["settings"]["many_keys"]
            yield Goal(f"{title}: with {keys:,} keys, to few", ">= 80 %", f"{many / few:.0%}", many >= 0.8 * few)
    if OURS in result["servers"]:
        used = result["servers"][OURS]
        for what, found, most in (
            ("in all", used["rss_mib"], MOST_MIB),
            ("of the largest worker", used["worker_mib"], MOST_MIB_OF_WORKER),
        ):
            yield Goal(f"memory after, {what}", f"<= {most} MiB", f"{found:.0f} MiB", found <= most)
    ours_too = [figures[name] for figures in rows.values() for name in (OURS, RELAXED, MANY) if name in figures]
    wrong = sum(each["bad"] + each["lost"] for each in ours_too)
    yield Goal("answers that were errors", "0", str(wrong), not wrong)


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def table(result: dict[str, Any]) -> list[str]:
    """Requests a second, one column for each server, as lines of Markdown."""
    columns = [name for name in (OURS, *RIVALS, "moto", NGINX) if any(name in row for row in result["rows"].values())]
    lines = [
        f"| requests a second | {' | '.join(columns)} | ratio |",
        f"|---|{'--:|' * (len(columns) + 1)}",
    ]
    for row, figures in result["rows"].items():
        cells = [rate(figures[name]["per_second"]) if name in figures else "" for name in columns]
        found = ratio(result, row)
        lines.append(f"| {ROWS[row][0]} | {' | '.join(cells)} | {'' if found is None else f'{found:.1f}'} |")
        if RELAXED in figures:
            cells = [rate(figures[RELAXED]["per_second"]), *[""] * len(columns)]
            lines.append(f"| {ROWS[row][0]}, `--durability relaxed` | {' | '.join(cells)} |")
    memory = [f"{result['servers'][name]['rss_mib']:,.0f} MiB" if name in result["servers"] else "" for name in columns]
    lines.append(f"| memory after | {' | '.join(memory)} | |")
    return lines


def section(result: dict[str, Any]) -> str:
    """The part of the README that this writes."""
    machine, versions, settings = result["machine"], result["versions"], result["settings"]
    names = [name for name in (*RIVALS, "moto", NGINX) if name in versions]
    told = (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['system'].split('-')[0]}, client included; {result['date'][:10]};"
        f" {', '.join(f'{name} {versions[name]}' for name in names)};\n{versions['client']}; median of"
        f" {settings['rounds']} rounds of {settings['seconds']} s (`make results`).\n"
        "Signatures are verified, every body put is a new one unless it says that it came before, and ours is on disk before\n"
        f"the answer, theirs is not. The ratio is to the better of {' and '.join(RIVALS)}."
    )
    limits = result["limits"]
    more = (
        f"One core does {limits['md5_megabytes']:,.0f} MB/s of MD5, and the disk {limits['syncs']:,.0f} syncs a second."
    )
    pairs = [(row[OURS], row[MANY]) for row in result["rows"].values() if MANY in row]
    if pairs:
        worst = min(many["per_second"] / few["per_second"] for few, many in pairs)
        more += f"\nWith {settings['many_keys']:,} keys instead of {settings['keys']:,} every row reaches {worst:.0%} or more of that."
    picture = f"![Requests a second, as ratios to the better peer](benchmarks/results/{PLOT.name})"
    return "\n".join([told, "", *table(result), "", more, "", picture, ""])


def write_readme(result: dict[str, Any]) -> None:
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{section(result)}\n{END}{after}")


def print_table(result: dict[str, Any]) -> None:
    """More than the README has: times, CPU of the server, errors."""
    head = f"{'':12s} {'server':20s} {'a second':>10s} {'p50 ms':>9s} {'p99 ms':>9s} {'CPU us':>9s} {'bad':>5s} {'lost':>5s}"
    print(f"\n{head} ratio of ours")
    for row, figures in result["rows"].items():
        ours = figures.get(OURS, {}).get("per_second")
        for name, each in figures.items():
            ratio = f"{ours / each['per_second']:.2f}" if ours and each["per_second"] else "-"
            print(
                f"{row:12s} {name:20s} {each['per_second']:10,.1f} {each['p50_ms']:9,.2f} {each['p99_ms']:9,.2f}"
                f" {each['cpu_us']:9,.0f} {each['bad']:5d} {each['lost']:5d} {ratio}"
            )
    for name, used in result["servers"].items():
        print(f"{name}: {used['rss_mib']:,.0f} MiB in {used['processes']} processes")
    limits = result["limits"]
    print(f"MD5 of one core {limits['md5_megabytes']:,.0f} MB/s, {limits['syncs']:,.0f} syncs a second\n")


def print_goals(found: Iterator[Goal]) -> None:
    for goal in found:
        print(f"{'reached' if goal.reached else 'MISSED ':8s} {goal.what}: {goal.found} ({goal.wanted})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=newest(), help="the newest of benchmarks/results")
    parser.add_argument("--readme", action="store_true", help="put it into the README")
    given = parser.parse_args()
    if given.file is None:
        parser.error("there are no results yet: make results")
    result = orjson.loads(given.file.read_bytes())
    print_table(result)
    print_goals(goals(result))
    if given.readme:
        write_readme(result)


if __name__ == "__main__":
    main()
