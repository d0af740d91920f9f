"""A remote server that drops the connection, or worse, in each phase of a delivery.

Whatever it does: the server goes on, the message stays queued with a temporary reply, nobody gets a
report, and when the remote has come to its senses the message arrives. Once, but where the
connection was lost after the final dot, when nobody can know.
"""

import collections
import socket
import smtplib
import socketserver
import threading

from harness import PASSWORD, Server, check, finish, message, wait_for

ANN = "ann@home.example"
# Phase: what the remote does there. `drop` closes; `reset` closes with a reset; a text is said.
PHASES = {
    "connect": "drop", "banner": "reset", "helo": "drop", "mail": "drop", "rcpt": "drop",
    "data": "drop", "body": "drop", "dot": "drop", "dot-reset": "reset",
    "garbage-banner": "hello there\r\n", "garbage-helo": "\x00\xff\x00\r\n" * 3,
    "banner-421": "421 4.3.2 Not now\r\n", "mail-421": "421 4.3.2 Not now\r\n",
    "rcpt-451": "451 4.2.0 Not now\r\n", "data-452": "452 4.3.1 No room\r\n",
    "dot-451": "451 4.3.0 Not now\r\n", "data-250": "250 2.0.0 What?\r\n",
    "endless-banner": "endless", "endless-helo": "endless", "long-line": "220 " + "x" * 200_000,
    "drip-banner": "drip", "silent-banner": "silent", "silent-dot": "silent",
}
AT = {name: name.split("-")[0] for name in PHASES}
AT.update({"garbage-banner": "banner", "garbage-helo": "helo", "endless-banner": "banner",
           "endless-helo": "helo", "long-line": "banner", "drip-banner": "banner",
           "silent-banner": "banner", "silent-dot": "dot"})

taken = collections.Counter()
tried = collections.Counter()
healthy = set()
ending = threading.Event()


class Remote(socketserver.StreamRequestHandler):
    """One connection to the server whose domain is `self.server.phase`."""

    timeout = 30

    def handle(self):
        try:
            self.converse()
        except (OSError, ValueError, StopIteration):
            pass

    def misbehaves(self, phase):
        """Does what this remote does here; ends the connection where that is its end."""
        name = self.server.phase
        if name in healthy or AT[name] != phase:
            return False
        tried[name] += 1
        what = PHASES[name]
        if what == "reset":
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if what in ("drop", "reset"):
            self.connection.close()
            raise StopIteration
        if what == "endless":
            while not ending.is_set():
                self.say("220-still more\r\n" if phase == "banner" else "250-still more\r\n")
        if what == "drip":
            while not ending.wait(0.3):
                self.say("2")
        if what == "silent":
            ending.wait(20)
            raise StopIteration
        self.say(what)
        return True

    def say(self, text):
        self.wfile.write(text.encode("latin-1"))
        self.wfile.flush()

    def converse(self):
        if self.misbehaves("connect"):
            return
        if not self.misbehaves("banner"):
            self.say(f"220 mx.{self.server.phase}.example ESMTP\r\n")
        while True:
            line = self.rfile.readline(4096).decode("latin-1").strip().upper()
            if not line:
                return
            verb = line.split()[0]
            if verb in ("EHLO", "HELO"):
                if not self.misbehaves("helo"):
                    self.say("250-hello\r\n250 SIZE 1000000\r\n")
            elif verb == "MAIL":
                if not self.misbehaves("mail"):
                    self.say("250 2.1.0 ok\r\n")
            elif verb == "RCPT":
                if not self.misbehaves("rcpt"):
                    self.say("250 2.1.5 ok\r\n")
            elif verb == "DATA":
                if not self.misbehaves("data"):
                    self.say("354 go\r\n")
                    self.body()
            elif verb == "QUIT":
                self.say("221 bye\r\n")
                return
            else:
                self.say("250 ok\r\n")

    def body(self):
        if AT[self.server.phase] == "body":
            self.rfile.readline(4096)
            self.misbehaves("body")
        while self.rfile.readline(65536).strip(b"\r\n") != b".":
            pass
        if not self.misbehaves("dot"):
            taken[self.server.phase] += 1
            self.say("250 2.0.0 taken\r\n")


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, phase):
        super().__init__(("127.0.0.1", 0), Remote)
        self.phase = phase
        threading.Thread(target=self.serve_forever, daemon=True).start()


remotes = {phase: Listener(phase) for phase in PHASES}
routes = "".join(
    f'[routes."{phase}.example"]\nhosts = [{{ host = "127.0.0.1", port = {one.server_address[1]}, '
    'tls = "none" }]\n'
    for phase, one in remotes.items()
)
server = Server(
    extra='[relay]\nconnect_timeout = "2s"\ncommand_timeout = "3s"\nfinal_timeout = "4s"\n'
          '[queue]\nretry_first = "1h"\ndead_after = 1000\n' + routes
).accounts(ANN)


def rows():
    return {row["recipient"].split("@")[1].removesuffix(".example"): row
            for row in server.json("queue", "list")}


def submit(phase):
    with smtplib.SMTP("127.0.0.1", server.msa, timeout=30) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, [f"dan@{phase}.example"], message(phase, ANN))


try:
    server.start()
    for phase in PHASES:
        submit(phase)
    all_tried = wait_for(lambda: all(row["attempts"] >= 1 for row in rows().values()), 90, 0.5)
    check("each phase was tried", all_tried,
          {phase: row["attempts"] for phase, row in rows().items()})
    found = rows()
    check("each message is still queued", set(found) == set(PHASES), set(PHASES) - set(found))
    for phase in PHASES:
        row = found.get(phase)
        reply = (row or {}).get("last_reply") or ""
        check(f"{phase}: queued, with a temporary reply", row and row["state"] == "queued"
              and reply.startswith("4"), row)
        check(f"{phase}: the remote did it", tried[phase] >= 1, tried[phase])
    check("nobody got a report", server.messages(ANN) == [], server.messages(ANN))
    check("the server still runs", server.process.poll() is None)
    ending.set()
    healthy.update(PHASES)
    for row in found.values():
        server.run("queue", "retry", str(row["id"]))
    check("the queue empties once the remotes are well", wait_for(lambda: not rows(), 60, 0.5),
          rows())
    for phase in PHASES:
        check(f"{phase}: arrives once", taken[phase] == 1, taken[phase])
    check("and still no report", server.messages(ANN) == [])
    check("it never panicked", "panicked" not in server.log.read_text())
    check("it stops with 0", server.stop() == 0)
finally:
    ending.set()
    server.remove()
finish()
