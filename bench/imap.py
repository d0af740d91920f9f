#!/usr/bin/env python3
"""Mailwright and Dovecot side by side, in one run: IMAP, POP3 and LMTP over one big mailbox.

    cargo xtask bench imap [--count N] [--runs K] [--only append,lmtp,big,...] [--tls]
                           [--folder DIR] [--note TEXT] [--print]

lib/bench_imap.py is the client of both, one after the other; its help tells what each row is.
Dovecot is the distribution's, with sdbox mailboxes and its other settings as they come. Needs root,
for Dovecot and for a namespace. The result goes to bench/results/.
"""

import argparse
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "lib"))

from measure import inside, machine, wait_until  # noqa: E402
from servers import BINARY, listens  # noqa: E402

USER, PASSWORD = "ann@bench.example", "correct-horse-battery-staple"
PORTS = {"imap": 2143, "imaps": 2993, "pop3": 2110, "lmtp": 2024}

DOVECOT = """base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_location = sdbox:{folder}/mail/%u
mail_uid = dovebench
mail_gid = dovebench
first_valid_uid = 1
mail_max_userip_connections = 1000
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=dovebench gid=dovebench home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service imap {{
  process_limit = 2048
}}
namespace inbox {{
  inbox = yes
}}
"""

MAILWRIGHT = """[server]
hostname = "mx.bench.example"
[http]
addresses = ["127.0.0.1:2580"]
[limits]
sessions_per_address_max = 2000
messages_max = 100000000
commands_max = 1000000000
[mailboxes]
sessions_per_account_max = 2000
[listeners.imap]
role = "imap"
addresses = ["127.0.0.1:{imap}"]
[listeners.imaps]
role = "imap"
addresses = ["127.0.0.1:{imaps}"]
implicit_tls = true
[listeners.pop3]
role = "pop3"
addresses = ["127.0.0.1:{pop3}"]
[listeners.lmtp]
role = "lmtp"
addresses = ["127.0.0.1:{lmtp}"]
"""


# A row as the client tells it while it runs.
ROW = re.compile(r"  \.\. (.{44,}?) +(\S+(?: / \S+)?) +(\S+(?: PSS)?)(?: +(.*))?$")


