#!/usr/bin/env python3
"""What an inbox caught leaves when it is released, to whom that is allowed, and else never: a server takes what comes."""

import json
import os
import pathlib
import shutil
import smtplib
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from harness import BINARY, Server, check, finish, free_ports, wait_for

OCTETS = (b"Received: not ours\r\nDKIM-Signature: v=1; d=shop.example\r\nSubject: exact\r\nX-Odd:\ttab  \r\n\r\n"
          b"line\r\n..dot\r\n\xff\xfe8bit\r\n")


class Taker(socketserver.StreamRequestHandler):
    """Takes any message, and keeps its envelope and octets; or puts everything off."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 taker.example ESMTP")
        envelope = []
        for line in self.rfile:
            text = line.decode().strip()
            verb = text.split(" ")[0].upper()
            if verb == "EHLO":
                self.say("250-taker.example")
                self.say("250 8BITMIME")
            elif verb in ("MAIL", "RCPT"):
                envelope.append(text)
                self.say("451 4.3.0 later" if self.server.busy else "250 2.0.0 ok")
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                for octets in self.rfile:
                    if octets == b".\r\n":
                        break
                    lines.append(octets[1:] if octets.startswith(b".") else octets)
                self.server.got.append((envelope, b"".join(lines)))
                envelope = []
                self.say("250 2.0.0 taken")
            elif verb == "QUIT":
                return self.say("221 2.0.0 bye")
            else:
                envelope = [] if verb == "RSET" else envelope
                self.say("250 2.0.0 ok")


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


taker = Threads(("127.0.0.1", 0), Taker)
taker.got, taker.busy = [], False
threading.Thread(target=taker.serve_forever, daemon=True).start()
via = f"127.0.0.1:{taker.server_address[1]}"


def ask(port, method, path, body=None, headers=None):
    """One request; gives code and JSON."""
    octets = json.dumps(body).encode() if body is not None else None
    given = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", octets, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            code, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, text = error.code, error.read()
    try:
        return code, json.loads(text or b"null")
    except ValueError:
        return code, text


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-release-test-"))
screen = open(folder / "screen", "wb")


def sandbox(*options):
    """A sandbox of its own; gives it, and its ports."""
    smtp, http = free_ports(2)
    process = subprocess.Popen(
        [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{http}", *options],
        stdout=screen, stderr=screen, env={**os.environ, "TMPDIR": str(folder)})
    check("the sandbox listens", wait_for(lambda: listens(smtp) and listens(http), 20, 0.01),
          (folder / "screen").read_text())
    return process, smtp, http


def send(port, octets=OCTETS, user=None, to=("someone@shop.example",)):
    with smtplib.SMTP("127.0.0.1", port) as client:
        if user:
            client.login(*user)
        client.sendmail("app@shop.example", to, octets, ["BODY=8BITMIME"])


try:
    # Without a word nothing leaves.
    process, smtp, http = sandbox("--release-via", via, "--release-to", "nobody@never.example")
    send(smtp, to=("ann@real.example",))
    newest = ask(http, "GET", "/api/inboxes/default/messages")[1]["messages"][0]
    code, told = ask(http, "POST", f"/api/messages/{newest['id']}/release", {"to": ["ann@real.example"]})
    check("whom nobody allowed gets nothing", code == 403 and "sandbox.release.to" in told["error"], told)
    process.terminate()
    process.wait(20)
    for options, why in [
        (["--volatile", "--release-to", "real.example"], "cannot be used with"),
        (["--release-to", "com"], "no address and no domain"),
        (["--release-via", via], "required"),
        (["--release-to", "real.example", "--release-via", "a b"], "routes"),
    ]:
        done = subprocess.run([str(BINARY), "sandbox", *options], capture_output=True, text=True, timeout=20)
        check(f"{' '.join(options)} is refused", done.returncode != 0 and why in done.stderr, done.stderr)

    process, smtp, http = sandbox("--release-via", via, "--release-to", "real.example",
                                  "--release-to", "*.more.example")
    send(smtp, to=("ann@real.example", "victim@elsewhere.example"))
    send(smtp, OCTETS.replace(b"exact", b"second"), to=("ann@real.example",))
    listed = ask(http, "GET", "/api/inboxes/default/messages")[1]["messages"]
    one = f"/api/messages/{listed[1]['id']}"
    for to in [["victim@elsewhere.example"], ["ann@real.example", "victim@elsewhere.example"],
               ["ann@real.example.evil.example"], ["ann@[127.0.0.1]"]]:
        code, told = ask(http, "POST", f"{one}/release", {"to": to})
        check(f"{to} is refused", code == 403, told)
    check("nothing was sent yet", not taker.got, taker.got)
    code, told = ask(http, "POST", f"{one}/release", {"to": ["ann@real.example", "x@a.more.example"]})
    check("an allowed release is taken", code == 200 and len(told["released"][0]["to"]) == 2, told)
    check("it comes", wait_for(lambda: sum(len(envelope) - 1 for envelope, _ in taker.got) == 2), taker.got)
    check("with the octets that came", all(octets == OCTETS for _, octets in taker.got), taker.got)
    said = sorted({line.split(" BODY")[0] for envelope, _ in taker.got for line in envelope})
    check("to those addresses alone, from the null path", said == [
        "MAIL FROM:<>", "RCPT TO:<ann@real.example>", "RCPT TO:<x@a.more.example>"], said)
    again = ask(http, "POST", f"{one}/release", {"to": ["ann@real.example"]})[1]["released"][0]
    check("a request that comes again does nothing", again["before"] == ["ann@real.example"]
          and again["queueId"] is None, again)

    def outcomes():
        told = ask(http, "GET", f"{one}/releases")[1]["releases"]
        return sorted(out["state"] for out in told[0]["outcomes"])

    check("it is told what became of it", wait_for(lambda: outcomes() == ["relayed"] * 2), outcomes())
    before = len(taker.got)
    code, told = ask(http, "POST", "/api/inboxes/default/release?query=subject:second",
                     {"to": ["ann@real.example"]}, {"Idempotency-Key": "run-1"})
    check("a search is released", code == 200 and len(told["released"]) == 1, told)
    check("what it finds comes", wait_for(lambda: len(taker.got) == before + 1)
          and b"Subject: second" in taker.got[-1][1], taker.got[before:])
    process.terminate()
    check("it ends", process.wait(20) == 0)

    # In a running server, over its command, and over a crash.
    taker.got.clear()
    taker.busy = True
    host, port = via.split(":")
    (catching,) = free_ports(1)
    server = Server(extra=f"""
