#!/usr/bin/env python3
"""Mailwright and Postfix side by side, in one run, with the same durability.

    cargo xtask bench smtp [--quick] [--only accept,relay,local] [--sizes 100,4096] \\
        [--connections 1,20,100] [--seconds N] [--folder DIR] [--note TEXT] [--print]

It measures what a server takes (the mail ends in a queue that does not deliver meanwhile), what it
relays to smtp-sink, and what it delivers into mailboxes. smtp-source sends over connections that it
keeps. Needs root, for Postfix and for a namespace in which neither server meets the machine's own.
The result goes to bench/results/.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))

from measure import Peak, busy, inside, machine, own, wait_until  # noqa: E402
from servers import NOBODY, SINK, Mailwright, Postfix, listens  # noqa: E402

WORKS = {
    "accept": "taken and kept, no delivery meanwhile",
    "relay": "taken and relayed to smtp-sink",
    "local": "taken and delivered into mailboxes",
}
# How many times the rate of Postfix is to be reached with 100 connections.
WANTED = {"accept": 8, "relay": 6, "local": 6}
# No cell waits longer for its last delivery.
PATIENCE = 120


def send(server, size, connections, count):
    """Sends `count` messages or a few less, over kept connections; gives how many."""
    targets = server.recipients(server.work)[:connections]
    share, sessions = max(1, count // len(targets)), connections // len(targets)
    clients = []
    for target in targets:
        line = ["smtp-source", "-d", "-s", str(sessions), "-m", str(max(share, sessions)),
                "-l", str(size), "-M", "client.example", "-f", "src@client.example", "-t", target,
                "127.0.0.1:2500"]
        clients.append(subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    for client in clients:
        said, _ = client.communicate(timeout=PATIENCE + 60)
        if client.returncode or said:
            raise SystemExit(f"{server.name}: smtp-source: {said.decode()}")
    return max(share, sessions) * len(targets)


def through(server, work, before, count):
    """Waits until all of it has arrived."""
    if work != "accept" and not wait_until(lambda: server.done() - before >= count, PATIENCE):
        raise SystemExit(f"{server.name}: {server.done() - before} of {count} arrived")


def cell(kind, folder, work, size, connections, seconds):
    """One server, one kind of work, one size, one number of connections."""
    server = kind(folder, work).start()
    try:
        if work == "accept" and kind is Mailwright:
            # Until nobody answers there often enough, mail is tried.
            send(server, 100, 1, 20)
            time.sleep(0.5)
        # A first round warms up, and says how many messages fill the time.
        first = max(connections, 300 if size < 100_000 else 40)
        start = time.monotonic()
        before = server.done()
        sent = send(server, size, connections, first)
        through(server, work, before, sent)
        rate = sent / (time.monotonic() - start)
        count = max(connections, int(rate * seconds))
        before, spent, loaded, mine = server.done(), server.group.processor(), busy(), own()
        start = time.monotonic()
        with Peak(server.group) as peak:
            sent = send(server, size, connections, count)
            through(server, work, before, sent)
            took = time.monotonic() - start
        spent = server.group.processor() - spent
        others = busy() - loaded - spent - (own() - mine)
        return {"rate": sent / took, "cpu": spent / sent, "memory": peak.most, "count": sent,
                "others": max(0.0, others) / took / os.cpu_count()}
    finally:
        server.stop()


def row(work, size, connections, ours, theirs):
    """A line of the table."""
    faster, cheaper = ours["rate"] / theirs["rate"], theirs["cpu"] / ours["cpu"]
    named = {100: "100 B", 4096: "4 KiB", 1 << 20: "1 MiB"}.get(size, f"{size} B")
    cells = [work, named, connections, f"{ours['rate']:,.0f}", f"{theirs['rate']:,.0f}",
             f"{faster:.1f}", f"{ours['cpu'] * 1e6:,.0f}", f"{theirs['cpu'] * 1e6:,.0f}",
             f"{cheaper:.1f}", f"{ours['memory'] / 2**20:.0f}", f"{theirs['memory'] / 2**20:.0f}",
             f"{ours['others'] * 100:.0f} / {theirs['others'] * 100:.0f}"]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = """| work | size | connections | Mailwright/s | Postfix/s | times | Mailwright us | Postfix us \