class Dovecot:
    """Dovecot of the distribution, in folders of its own."""

    name = "Dovecot"

    def __init__(self, folder):
        self.folder = folder / "dovecot"

    def start(self):
        if subprocess.run(["id", "dovebench"], capture_output=True).returncode:
            subprocess.run(["useradd", "--system", "--no-create-home", "dovebench"], check=True)
        for name in ["run", "state", "mail"]:
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "mail", "dovebench", "dovebench")
        for one in [self.folder, *self.folder.parents]:
            one.chmod(one.stat().st_mode | 0o011)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=mx.bench.example", "-keyout", self.folder / "key.pem",
                        "-out", self.folder / "cert.pem"], check=True, capture_output=True)
        (self.folder / "conf").write_text(
            DOVECOT.format(folder=self.folder, password=PASSWORD, **PORTS))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.folder / "conf"])
        self.pid = self.process.pid
        if not wait_until(lambda: listens(PORTS["imap"]), 20):
            raise SystemExit(f"Dovecot does not start: {(self.folder / 'log').read_text()}")
        return self

    def cold(self):
        """What takes the cached fields away before a cold measurement."""
        return f"find {self.folder}/mail -name dovecot.index.cache -delete"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Mailwright:
    """Mailwright with an account, in a folder of its own."""

    name = "Mailwright"

    def __init__(self, folder):
        self.folder = folder / "mailwright"

    def start(self):
        self.folder.mkdir(parents=True)
        config, data = self.folder / "mailwright.toml", self.folder / "data"
        config.write_text(MAILWRIGHT.format(**PORTS))
        line = [BINARY, "--config", config, "--data", data]
        for more, text in [(["domain", "add", "bench.example"], ""),
                           (["account", "add", USER, "--password-stdin"], PASSWORD + "\n")]:
            subprocess.run([*line, *more], input=text, text=True, check=True, capture_output=True)
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([*line, "serve"], stdout=log, stderr=log)
        self.pid = self.process.pid
        if not wait_until(lambda: listens(PORTS["imap"]), 20):
            raise SystemExit(f"Mailwright does not start: {(self.folder / 'log').read_text()}")
        return self

    def cold(self):
        """Nothing is cached that was not rendered at delivery."""
        return "true"

    def stop(self):
        self.lag()
        self.process.terminate()
        self.process.wait(30)

    def lag(self):
        """Prints how far the index is behind what was delivered."""
        done = subprocess.run(["curl", "-s", "http://127.0.0.1:2580/metrics"],
                              capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if line.startswith("mailwright_index_lag"):
                print(f"  {line}", file=sys.stderr)


def measured(kind, folder, given):
    """The rows of one server: name to (value, unit, note)."""
    server = kind(folder).start()
    try:
        line = [sys.executable, HERE / "lib/bench_imap.py", "127.0.0.1",
                str(PORTS["imaps" if given.tls else "imap"]), USER, PASSWORD,
                "--count", str(given.count), "--runs", str(given.runs), "--lmtp",
                str(PORTS["lmtp"]), "--server-pid", str(server.pid), "--cold-cmd", server.cold(),
                "--label", server.name]
        line += ["--tls"] if given.tls else ["--pop3", str(PORTS["pop3"])]
        line += ["--only", given.only] if given.only else []
        print(f"== {server.name}", file=sys.stderr, flush=True)
        client = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True)
        rows = {}
        for said in client.stderr:
            print(said, end="", file=sys.stderr, flush=True)
            if found := ROW.match(said):
                rows[found[1].strip()] = [(cell or '').strip() for cell in found.groups()[1:]]
        if client.wait():
            print(f"{server.name}: the client ended with {client.returncode}", file=sys.stderr)
        return rows
    finally:
        server.stop()


def ratio(ours, theirs, unit):
    """How many times better ours is: less time or memory, or more of it a second."""
    try:
        ours, theirs = float(ours), float(theirs)
    except ValueError:
        return ""
    if not ours or not theirs:
        return ""
    return f"{theirs / ours if unit in ('ms', 'KiB PSS') else ours / theirs:.2f}"


def table(ours, theirs):
    lines = ["| measure | Mailwright | Dovecot | unit | times better | note |",
             "|---|---:|---:|---|---:|---|"]
    for name, (value, unit, note) in ours.items():
        other = theirs.get(name, ["", "", ""])[0]
        lines.append(f"| {name} | {value} | {other} | {unit} | {ratio(value, other, unit)} | {note} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--folder", default=str(ROOT / "target"))
    parser.add_argument("--note", default="")
    parser.add_argument("--print", action="store_true", dest="only_print")
    given = parser.parse_args()
    inside()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-imap-", dir=given.folder))
    facts = machine(folder)
    begun = time.monotonic()
    try:
        theirs = measured(Dovecot, folder, given)
        ours = measured(Mailwright, folder, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    version = subprocess.run(["dovecot", "--version"], capture_output=True, text=True).stdout.strip()
    now = datetime.datetime.now(datetime.timezone.utc)
    asked = " ".join(["cargo xtask bench imap", *sys.argv[1:]])
    page = [f"# IMAP, POP3 and LMTP, {now:%Y-%m-%d}", "", f"    {asked}", "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- Dovecot: {version}, sdbox", f"- load before: {os.getloadavg()[0]:.1f}",
            f"- took {time.monotonic() - begun:.0f} s", *([f"- {given.note}"] if given.note else []),
            "", *table(ours, theirs), ""]
    text = "\n".join(page)
    print(text)
    if not given.only_print:
        results = HERE / "results"
        results.mkdir(exist_ok=True)
        kind = "imap-tls" if given.tls else "imap"
        (results / f"{kind}-{now:%Y-%m-%d}.md").write_text(re.sub(r" +\n", "\n", text))


main()
