#!/usr/bin/env python3
"""Faults of an inbox as programs meet them: replies, drops, waits, broken TLS, bounces and complaints."""

import email
import email.policy
import http.client
import json
import os
import pathlib
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

from harness import BINARY, check, finish, free_ports, wait_for

smtp, smtps, http_port = free_ports(3)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-faults-test-"))
settings = folder / "settings.json"
settings.write_text(json.dumps({"faults": [{"at": "rcpt", "recipient": "first@*", "reply": "450 4.2.0 Not now"}]}))
screen = open(folder / "screen", "wb")
server = subprocess.Popen(
    [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--smtps", f"127.0.0.1:{smtps}", "--tls",
     "--http", f"127.0.0.1:{http_port}", "--settings", str(settings)],
    stdout=screen, stderr=screen, env={**os.environ, "TMPDIR": str(folder)})
trusting = ssl._create_unverified_context()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=40)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    octets = answer.read()
    return answer.status, json.loads(octets) if octets[:1] in (b"{", b"[") else octets


def faults(*rules, inbox="default"):
    code, said = ask("PUT", f"/api/inboxes/{inbox}/settings", {"faults": list(rules)})
    assert code == 204, said


def listens():
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", http_port)) == 0


def send(*to, size=100, sender="app@shop.example", user=None, port=smtp, kind=smtplib.SMTP, **more):
    """What becomes of a message: 250, another code, or the name of what went wrong."""
    try:
        with kind("127.0.0.1", port, timeout=20, **more) as client:
            if user:
                client.login(user, "x")
            refused = client.sendmail(sender, list(to), "Subject: fault\r\n\r\n" + f"{'x' * 78}\r\n" * (size // 80 + 1))
            return {name: code for name, (code, _) in refused.items()} or 250
    except smtplib.SMTPRecipientsRefused as error:
        return {name: code for name, (code, _) in error.recipients.items()}
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        return type(error).__name__


def held(inbox="default"):
    return ask("GET", f"/api/inboxes/{inbox}")[1].get("messages", 0)


try:
    check("it listens", wait_for(listens, 30, 0.01), (folder / "screen").read_text())
    check("settings of a file hold from the start", send("first@a.example") == {"first@a.example": 450})
    faults()
    check("settings are replaced", send("first@a.example") == 250)
    check("TLS from the first octet on", send("b@b.example", port=smtps, kind=smtplib.SMTP_SSL,
                                              context=trusting) == 250)

    for rule, outcome, kept in [
        ({"at": "connect", "reply": "554 5.3.2 Closed"}, 554, 0),
        ({"at": "connect", "drop": True}, "SMTPServerDisconnected", 0),
        ({"at": "mail", "sender": "app@*", "reply": "553 5.1.8 Not you"}, 553, 0),
        ({"at": "rcpt", "every": 2, "reply": "550 5.1.1 No"}, {"two@a.example": 550}, 1),
        ({"at": "data", "drop": True}, "SMTPServerDisconnected", 0),
        ({"at": "body", "largerThan": 100_000, "drop": True}, "lost", 0),
        ({"at": "message", "reply": "451 4.3.0 Later"}, 451, 0),
        ({"at": "message", "drop": True, "keep": True}, "SMTPServerDisconnected", 1),
    ]:
        faults(rule)
        before = held()
        said = send("one@a.example", "two@a.example", size=1_000_000 if "largerThan" in rule else 100)
        # Who still writes when a connection ends is told so by its system.
        fits = said in ("SMTPServerDisconnected", "ConnectionResetError", "BrokenPipeError") \
            if outcome == "lost" else said == outcome
        check(f"{rule}", fits and held() - before == kept, (said, held() - before))
    refused = ask("GET", "/api/refusals")[1]["refusals"]
    check("a dropped connection is told of", any("on purpose" in one["reply"] for one in refused), refused[:3])

    # Time.
    faults({"at": "rcpt", "delay": "600ms"}, {"at": "body", "throttle": 40_000})
    begin = time.monotonic()
    check("a slow server takes it", send("a@a.example", size=40_000) == 250)
    check("as slowly as it says", 1.4 < time.monotonic() - begin < 8, time.monotonic() - begin)
    faults({"at": "rcpt", "delay": "5m"})
    with socket.create_connection(("127.0.0.1", smtp), 10) as raw:
        raw.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@a.example>\r\n")
        raw.recv(4096)
    faults({"at": "mail", "rate": {"count": 2, "per": "1m"}, "reply": "421 4.7.0 Slow down"})
    check("a rate lets some through", [send("a@a.example") for _ in range(3)] == [250, 250, 421])
    faults({"at": "rcpt", "greylist": "300ms"})
    tries = [send("new@a.example"), wait_for(lambda: send("new@a.example") == 250, 10, 0.05)]
    check("greylisting lets the second through", tries == [{"new@a.example": 450}, True], tries)

    # TLS.
    for how in ["close", "alert", "garbage"]:
        faults({"at": "tls", "breakTls": how})
        try:
            with smtplib.SMTP("127.0.0.1", smtp, timeout=20) as client:
                client.starttls(context=trusting)
            said = "secure"
        except OSError as error:
            said = str(error)
        check(f"STARTTLS is broken by {how}", said != "secure", said)
        said = send("b@b.example", port=smtps, kind=smtplib.SMTP_SSL, context=trusting)
        check(f"and TLS from the first octet on", isinstance(said, str), said)

    # One inbox's faults are not another's.
    faults()
    ask("POST", "/api/inboxes", {"name": "run-1", "settings": {
        "faults": [{"at": "mail", "reply": "451 4.3.0 Not for you", "nth": 2}]}})
    check("an inbox has its own", [send("a@a.example", user="run-1") for _ in range(3)] == [250, 451, 250])
    check("and no other meets them", [send("a@a.example", user="run-2") for _ in range(3)] == [250] * 3)
    code, told = ask("GET", "/api/inboxes/run-1/settings")
    check("how often it struck is told", told["struck"] == [1], told)
    code, said = ask("PUT", "/api/inboxes/run-1/settings", {"faults": [{"at": "rcpt", "throttle": 5}]})
    check("what means nothing is refused", code == 400 and "throttle" in said["error"], said)
    code, said = ask("PUT", "/api/inboxes/run-1/settings", {"octetsMax": 1000})
    check("a full inbox says so", send("a@a.example", size=2000, user="run-1") == {"a@a.example": 552})

    # Names that say what becomes of their mail.
    check("refused by name", send("reject+552-5.2.2@x.example") == {"reject+552-5.2.2@x.example": 552})
    tries = [send("defer+3x@x.example") for _ in range(4)]
    check("put off by name", tries == [{"defer+3x@x.example": 451}] * 3 + [250], tries)
    begin = time.monotonic()
    check("slow by name", send("slow+1s@x.example") == 250 and time.monotonic() - begin >= 1)
    check("bounced by name", send("bounce+550-5.1.1@x.example", "complaint@x.example", user="echo") == 250)
    code, waited = ask("GET", "/api/inboxes/echo/wait?count=3&timeout=20")
    check("the reports come back into the inbox", code == 200, waited)
    found = {}
    for one in waited.get("messages", []):
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
        connection.request("GET", f"/api/messages/{one['id']}/raw")
        parsed = email.message_from_bytes(connection.getresponse().read(), policy=email.policy.default)
        found[parsed.get_param("report-type")] = parsed
    report = found.get("delivery-status")
    fields = [part for part in report.iter_parts()][1].get_payload()[1] if report else {}
    check("one is a report of failure", fields.get("Status") == "5.1.1" and fields.get("Action") == "failed",
          dict(fields))
    complaint = found.get("feedback-report")
    check("one is a complaint", complaint and "app@shop.example" in complaint["To"]
          and "Feedback-Type: abuse" in complaint.as_string(), complaint)
finally:
    server.terminate()
    check("it ends in order", server.wait(30) == 0)
    shutil.rmtree(folder, ignore_errors=True)
finish()