| part of | Mailwright MiB | Postfix MiB | others % |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def targets(rows):
    """Which of the numbers that are to be reached are."""
    said = []
    for (work, size, connections), (ours, theirs) in rows.items():
        if size != 4096:
            continue
        cheaper, faster = theirs["cpu"] / ours["cpu"], ours["rate"] / theirs["rate"]
        wanted = {100: WANTED[work], 1: 1}.get(connections)
        said.append(f"- {work}, {connections} connections: processor time {cheaper:.1f} times less "
                    f"(10 wanted{'' if cheaper >= 10 else ', not reached'})"
                    + (f"; {faster:.1f} times the rate ({wanted} wanted"
                       f"{'' if faster >= wanted else ', not reached'})" if wanted else ""))
    return said


def report(arguments, folder, rows, lines, load):
    facts = machine(folder)
    version = subprocess.run(["postconf", "-dh", "mail_version"], capture_output=True, text=True)
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True)
    others = statistics.mean(one["others"] for pair in rows.values() for one in pair)
    text = [f"# bench smtp, {datetime.date.today()}", "",
            f"- Command: `cargo xtask bench smtp {' '.join(sys.argv[1:])}`".rstrip("` ") + "`",
            *(f"- {name.capitalize()}: {value}" for name, value in facts.items()),
            f"- Mailwright at {commit.stdout.strip()}, Postfix {version.stdout.strip()}",
            f"- Load before the run: {load}; what else ran took {others * 100:.0f} % of the "
            "processors on average (the last column says how much beside each)", *arguments.note,
            "", "One run; each server alone, in turn. `us` is processor time a message of the "
            "server's whole process tree, `MiB` the peak of its memory (PSS). smtp-source and "
            "smtp-sink share the processors with the server. Both servers sync before 250.", "",
            HEAD, *lines, "", "What is to be reached at 4 KiB:", "", *targets(rows), ""]
    return "\n".join(text)


def options():
    parser = argparse.ArgumentParser(description="Mailwright beside Postfix")
    parser.add_argument("--quick", action="store_true", help="4 KiB alone, one second a cell")
    parser.add_argument("--only", default=",".join(WORKS))
    parser.add_argument("--sizes", default="100,4096,1048576")
    parser.add_argument("--connections", default="1,20,100")
    parser.add_argument("--servers", default="both", choices=["both", "mailwright"])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", default=None, help="on the disk that is meant")
    parser.add_argument("--note", action="append", default=[], type=lambda text: f"- {text}")
    parser.add_argument("--print", action="store_true", help="keep no result file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.seconds = "4096", 1
    return arguments


def main():
    arguments = options()
    inside()
    load = pathlib.Path("/proc/loadavg").read_text().rsplit(" ", 2)[0]
    parent = arguments.folder or HERE.parent / "target"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    # smtpd is another user and has to reach its queue.
    folder.chmod(0o755)
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{SINK}", "1000"])
    wait_until(lambda: listens(SINK), 10)
    assert not listens(NOBODY)
    rows, lines = {}, []
    print(HEAD, flush=True)
    try:
        for work in arguments.only.split(","):
            for size in map(int, arguments.sizes.split(",")):
                for connections in map(int, arguments.connections.split(",")):
                    how = (folder, work, size, connections, arguments.seconds)
                    ours = cell(Mailwright, *how)
                    theirs = cell(Postfix, *how) if arguments.servers == "both" else ours
                    rows[work, size, connections] = ours, theirs
                    lines.append(row(work, size, connections, ours, theirs))
                    print(lines[-1], flush=True)
    finally:
        sink.kill()
        shutil.rmtree(folder, ignore_errors=True)
    text = report(arguments, HERE, rows, lines, load)
    print("\n".join(targets(rows)))
    if not arguments.print:
        path = HERE / f"results/smtp-{datetime.date.today()}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(f"kept in {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
