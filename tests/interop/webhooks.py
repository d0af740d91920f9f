#!/usr/bin/env python3
"""Webhooks of an inbox against a server that takes, fails, hangs, redirects and goes away."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import smtplib
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from harness import BINARY, Server, check, finish, free_ports, wait_for

got = []
lock = threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Does what its path says, and keeps what came."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with lock:
            got.append({"path": self.path, "body": body, "at": time.monotonic(),
                        **{name.lower(): value for name, value in self.headers.items()}})
            times = sum(1 for one in got if one["path"] == self.path)
        code, headers = 204, {}
        if self.path == "/fails-twice":
            code = 500 if times <= 2 else 200
        elif self.path == "/always-fails":
            code = 503
        elif self.path == "/hangs":
            self.server.hang.wait(20)
        elif self.path == "/redirects":
            code, headers = 307, {"Location": "/elsewhere"}
        elif self.path == "/gone":
            code = 410
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
receiver.daemon_threads = True
receiver.hang = threading.Event()
threading.Thread(target=receiver.serve_forever, daemon=True).start()
port = receiver.server_address[1]
hooks_at = f"http://127.0.0.1:{port}"


def came(path):
    with lock:
        return [one for one in got if one["path"] == path]


def ask(http_port, method, path, body=None):
    """One request; gives code and JSON."""
    octets = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{http_port}{path}", octets,
                                     {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            code, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, text = error.code, error.read()
    return code, json.loads(text) if text else None


def signed(one, secret):
    """Whether one of its signatures is that of a receiver who knows the secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{one['webhook-id']}.{one['webhook-timestamp']}.".encode() + one["body"]
    right = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return right in one["webhook-signature"].split()


