"""Relay to a real Postfix that is found through a real name server, and mail from Postfix's tools."""

import smtplib
import subprocess

from harness import PASSWORD, Server, check, finish, message, unfolded, wait_for
from world import RESOLVER, World

ANN = "ann@home.example"
world = World()
server = Server(extra=f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "2s"
attempts = 1
[queue]
retry_first = "2s"
[relay]
connect_timeout = "3s"
""")


def submit(subject, *recipients, options=(), body="Hello.\r\n"):
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, list(recipients), message(subject, ANN, recipients[0], body),
                        rcpt_options=list(options))


def reports(to):
    """The reports in Ann's mailbox about a recipient."""
    raws = [server.raw(one) for one in server.messages(ANN)]
    wanted = f"final-recipient: rfc822; {to}".encode()
    wanted_close = wanted.replace(b"; ", b";")
    return [raw for raw in raws if wanted in raw.lower() or wanted_close in raw.lower()]


def bounces(name, to, status):
    submit(name, to)
    wait_for(lambda: reports(to), 30)
    found = reports(to)
    if check(f"{name}: one report", len(found) == 1, server.json("queue", "list")):
        raw = found[0]
        check(f"{name}: status {status}", f"status: {status}".encode() in raw.lower(), raw)
        check(f"{name}: null reverse-path", unfolded(raw, "Return-Path") == ["<>"], raw)
        check(f"{name}: multipart/report", b"report-type=delivery-status" in raw.lower().replace(b'"', b""))


def deliveries():
    submit("relay-mx", "dan@remote.example")
    copies = world.with_subject("dan", "relay-mx")
    if check("found through MX", len(copies) == 1, (server.json("queue", "list"), world.postfix_log())):
        text = copies[0]
        check("over TLS, opportunistically", b"TLSv1." in text, text)
        check("with our name", b"mx.home.example" in text, text)
        check("the body is whole", text.endswith(b"Hello.\n"), text)
    submit("relay-implicit", "dan@implicit.example")
    check("A as implicit MX", len(world.with_subject("implicit", "relay-implicit")) == 1)
    submit("relay-prefer", "dan@prefer.example")
    check("the next MX when the first is down", len(world.with_subject("prefer", "relay-prefer")) == 1)
    submit("relay-alias", "dan@alias.example")
    check("through a CNAME", len(world.with_subject("alias", "relay-alias")) == 1)
    submit("relay-literal", "dan@remote.example", "eva@remote.example")
    both = [len(world.with_subject(name, "relay-literal")) for name in ["dan", "eva"]]
    check("two recipients of a domain", both == [1, 1], both)
    body = "".join(f"{number:06} {'x' * 70}\r\n" for number in range(60_000))
    submit("relay-large", "dan@remote.example", body=body)
    copies = world.with_subject("dan", "relay-large")
    check("4.7 MB are whole", copies and copies[0].endswith(body.replace("\r\n", "\n").encode()))
    dots = ".\r\n..\r\n.x\r\n"
    submit("relay-dots", "dan@remote.example", body=dots)
    copies = world.with_subject("dan", "relay-dots")
    check("dots stay", copies and copies[0].endswith(b"\n.\n..\n.x\n"), copies)


def failures():
    bounces("unknown-user", "nobody@remote.example", "5.")
    bounces("null-mx", "x@null.example", "5.1.10")
    bounces("no-such-domain", "x@nowhere.example", "5.1.2")
    bounces("loop", "x@loop.example", "5.")
    submit("servfail", "x@broken.example")
    submit("late", "late@remote.example")

    def tried(address):
        rows = [row for row in server.json("queue", "list") if row["recipient"] == address]
        return rows if rows and rows[0]["attempts"] >= 2 else None

    rows = wait_for(lambda: tried("x@broken.example"), 40)
    check("SERVFAIL defers, and is tried again", rows, server.json("queue", "list"))
    check("and is no bounce", not reports("x@broken.example"))
    rows = wait_for(lambda: tried("late@remote.example"), 40)
    check("450 defers, and is tried again", rows, server.json("queue", "list"))
    check("its reply is kept", rows and "Not now" in str(rows[0]["last_reply"]), rows)
    if rows:
        shown = server.run("queue", "show", str(rows[0]["id"])).stdout
        check("queue show has the conversation", "EHLO mx.home.example" in shown, shown)
        for row in server.json("queue", "list"):
            server.run("queue", "delete", str(row["id"]))
    check("the queue can be emptied", server.json("queue", "list") == [])


def success_report():
    submit("notify", "eva@remote.example", options=["NOTIFY=SUCCESS,FAILURE"])
    check("NOTIFY=SUCCESS is passed on or reported", world.with_subject("eva", "notify"))


def from_postfix():
    line = ["smtp-source", "-s", "10", "-m", "500", "-l", "4096", "-S", "source", "-d",
            "-f", "bob@client.example", "-t", ANN, f"127.0.0.1:{server.mta}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    check("smtp-source is content", done.returncode == 0, done.stderr)
    check("500 messages arrive", len(server.with_subject(ANN, "source", 60, 500)) == 500)


try:
    world.start_dns()
    world.start_postfix()
    server.accounts(ANN).start()
    for part in [deliveries, failures, success_report, from_postfix]:
        part()
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
    world.stop()
finish()
