"""What the scripts share: a server of their own, and counting what passed.

A script calls `check(name, right, detail)` for each claim and `finish()` at its end. Waiting is
always for something, with a deadline; nothing sleeps for luck.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MAILWRIGHT", ROOT / "target/debug/mailwright"))
PASSWORD = "correct horse battery staple"

passed = 0
failed = 0


def check(name, right, detail=""):
    """Counts one claim, and says so when it does not hold."""
    global passed, failed
    if right:
        passed += 1
        print(f"ok      {name}", flush=True)
    else:
        failed += 1
        print(f"FAILED  {name}  {str(detail)[-1500:]}", flush=True)
    return bool(right)


def finish():
    """Prints the sum and ends the script."""
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


def wait_for(question, seconds=20.0, pause=0.05):
    """Asks until the answer is true; gives the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(pause)


def free_ports(count):
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """A server with a data folder of its own, on free ports."""

    def __init__(self, hostname="mx.home.example", extra="", data=None, ports=None):
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="mailwright-test-"))
        self.data.mkdir(exist_ok=True)
        self.mta, self.msa, self.msas, self.lmtp, self.http, self.proxied = (
            ports or free_ports(6)
        )
        self.config = self.data.with_suffix(".toml")
        self.log = self.data.with_suffix(".log")
        self.process = None
        self.config.write_text(
            f"""
[server]
hostname = "{hostname}"
[http]
addresses = ["127.0.0.1:{self.http}"]
[log]
format = "json"
[limits]
sessions_per_address_max = 1000
[listeners.mta]
role = "mta"
addresses = ["127.0.0.1:{self.mta}"]
[listeners.msa]
role = "msa"
addresses = ["127.0.0.1:{self.msa}"]
[listeners.msas]
role = "msa"
addresses = ["127.0.0.1:{self.msas}"]
implicit_tls = true
[listeners.lmtp]
role = "lmtp"
addresses = ["127.0.0.1:{self.lmtp}"]
[listeners.proxied]
role = "mta"
addresses = ["127.0.0.1:{self.proxied}"]
proxy_protocol_from = ["127.0.0.0/8"]
{extra}
"""
        )

    def line(self, *arguments):
        """The command line of a command on this server's data."""
        own = ["--config", str(self.config), "--data", str(self.data)]
        return [str(BINARY), *own, *arguments]

    def start(self, wrapper=(), environment=None):
        """Starts it and waits until it takes connections."""
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [*wrapper, *self.line("serve")],
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        if not wait_for(self.listens, 30, 0.01):
            raise SystemExit(f"the server did not start:\n{self.log.read_text()[-3000:]}")
        return self

    def listens(self):
        """Whether it takes connections; ends the script when it died instead."""
        if self.process.poll() is not None:
            raise SystemExit(f"the server ended at once:\n{self.log.read_text()[-3000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.mta), 1).close()
            return True
        except OSError:
            return False

    def stop(self, seconds=20):
        """Stops it as systemd does; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """Kills it and all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def run(self, *arguments, text=None, raw=False):
        """Runs a command; gives the completed process."""
        given = text.encode() if isinstance(text, str) else text
        done = subprocess.run(self.line(*arguments), input=given, capture_output=True, timeout=60)
        if not raw:
            done.stdout = done.stdout.decode()
        done.stderr = done.stderr.decode()
        return done

    def json(self, *arguments):
        """The JSON that a command prints."""
        done = self.run(*arguments, "--json")
        if done.returncode:
            raise SystemExit(f"{arguments} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def accounts(self, *addresses):
        """Makes accounts, and their domains."""
        for domain in sorted({address.split("@")[1] for address in addresses}):
            done = self.run("domain", "add", domain)
            if done.returncode:
                raise SystemExit(f"domain add {domain}: {done.stderr}")
        for address in addresses:
            done = self.run("account", "add", address, "--password-stdin", text=PASSWORD + "\n")
            if done.returncode:
                raise SystemExit(f"account add {address}: {done.stderr}")
        return self

    def messages(self, address):
        """The messages of an account."""
        return self.json("message", "list", address)

    def with_subject(self, address, subject, seconds=20, count=1):
        """Waits for messages of a subject; gives those that are there then."""

        def found():
            return [one for one in self.messages(address) if one["subject"] == subject]

        wait_for(lambda: len(found()) >= count, seconds)
        return found()

    def raw(self, message):
        """The copy, byte for byte."""
        return self.run("message", "show", str(message["id"]), "--raw", raw=True).stdout

    def remove(self):
        """Stops it, and removes its data."""
        if self.process and self.process.poll() is None:
            self.kill()
        if not failed:
            shutil.rmtree(self.data, ignore_errors=True)
            self.config.unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)


class Wire:
    """A raw connection, for what no client library would say."""

    def __init__(self, port, host="127.0.0.1", greet=True):
        self.socket = socket.create_connection((host, port), 20)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greet else ""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """The next reply, all of its lines; empty when the connection is closed."""
        lines = []
        while True:
            try:
                line = self.file.readline().decode("utf-8", "replace")
            except OSError:
                line = ""
            if not line:
                return "".join(lines)
            lines.append(line)
            if line[3:4] != "-":
                return "".join(lines)

    def say(self, line):
        """Sends a line and gives the reply."""
        self.send(line + "\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


def message(subject, sender="bob@client.example", to="ann@home.example", body="Hello.\r\n"):
    """A small message as it goes over the wire."""
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Date: Tue, 24 Nov 2026 06:00:00 +0000\r\nMessage-ID: <{subject}@client.example>\r\n"
        f"\r\n{body}"
    ).encode()


def ehlo_keywords(text):
    """The keywords of an EHLO reply."""
    return {line[4:].split()[0].upper() for line in text.splitlines()[1:] if line[4:].strip()}


def refused(call, *arguments):
    """The SMTP code with which a call of smtplib is refused; 0 when it is not."""
    try:
        call(*arguments)
        return 0
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))[0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    except smtplib.SMTPServerDisconnected:
        return -1


def unfolded(raw, name):
    """The values of a header field in a raw message."""
    head = raw.split(b"\r\n\r\n", 1)[0].decode("utf-8", "replace")
    head = re.sub(r"\r\n[ \t]+", " ", head)
    start = name.lower() + ":"
    return [
        line[len(start) :].strip() for line in head.split("\r\n") if line.lower().startswith(start)
    ]
