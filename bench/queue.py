#!/usr/bin/env python3
"""A start with a million recipients in the queue, half of them due at once.

    cargo xtask bench queue [--recipients N] [--seconds N] [--folder DIR] [--note TEXT] [--print]

The spool is filled through the store, then the server starts on it and relays to smtp-sink over a
route for all domains. It measures how long after the start the first recipients are through, how
many a second then, and the server's memory. Needs root; the result goes to bench/results/.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))

from measure import Group, Lines, Peak, inside, machine, wait_until  # noqa: E402
from servers import BINARY, SINK, listens  # noqa: E402

CONFIG = """[server]
hostname = "mx.bench.example"
[http]
addresses = ["127.0.0.1:2580"]
[dns]
servers = ["127.0.0.1:2653"]
[listeners.mta]
role = "mta"
addresses = ["127.0.0.1:2500"]
[routes."*"]
hosts = [{{ host = "127.0.0.1", port = {sink}, tls = "none" }}]
"""
START_S, MEMORY_MIB = 5, 300


def fill(folder, recipients):
    """Fills the spool; says how long it took."""
    build = ["cargo", "build", "--quiet", "--release", "--package", "mailwright-store",
             "--example", "fill"]
    subprocess.run(build, check=True, cwd=HERE.parent)
    program = BINARY.parent / "examples/fill"
    done = subprocess.run([program, folder / "data", str(recipients)], capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


def run(folder, seconds):
    """Starts the server on the spool; gives what was seen."""
    (folder / "config.toml").write_text(CONFIG.format(sink=SINK))
    line = [BINARY, "--config", folder / "config.toml", "--data", folder / "data", "serve"]
    group, lines = Group(), Lines(folder / "log", 'relayed')
    with open(folder / "log", "ab") as log:
        start = time.monotonic()
        server = subprocess.Popen(line, stdout=log, stderr=log, preexec_fn=group.join)
    wait_until(lambda: listens(2500), 60, 0.005)
    ready = time.monotonic() - start
    with Peak(group) as peak:
        wait_until(lambda: lines.seen() >= 1, 60, 0.005)
        first = time.monotonic() - start
        wait_until(lambda: lines.seen() >= 1000, 60, 0.005)
        thousand = time.monotonic() - start
        before, at, spent = lines.seen(), time.monotonic(), group.processor()
        time.sleep(seconds)
        count, took = lines.seen() - before, time.monotonic() - at
        spent = group.processor() - spent
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    group.remove()
    return {"ready": ready, "first": first, "thousand": thousand, "rate": count / took,
            "cpu": spent / max(count, 1), "memory": peak.most}


def report(arguments, filled, seen, load):
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True)
    reached = lambda right: "reached" if right else "not reached"  # noqa: E731
    mib = seen["memory"] / 2**20
    return "\n".join([
        f"# bench queue, {datetime.date.today()}", "",
        f"- Command: `cargo xtask bench queue {' '.join(sys.argv[1:])}`".rstrip("` ") + "`",
        *(f"- {name.capitalize()}: {value}" for name, value in machine(HERE).items()),
        f"- Mailwright at {commit.stdout.strip()}; load before the run: {load}", *arguments.note,
        "", f"{filled}, through the store; half of them due at once, at 1,000 destinations.", "",
        "| what | seen | to reach |", "|---|---|---|",
        f"| takes connections | {seen['ready']:.2f} s | |",
        f"| first recipient through | {seen['first']:.2f} s | |",
        f"| 1,000 recipients through | {seen['thousand']:.2f} s | {START_S} s, "
        f"{reached(seen['thousand'] <= START_S)} |",
        f"| recipients a second from then on | {seen['rate']:,.0f} | |",
        f"| processor time a recipient | {seen['cpu'] * 1e6:,.0f} us | |",
        f"| peak memory (PSS) | {mib:.0f} MiB | {MEMORY_MIB} MiB, "
        f"{reached(mib <= MEMORY_MIB)} |", ""])


def options():
    parser = argparse.ArgumentParser(description="A start with a full queue")
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--folder", default=None, help="on the disk that is meant")
    parser.add_argument("--note", action="append", default=[], type=lambda text: f"- {text}")
    parser.add_argument("--print", action="store_true", help="keep no result file")
    return parser.parse_args()


def main():
    arguments = options()
    inside()
    load = pathlib.Path("/proc/loadavg").read_text().rsplit(" ", 2)[0]
    parent = arguments.folder or HERE.parent / "target"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{SINK}", "1000"])
    try:
        wait_until(lambda: listens(SINK), 10)
        filled = fill(folder, arguments.recipients)
        print(filled, flush=True)
        text = report(arguments, filled, run(folder, arguments.seconds), load)
    finally:
        sink.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    if not arguments.print:
        path = HERE / f"results/queue-{datetime.date.today()}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(f"kept in {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
