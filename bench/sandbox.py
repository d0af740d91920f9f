#!/usr/bin/env python3
"""The sandbox beside MailDev (npm) and smtp-sink, in one run: what it takes, how large it gets, how it searches.

    cargo xtask bench sandbox [--quick] [--sizes 2000,100000] [--sessions 1,10,50] [--seconds N]
        [--messages 99000] [--folder DIR] [--note TEXT] [--print]

smtp-source sends, with connections that it keeps (reuse) and with one for each message. Mailwright
keeps all on the disk before it says 250, MailDev keeps it in files without a sync, smtp-sink keeps
nothing: it says what the machine can do. All that was acknowledged is counted afterwards. With a
browser (chromium and chromedriver) it is timed how long a message takes to its row on the page.
Needs root.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))

from browser import Browser, is_there  # noqa: E402
from measure import Group, Peak, busy, inside, machine, own, wait_until  # noqa: E402
from servers import BINARY  # noqa: E402

ROOT = HERE.parent
NPM = ROOT / "target/npm-bench"
MAILDEV = NPM / "node_modules/.bin/maildev"
SMTP, HTTP = 2525, 2580
# What is to be reached: messages a second by size, and the rest.
WANTED = {2000: 10_000, 100_000: 2_000}
START_MS, IDLE_MIB, SEARCH_MS, ROW_MS = 50, 30, 50, 100
# Messages of one cell, below what an inbox keeps.
MOST = 60_000
# Messages whose way to the page is timed.
ROWS = 40
# Keeps the moment at which each subject was drawn.
WATCH = """
window.drawn = {};
const look = () => {
  const found = document.body.textContent.match(/row-\\d+-end/g) || [];
  for (const subject of found) {
    if (subject in window.drawn) continue;
    window.drawn[subject] = null;
    requestAnimationFrame(() => { window.drawn[subject] = Date.now(); });
  }
};
new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
"""
SEARCHES = ["findable", "subject:rareword", "to:bob@user.example", "absent-everywhere",
            "from:app is:unread -findable"]


def opens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}{path}", timeout=120) as answer:
        return json.loads(answer.read())


def search(query):
    """Seconds of a search that counts all matches."""
    begun = time.monotonic()
    fetch(f"/api/inboxes/default/messages?query={urllib.parse.quote(query)}&count=true")
    return time.monotonic() - begun


class Server:
    """A server with a folder of its own, and all its processes in one group."""

    def __init__(self, folder):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=folder))
        self.folder.chmod(0o777)

    def start(self):
        self.group, begun = Group(), time.monotonic()
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(self.line(), stdout=self.log, stderr=self.log, cwd=self.folder,
                                        preexec_fn=self.group.join)
        if not wait_until(lambda: opens(SMTP) and (not self.has_http or opens(HTTP)), 30, 0.001):
            raise SystemExit(f"{self.name} does not start: {(self.folder / 'log').read_text()[-2000:]}")
        self.started = time.monotonic() - begun
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.group.remove()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mailwright(Server):
    name, has_http = "mailwright", True

    def line(self):
        return [BINARY, "--data", self.folder / "data", "sandbox", "--smtp", f"127.0.0.1:{SMTP}",
                "--http", f"127.0.0.1:{HTTP}"]

    def held(self):
        return fetch("/api/inboxes/default")["messages"]


class MailDev(Server):
    name, has_http = "maildev", True

    def line(self):
        return [MAILDEV, "--smtp", str(SMTP), "--web", str(HTTP), "--ip", "127.0.0.1", "--web-ip",
                "127.0.0.1", "--silent"]

    def held(self):
        # Either of its generations; a summary keeps this small where there is one.
        for path in ["/api/email/summary?limit=1", "/email", "/api/email"]:
            try:
                told = fetch(path)
            except OSError:
                continue
            return told.get("total", len(told)) if isinstance(told, dict) else len(told)
        raise SystemExit("maildev tells no number of messages")


class Sink(Server):
    name, has_http = "smtp-sink", False

    def line(self):
        return ["smtp-sink", "-u", "nobody", f"127.0.0.1:{SMTP}", "1000"]


def send(size, sessions, count, reuse):
    """Sends messages over so many connections at a time."""
    line = ["smtp-source", *(["-d"] if reuse else []), "-s", str(sessions), "-m", str(count),
            "-l", str(size), "-f", "app@shop.example", "-t", "ann@user.example", f"127.0.0.1:{SMTP}"]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode or done.stdout:
        raise SystemExit(f"smtp-source: {done.stdout.decode()[-500:]}")


def cell(kind, folder, size, sessions, reuse, seconds):
    """One server with one kind of load, fresh."""
    server = kind(folder).start()
    try:
        first, begun = max(sessions, 200 if size < 50_000 else 50), time.monotonic()
        send(size, sessions, first, reuse)
        rate = first / (time.monotonic() - begun)
        count = int(min(max(sessions, rate * seconds), MOST))
        spent, loaded, mine = server.group.processor(), busy(), own()
        with Peak(server.group) as peak:
            begun = time.monotonic()
            send(size, sessions, count, reuse)
            took = time.monotonic() - begun
        spent = server.group.processor() - spent
        others = max(0.0, busy() - loaded - spent - (own() - mine)) / took / os.cpu_count()
        lost = None
        if server.has_http:
            wait_until(lambda: server.held() >= first + count, 30, 0.2)
            lost = first + count - server.held()
        return {"rate": count / took, "cpu": spent / count, "memory": peak.most, "lost": lost,
                "others": others}
    finally:
        server.stop()


def to_rows():
    """Milliseconds from the 250 of a message until the page has drawn its row, one by one."""
    took = []
    with Browser() as browser, smtplib.SMTP("127.0.0.1", SMTP) as client:
        browser.open(f"http://127.0.0.1:{HTTP}/")
        browser.run(WATCH)
        time.sleep(1)
        for number in range(ROWS):
            subject = f"row-{number}-end"
            text = f"From: app@shop.example\r\nTo: ann@user.example\r\nSubject: {subject}\r\n\r\nhello\r\n"
            client.sendmail("app@shop.example", ["ann@user.example"], text)
            taken = time.time() * 1000

            def drawn():
                return browser.run("return window.drawn[arguments[0]] || 0", subject)
            if not wait_until(drawn, 10, 0.05):
                raise SystemExit(f"{subject} does not come up on the page")
            took.append(max(0.0, drawn() - taken))
    return took


def grown(folder, messages):
    """Mailwright with many messages: how it starts, how large it is, how it searches."""
    starts = []
    for _ in range(4):
        server = Mailwright(folder).start()
        starts.append(server.started)
        server.stop()
    server = Mailwright(folder).start()
    try:
        starts.append(server.started)
        time.sleep(2)
        idle = server.group.memory()
        for at in range(0, messages, 10_000):
            send(2000, 10, min(10_000, messages - at), True)
        with smtplib.SMTP("127.0.0.1", SMTP) as client:
            client.sendmail("app@shop.example", ["bob@user.example"],
                            b"Subject: rareword\r\n\r\nnear the end: findable\r\n")
        # Until all is summed up a search opens messages; it is settled when it gets no faster.
        last = [None]

        def settled():
            now, before = search("findable"), last[0]
            last[0] = now
            return before is not None and now > before * 0.9
        wait_until(settled, 300, 2)
        searches = {query: statistics.median(search(query) for _ in range(5)) for query in SEARCHES}
        begun = time.monotonic()
        fetch("/api/inboxes/default/messages")
        listing = time.monotonic() - begun
        rows = to_rows() if is_there() else []
        return {"start": statistics.median(starts), "idle": idle, "held": server.held(), "rows": rows,
                "memory": server.group.memory(), "searches": searches, "listing": listing}
    finally:
        server.stop()


HEAD = """| size | sessions | connections | server | messages/s | us a message | peak MiB | lost | others % |
|---|---|---|---|---|---|---|---|---|"""


def row(key, kind, one):
    size, sessions, reuse = key
    lost = "" if one["lost"] is None else one["lost"]
    return (f"| {size:,} B | {sessions} | {'kept' if reuse else 'one each'} | {kind.name} "
            f"| {one['rate']:,.0f} | {one['cpu'] * 1e6:,.0f} | {one['memory'] / 2**20:.0f} | {lost} "
            f"| {one['others'] * 100:.0f} |")


def target(what, value, wanted, is_reached, unit):
    return f"- {what}: {value:,.0f} {unit} ({wanted:,} wanted{'' if is_reached else ', not reached'})"


def targets(rows, whole):
    """Which of the numbers that are to be reached are."""
    ours = [(key, one) for key, kind, one in rows if kind is Mailwright]
    lines = []
    for size, wanted in WANTED.items():
        best = max((one["rate"] for (of, _, _), one in ours if of == size), default=None)
        if best is not None:
            lines.append(target(f"{size:,} B, best of all", best, wanted, best >= wanted, "messages/s"))
    lines.append(f"- Lost of all that was acknowledged: {sum(one['lost'] for _, one in ours)} (0 wanted)")
    start, idle, rows = whole["start"] * 1e3, whole["idle"] / 2**20, whole["rows"]
    slowest = max(whole["searches"].values()) * 1e3
    return [*lines, target("Start", start, START_MS, start <= START_MS, "ms"),
            target("Idle", idle, IDLE_MIB, idle < IDLE_MIB, "MiB"),
            *([target(f"Row on the page, slowest of {len(rows)} with {whole['held']:,} messages", max(rows),
                      ROW_MS, max(rows) <= ROW_MS, "ms"),
               f"- Row on the page, half of them within {statistics.median(rows):.0f} ms"] if rows else
              ["- Row on the page: not measured, there is no browser"]),
            target(f"Slowest search of {whole['held']:,}", slowest, SEARCH_MS, slowest <= SEARCH_MS, "ms"),
            f"- Memory with {whole['held']:,} messages: {whole['memory'] / 2**20:.0f} MiB; "
            f"their first page in {whole['listing'] * 1e3:.1f} ms",
            *(f"- Search `{query}`: {took * 1e3:.1f} ms" for query, took in whole["searches"].items())]


def install():
    """MailDev from npm, before the network is gone; without it, its rows are left out."""
    if MAILDEV.exists() or os.environ.get("BENCH_INSIDE"):
        return
    NPM.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", NPM, "maildev"],
                          capture_output=True, text=True)
    if done.returncode:
        print(f"maildev is not there: {done.stderr.strip()[-300:]}", file=sys.stderr)


def options():
    parser = argparse.ArgumentParser(description="the sandbox beside others")
    parser.add_argument("--quick", action="store_true", help="one second a cell, 10,000 messages")
    parser.add_argument("--sizes", default="2000,100000")
    parser.add_argument("--sessions", default="1,10,50")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--messages", type=int, default=99_000)
    parser.add_argument("--folder", default=None, help="on the disk that is meant")
    parser.add_argument("--note", action="append", default=[], type=lambda text: f"- {text}")
    parser.add_argument("--print", action="store_true", help="keep no result file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sessions, arguments.seconds, arguments.messages = "10", 1, 10_000
    return arguments


def report(arguments, lines, reached, load):
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    text = [f"# bench sandbox, {datetime.date.today()}", "",
            f"- Command: `cargo xtask bench sandbox {' '.join(sys.argv[1:])}`".rstrip("` ") + "`",
            *(f"- {name.capitalize()}: {value}" for name, value in machine(HERE).items()),
            f"- Mailwright at {commit.stdout.strip()}", f"- Load before the run: {load}", *arguments.note, "",
            "One run; each server alone, fresh for each row. `us` is processor time a message of the "
            "server's whole process tree, `MiB` the peak of its memory (PSS). Mailwright syncs before "
            "250, the others do not; smtp-sink keeps nothing.", "", HEAD, *lines, "",
            "What is to be reached:", "", *reached, ""]
    path = HERE / f"results/sandbox-{datetime.date.today()}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(text))
    print(f"kept in {path.relative_to(ROOT)}")


def main():
    arguments = options()
    install()
    inside()
    load = pathlib.Path("/proc/loadavg").read_text().rsplit(" ", 2)[0]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=arguments.folder or ROOT / "target"))
    folder.chmod(0o755)
    kinds = [Mailwright, *([MailDev] if MAILDEV.exists() else []), Sink]
    rows, lines = [], []
    print(HEAD, flush=True)
    try:
        for size in map(int, arguments.sizes.split(",")):
            for sessions in map(int, arguments.sessions.split(",")):
                for reuse, kind in [(reuse, kind) for reuse in [True, False] for kind in kinds]:
                    key = size, sessions, reuse
                    one = cell(kind, folder, size, sessions, reuse, arguments.seconds)
                    rows.append((key, kind, one))
                    lines.append(row(key, kind, one))
                    print(lines[-1], flush=True)
        reached = targets(rows, grown(folder, arguments.messages))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(reached))
    if not arguments.print:
        report(arguments, lines, reached, load)


if __name__ == "__main__":
    main()
