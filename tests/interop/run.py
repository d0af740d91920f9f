#!/usr/bin/env python3
"""Runs the scripts of this folder, each in a network namespace of its own.

    run.py [--long | --short] [NAME ...]

As root: a script may then use port 25 and 53, and disturbs nobody. Without root the scripts run
where they are, and those that need the namespace say that they were skipped.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = [
    "dns_world",
    "first_run",
    "commands",
    "operators",
    "storage",
    "clients",
    "relay",
    "dkim",
    "domains",
    "dane",
    "mta_sts",
    "attackers",
    "door",
    "auth",
    "trust",
    "reports_in",
    "acme",
    "tls",
    "hostile",
    "real_ports",
    "doctor",
    "doctor_peers",
    "extensions",
    "imap",
    "imap_clients",
    "pop3",
    "inout",
    "moving",
    "sandbox",
    "release",
    "webhooks",
    "faults",
    "sandbox_clients",
    "check",
    "senders",
    "guide",
    "postfix",
    "sync_proof",
    "crash_loop",
]


def run(name, long):
    """Runs one script; gives how many claims passed, and the lines of those that did not."""
    line = [sys.executable, str(HERE / f"{name}.py")] + (["--long"] if long else [])
    if os.geteuid() == 0:
        inside = 'mount --make-rprivate / && ip link set lo up && exec "$@"'
        line = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                "sh", "-c", inside, "sh", *line]
    begin = time.monotonic()
    done = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    passed, failed, last = 0, [], []
    for text in done.stdout:
        print(f"{name}: {text}", end="", flush=True)
        found = re.fullmatch(r"(\d+) passed, \d+ failed\n", text)
        passed = int(found[1]) if found else passed
        failed += [text] if text.startswith("FAILED") else []
        last = [*last, text][-12:]
    if done.wait() != 0 and not failed:
        failed = [f"FAILED  ended with {done.returncode}, after:\n" + "".join(last)]
    print(f"{name}: {time.monotonic() - begin:.0f} s")
    return passed, [f"{name}: {text.strip()[:1000]}" for text in failed]


def main():
    options = {"--long", "--short"}
    names = [name for name in sys.argv[1:] if name not in options] or SCRIPTS
    sums = [run(name, "--long" in sys.argv) for name in names]
    # Told once more at the end, where a long log is looked at first.
    failed = [line for _, lines in sums for line in lines]
    for line in failed:
        print(line)
    print(f"interop: {sum(passed for passed, _ in sums)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
