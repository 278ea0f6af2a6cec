#!/usr/bin/env python3
"""Process pools side by side, in turn, in one run; prints a table and a verdict for each bar.

    python3 bench/pools/compare.py [--rounds 7] [--only rate,payload] [--json FILE] [--markdown FILE]

Builds what is written in Rust, and puts Python's pools into a virtual environment below bench/target.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", BENCH / "target"))
PYTHON = ["concurrent.futures", "multiprocessing", "loky", "joblib"]
OTHERS = [*PYTHON, "procspawn"]

# case: what it is, operations of ours and of others, who takes part, and how a figure is shown.
CASES = {
    "first": ("first result of a cold pool of two workers, ms", 1, 1, ["bucle", *OTHERS], 1e6),
    "trip": ("round trip of a no-op, back to back, us", 20_000, 1_000, ["bare", "bucle", *OTHERS], 1e3),
    "trip-asleep": ("round trip of a no-op, 2 ms apart, us", 300, 300, ["bare", "bucle", *OTHERS], 1e3),
    "rate": ("a no-op, 1,000 single submits outstanding, two workers, us", 300_000, 5_000, ["bucle", *OTHERS], 1e3),
    "map": ("an item of a chunked map, two workers, us", 1_000_000, 100_000, ["bucle", *PYTHON], 1e3),
    "payload": ("64 MiB there and a new one back, ms", 12, 3, ["bucle", *OTHERS], 1e6),
    "payload-copied": ("the same, ours as a Vec of the caller's own, ms", 12, 3, ["bucle"], 1e6),
    "payload-in": ("64 MiB there, ms (bare: memcpy)", 20, 0, ["bare", "bucle"], 1e6),
    "work-10ms": ("a task of 10 ms, two workers, ms (bare: two pinned processes)", 100, 0, ["bare", "bucle"], 1e6),
    "work-100us": ("a task of 100 us, two workers, us (bare: two pinned processes)", 10_000, 0, ["bare", "bucle"], 1e3),
}

# case, than whom, and how many times bucle's figure theirs must be at least.
BARS = [
    ("rate", PYTHON, 10.0),
    ("payload", PYTHON, 10.0),
    ("trip-asleep", ["bare"], 1 / 1.3),
    ("payload-in", ["bare"], 0.5),
    ("work-10ms", ["bare"], 0.97),
    ("work-100us", ["bare"], 0.85),
]
# case and the most bucle's own figure may be, in ns.
CEILINGS = [("trip", 10e3), ("first", 20e6)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases, separated by commas")
    parser.add_argument("--peers", default="", help="bare, bucle, procspawn, or a pool of Python's")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything works")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args()
    cases = asked.only.split(",") if asked.only else list(CASES)
    for case in cases:
        if case not in CASES:
            parser.error(f"no case `{case}`; there are {', '.join(CASES)}")
    peers = asked.peers.split(",") if asked.peers else ["bare", "bucle", *OTHERS]
    for peer in peers:
        if peer not in ["bare", "bucle", *OTHERS]:
            parser.error(f"no peer `{peer}`; there are bare, bucle, {', '.join(OTHERS)}")
    if not asked.no_build:
        build()
    rounds = 1 if asked.quick else asked.rounds
    samples = measure(cases, peers, rounds, 20 if asked.quick else 1)
    text = report(samples, rounds)
    print(text)
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine(), "rounds": rounds, "nanoseconds": samples}, indent=1) + "\n")
    if asked.markdown:
        asked.markdown.write_text(text + "\n")


def build():
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "-p", "bench-pools", "--manifest-path", BENCH / "Cargo.toml"],
        check=True,
    )
    venv = TARGET / "pools-venv"
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"], check=True)


def program(peer, case, count, steps):
    if peer in PYTHON:
        return [TARGET / "pools-venv" / "bin" / "python", HERE / "peer.py", peer, case, str(count)]
    if peer == "bare":
        case = {"payload-in": "copy"}.get(case, case)
    if case.startswith("work-"):
        case = "work"
    return [TARGET / "release" / f"pool_{peer}", case, str(count), str(steps)]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def measure(cases, peers, rounds, shorter):
    """For each case and peer the figures of all rounds, in which all had their turn."""
    order = random.Random(1)
    steps = {}
    for case, microseconds in [("work-10ms", 10_000), ("work-100us", 100)]:
        if case in cases:
            steps[case] = int(run([TARGET / "release" / "pool_bare", "calibrate", str(microseconds)]))
    samples = {case: {peer: [] for peer in CASES[case][3] if peer in peers} for case in cases}
    for number in range(rounds):
        for case in cases:
            taking_part = list(samples[case])
            order.shuffle(taking_part)
            for peer in taking_part:
                if sys.stderr.isatty():
                    print(f"\r\x1b[Kround {number + 1} of {rounds}: {case}, {peer}", end="", file=sys.stderr)
                _, ours, others, _, _ = CASES[case]
                count = max(1, ((peer in OTHERS and others) or ours) // shorter)
                samples[case][peer].append(run(program(peer, case, count, steps.get(case, 0))))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    return samples


def quartiles(figures):
    if len(figures) < 2:
        return figures[0], figures[0], figures[0]
    low, middle, high = statistics.quantiles(figures, n=4, method="inclusive")
    return low, middle, high


def verdict(ratios, least):
    low, middle, high = quartiles(ratios)
    if low <= least <= high and low != high:
        return "TIE   ", low, middle, high
    return "MET   " if middle >= least else "MISSED", low, middle, high


def report(samples, rounds):
    lines = ["# Process pools side by side", "", f"{machine()}, {rounds} rounds; medians, quartiles in brackets.", ""]
    for case, by_peer in samples.items():
        what, _, _, _, unit = CASES[case]
        lines += [f"## {case}: {what}", "", "| pool | figure | as many times bucle's |", "| --- | --- | --- |"]
        ours = by_peer.get("bucle")
        for peer, figures in by_peer.items():
            low, middle, high = quartiles(figures)
            ratio = "-"
            if ours:
                ratio = f"{statistics.median(theirs / own for theirs, own in zip(figures, ours)):.2f}"
            lines.append(f"| {peer} | {middle / unit:.2f} ({low / unit:.2f} to {high / unit:.2f}) | {ratio} |")
        lines.append("")
    lines += ["```text", "bars (TIE: the bar is inside the quartiles)"]
    for case, than, least in BARS:
        ours, others = samples.get(case, {}).get("bucle"), [samples[case][peer] for peer in than if peer in samples.get(case, {})]
        if ours and others:
            best = min(others, key=statistics.median)
            word, low, middle, high = verdict([theirs / own for theirs, own in zip(best, ours)], least)
            whom = next(peer for peer in than if samples[case].get(peer) is best)
            lines.append(f"  {word} {case}: {whom}'s at least {least:.2f} x bucle's: {middle:.2f} (quartiles {low:.2f} to {high:.2f})")
    for case, most in CEILINGS:
        ours = samples.get(case, {}).get("bucle")
        if ours:
            unit = CASES[case][4]
            word, low, middle, high = verdict([-own for own in ours], -most)
            lines.append(f"  {word} {case}: at most {most / unit:.0f}: {-middle / unit:.2f} (quartiles {-high / unit:.2f} to {-low / unit:.2f})")
    return "\n".join([*lines, "```"])


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