[sandbox.release]
to = ["real.example", "home.example"]
from = "tests@home.example"
[queue]
retry_first = "1s"
retry_longest = "1s"
[routes."*"]
hosts = [{{ host = "{host}", port = {port} }}]
[listeners.catch]
role = "sandbox"
addresses = ["127.0.0.1:{catching}"]
""").start()
    server.accounts("ann@home.example")
    send(catching)
    done = server.run("inbox", "release", "default", "--to", "bob@real.example", "--to", "ann@home.example",
                      "--query", "subject:exact")
    check("a command releases", done.returncode == 0 and done.stdout.count("queued as") == 2, done)
    done = server.run("inbox", "release", "default", "--to", "bob@evil.example", "--query", "")
    check("it says where it may not", done.returncode == 1 and "sandbox.release.to" in done.stderr, done)
    check("a mailbox here has it", len(server.with_subject("ann@home.example", "exact")) == 1)
    copy = server.raw(server.messages("ann@home.example")[0])
    check("with its octets below the trace", copy.endswith(OCTETS) and b"Return-Path: <tests@home.example>" in copy,
          copy)
    check("what is put off waits", wait_for(lambda: len(server.json("queue", "list")) == 1),
          server.json("queue", "list"))
    server.kill()
    server.start()
    taker.busy = False
    check("it comes after a crash", wait_for(lambda: len(taker.got) == 1, 30), taker.got)
    check("from the configured path", taker.got[0][0][0].startswith("MAIL FROM:<tests@home.example>"), taker.got)
    for again in range(2):
        done = server.run("inbox", "release", "default", "--to", "bob@real.example", "--query", "")
        check("a command that comes again does nothing", done.stdout.count("had it before") == 1, done.stdout)
    token = server.run("inbox", "token", "add", "default", "ci").stdout.strip()
    shown = {"Authorization": f"Bearer {token}"}
    code, told = ask(server.http, "GET", "/api/inboxes", headers=shown)
    check("a token opens its inbox", code == 200 and [one["name"] for one in told["inboxes"]] == ["default"], told)
    listed = server.json("inbox", "token", "list", "default")
    check("it is listed with its use", [row["label"] for row in listed] == ["ci"] and listed[0]["last_used"], listed)
    check("it is revoked", server.run("inbox", "token", "revoke", "default", "ci").returncode == 0
          and ask(server.http, "GET", "/api/inboxes", headers=shown)[0] == 401)
    done = server.run("inbox", "expire", "default", "1")
    check("an inbox is told to go", done.returncode == 0, done)
    check("it goes", wait_for(lambda: not server.json("inbox", "list"), 20, 0.3))
    check("nothing came twice", wait_for(lambda: not server.json("queue", "list")) and len(taker.got) == 1,
          taker.got)
    events = server.json("events")
    check("releases are counted", any("released" in json.dumps(row) for row in events), events)
    server.remove()
finally:
    if process.poll() is None:
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)
finish()
