"""Writes the tables of docs/benchmarks.md from files of `tunesmith bench --json`.

Usage: tools/benchmark_report.py NOTE TITLE=FILE... > docs/benchmarks.md: a paragraph that says where and when, then one
table a file. Needs Python only.
"""

import json
import math
import sys


def time_text(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def row(result: dict) -> tuple[str, float, float, float]:
    """A line of the table; the ratio to the best peer (0: none), the share of the limit, default / tuned speed."""
    entries = {entry["name"]: entry for entry in result["entries"]}
    ours, default = entries.pop("tunesmith"), entries.pop("tunesmith-default")
    peers = {name: entry for name, entry in entries.items() if entry["max_rel_err"] <= 1e-3}
    ours_ns = ours["median_ns"]
    share = result["limit_ns"] / ours_ns
    name, best_ns = min(((n, e["median_ns"]) for n, e in peers.items()), key=lambda p: p[1], default=("-", 0.0))
    ratio = best_ns / ours_ns
    line = (f"| `{result['workload']}` | {time_text(default['median_ns'])} | {time_text(ours_ns)} "
            f"± {time_text(ours['mad_ns'])} | {100 * share:.0f} % | "
            + (f"{time_text(best_ns)} {name} | {ratio:.2f} |" if best_ns else "- | - |"))
    return line, ratio, share, ours_ns / default["median_ns"]


def table(title: str, report: dict) -> str:
    rows = [row(result) for result in report["results"]]
    ratios = [ratio for _, ratio, _, _ in rows if ratio > 0]
    machine = report["machine"]
    peers = ", ".join(f"{name} {version.split(' ')[0] if name == 'onednn' else version}"
                      for name, version in machine.get("peers", {}).items())
    lines = [f"## {title}", "",
             f"{machine['cpu']}, {report['results'][0]['threads']} thread(s), measured peak "
             f"{machine['peak_gflops']:.0f} GFLOP/s, {machine['bandwidth_gb_s']:.0f} GB/s. Peers: {peers or 'none'}.", "",
             f"Speed over the best peer: geometric mean **{mean(ratios):.3f}**, least {min(ratios, default=math.nan):.2f}. "
             f"Share of the limit: {mean([share for _, _, share, _ in rows]):.2f}. "
             f"Speed of the default (no trials) over tuned: {mean([d for _, _, _, d in rows]):.2f}.", "",
             "| workload | default | tuned | of the limit | best peer | ratio |", "|---|---|---|---|---|---|"]
    return "\n".join(lines + [line for line, _, _, _ in rows]) + "\n"


def main() -> None:
    if len(sys.argv) < 3 or any("=" not in argument for argument in sys.argv[2:]):
        sys.exit("usage: tools/benchmark_report.py NOTE TITLE=FILE...")
    print("# Benchmarks\n\nMade by `tools/benchmark_report.py` from `tunesmith bench --suite NAME --json FILE`. Competitors run "
          "in turn, in one process run, on the same data; medians ± median absolute deviation. `ratio` above 1: Tunesmith is "
          "faster. The limit is the larger of flops over the measured peak and bytes over the measured bandwidth: of memory, or "
          "of the first cache where all arguments fit in the last one. Operations such as exp count one flop, so it is out of "
          "reach for them. Shared machines drift: read the ratios.\n")
    print(sys.argv[1] + "\n")
    for argument in sys.argv[2:]:
        title, _, path = argument.partition("=")
        with open(path, encoding="utf-8") as file:
            print(table(title, json.load(file)))


main()