def send(smtp, subject, user=None):
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        if user:
            client.login(user, "x")
        client.sendmail("app@shop.example", ["ann@example.com"],
                        f"From: app@shop.example\r\nSubject: {subject}\r\n\r\nHi\r\n".encode())


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-webhooks-test-"))
smtp, http_port = free_ports(2)
screen = open(folder / "screen", "wb")
process = subprocess.Popen(
    [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{http_port}"],
    stdout=screen, stderr=screen, env={**os.environ, "TMPDIR": str(folder)})
server = None
try:
    # A sandbox on loopback calls this machine, as developers expect.
    check("the sandbox listens", wait_for(lambda: listens(smtp) and listens(http_port), 20, 0.01),
          (folder / "screen").read_text())
    place = "/api/inboxes/default/webhooks"
    ask(http_port, "GET", "/api/inboxes/default")
    code, taken = ask(http_port, "POST", place, {"url": f"{hooks_at}/takes",
                                                 "kinds": ["message.caught", "session.refused"]})
    check("a webhook is made", code == 201 and taken["secret"].startswith("whsec_"), taken)
    begin = time.monotonic()
    send(smtp, "First")
    check("a message is told", wait_for(lambda: len(came("/takes")) == 1), got)
    one = came("/takes")[0]
    print(f"        told in {(one['at'] - begin) * 1000:.0f} ms, unoptimised", flush=True)
    told = json.loads(one["body"])
    check("with what lists show of it", told["type"] == "message.caught"
          and told["data"]["subject"] == "First" and told["inbox"] == "default", told)
    check("its signature is right", signed(one, taken["secret"]) and one["content-type"] == "application/json", one)
    check("and that of another secret is not", not signed(one, "whsec_" + base64.b64encode(b"x" * 32).decode()))
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        client.docmd("MAIL", "FROM:no")
    check("a refusal is told", wait_for(lambda: len(came("/takes")) == 2), got)
    told = json.loads(came("/takes")[1]["body"])
    check("with what was refused", told["type"] == "session.refused" and told["data"]["command"]
          == "MAIL FROM:no", told)
    fresh = ask(http_port, "POST", f"{place}/{taken['id']}/rotate")[1]["secret"]
    send(smtp, "Second")
    check("it is told with a new secret", wait_for(lambda: len(came("/takes")) == 3), got)
    last = came("/takes")[2]
    check("both secrets sign for a while", fresh != taken["secret"] and signed(last, fresh)
          and signed(last, taken["secret"]), last)
    listed = ask(http_port, "GET", f"{place}/{taken['id']}/deliveries")[1]["deliveries"]
    check("deliveries are listed", [row["state"] for row in listed] == ["delivered"] * 3
          and listed[0]["webhookId"] == last["webhook-id"] and listed[0]["status"] == 204, listed)
    process.terminate()
    check("it ends", process.wait(20) == 0)

    # A server calls nobody on this machine unless that is opened.
    (catching,) = free_ports(1)
    closed = """
[listeners.catch]
role = "sandbox"
addresses = ["127.0.0.1:%d"]
[sandbox.webhooks]
retry_first = "200ms"
retry_longest = "500ms"
timeout = "1s"
attempts_max = 4
disabled_after = "1h"
""" % catching
    server = Server(extra=closed).start()
    ask(server.http, "GET", "/api/inboxes/default")

    def hook(path, inbox="default"):
        code, made = ask(server.http, "POST", f"/api/inboxes/{inbox}/webhooks", {"url": f"{hooks_at}{path}"})
        return made

    def state(made, inbox="default"):
        path = f"/api/inboxes/{inbox}/webhooks/{made['id']}"
        return ask(server.http, "GET", path)[1], ask(server.http, "GET", f"{path}/deliveries")[1]["deliveries"]

    shut = hook("/shut")
    send(catching, "Nowhere")
    check("what is not public is not called", wait_for(lambda: state(shut)[1][0]["attempts"] >= 1)
          and "127.0.0.1" in state(shut)[1][0]["error"], state(shut))
    check("nothing came", not came("/shut"), got)
    ask(server.http, "DELETE", f"/api/inboxes/default/webhooks/{shut['id']}")

    opened = closed.replace("[sandbox.webhooks]", f'[sandbox.webhooks]\nallow = ["127.0.0.1:{port}"]')
    server.config.write_text(server.config.read_text().replace(closed, opened))
    server.stop()
    server.start()
    twice, always, hangs, redirects, gone, takes = [
        hook(path) for path in ["/fails-twice", "/always-fails", "/hangs", "/redirects", "/gone", "/plain"]]
    check("webhooks are made", all(one and "id" in one for one in (twice, always, hangs, redirects, gone, takes)))
    begin = time.monotonic()
    send(catching, "Everywhere")
    check("one that hangs holds up no other", wait_for(lambda: came("/plain"))
          and came("/plain")[0]["at"] - begin < 3, came("/plain"))
    check("one that fails is tried again", wait_for(lambda: len(came("/fails-twice")) == 3), got)
    tries = came("/fails-twice")
    check("with the same number and body", len({one["webhook-id"] for one in tries}) == 1
          and len({one["body"] for one in tries}) == 1, tries)
    check("each time signed anew", all(signed(one, twice["secret"]) for one in tries))
    check("it arrived then", wait_for(lambda: state(twice)[1][0]["state"] == "delivered")
          and state(twice)[1][0]["attempts"] == 3, state(twice))
    check("attempts are finite", wait_for(lambda: state(always)[1][0]["state"] == "failed")
          and len(came("/always-fails")) == 4, state(always))
    check("it is on still", state(always)[0]["enabled"] and state(always)[0]["failingSince"], state(always))
    check("a redirect is not followed", wait_for(lambda: state(redirects)[1][0]["state"] == "failed")
          and not came("/elsewhere") and "redirect" in state(redirects)[1][0]["error"], state(redirects))
    check("410 switches it off", wait_for(lambda: not state(gone)[0]["enabled"])
          and len(came("/gone")) == 1 and "410" in state(gone)[0]["reason"], state(gone))
    check("one that hangs is given up", wait_for(lambda: state(hangs)[1][0]["state"] == "failed", 20)
          and "no answer" in state(hangs)[1][0]["error"], state(hangs))
    receiver.hang.set()
    path = f"/api/inboxes/default/webhooks/{always['id']}/deliveries/{state(always)[1][0]['id']}/retry"
    check("by hand it is tried again", ask(server.http, "POST", path)[0] == 202
          and wait_for(lambda: len(came("/always-fails")) > 4), got)
    check("and a test is sent", ask(server.http, "POST", f"/api/inboxes/default/webhooks/{takes['id']}/test")[0]
          == 202 and wait_for(lambda: any(b"webhook.test" in one["body"] for one in came("/plain"))))
    check("that is an event", any("webhook_disabled" in json.dumps(row) for row in server.json("events")))

    # What is due survives a crash.
    receiver.shutdown()
    receiver.server_close()
    send(catching, "Later")
    check("it waits", wait_for(lambda: state(takes)[0]["waiting"] == 1), state(takes))
    server.kill()
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    receiver.daemon_threads = True
    receiver.hang = threading.Event()
    receiver.hang.set()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    server.start()
    check("what was due comes after a crash", wait_for(
        lambda: any(b'"Later"' in one["body"] for one in came("/plain"))), state(takes))
    check("nothing waits then", wait_for(lambda: state(takes)[0]["waiting"] == 0), state(takes))
finally:
    if process.poll() is None:
        process.kill()
    if server:
        server.remove()
    shutil.rmtree(folder, ignore_errors=True)
finish()
