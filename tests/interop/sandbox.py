#!/usr/bin/env python3
"""The sandbox with real programs: mail comes from smtplib, curl and swaks, and is read over HTTP, IMAP and POP3."""

import base64
import email
import http.client
import imaplib
import json
import os
import pathlib
import poplib
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from harness import BINARY, Server, check, finish, free_ports, wait_for

smtp, http_port, imap, pop3 = free_ports(4)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-sandbox-test-"))
screen = open(folder / "screen", "wb")
own = {**os.environ, "TMPDIR": str(folder)}
begin = time.monotonic()
server = subprocess.Popen(
    [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{http_port}",
     "--imap", f"127.0.0.1:{imap}", "--pop3", f"127.0.0.1:{pop3}", "--inbox-by", "user,tag"],
    stdout=screen, stderr=screen, env=own)


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


def ask(method, path, body=None, headers=None, host=None):
    """One request; gives code, headers and octets."""
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=40)
    given = {"Host": host or f"127.0.0.1:{http_port}", **(headers or {})}
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        given["Content-Type"] = "application/json"
    connection.request(method, path, body, given)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def get(path, **asked):
    """JSON of a path."""
    query = f"?{urllib.parse.urlencode(asked, doseq=True)}" if asked else ""
    code, _, octets = ask("GET", path + query)
    return json.loads(octets) if code == 200 else {"code": code}


def send(subject, to="ann@example.com", user=None, text="Your code is 482910.", html=None):
    """A message by smtplib."""
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "App <app@shop.example>", to, subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        if user:
            client.login(user, "any password")
        client.send_message(message, "app@shop.example", [to, "hidden@other.example"])


try:
    check("it listens", wait_for(lambda: listens(smtp) and listens(http_port), 20, 0.002),
          (folder / "screen").read_text())
    print(f"        started in {(time.monotonic() - begin) * 1000:.0f} ms, unoptimised", flush=True)
    inside = [path for path in folder.iterdir() if path.is_dir()]
    check("its data is in a temporary folder", len(inside) == 1, inside)

    # A wait is answered the moment the message comes.
    waited = {}

    def wait():
        waited.update(get("/api/inboxes/default/wait", query="subject:welcome", timeout=20,
                          select="a.go", regex=r"code is (\d+)"))
        waited["at"] = time.monotonic()

    waiting = threading.Thread(target=wait)
    waiting.start()
    send("Something else")
    send("Welcome", html='<p>Hi</p><a class="go" href="https://shop.example/c?t=1">Confirm</a>')
    sent_at = time.monotonic()
    waiting.join(25)
    message = waited.get("message") or {}
    check("a wait ends with the message", message.get("subject") == "Welcome", waited)
    check("it ends at once", waited.get("at", 1e9) - sent_at < 1.0, waited.get("at", 0) - sent_at)
    check("its links are told", message["links"][0] ==
          {"url": "https://shop.example/c?t=1", "text": "Confirm"}, message.get("links"))
    check("its code is told", message["codes"] == ["482910"], message.get("codes"))
    check("a selector finds", message["selected"]["a.go"][0]["text"] == "Confirm", message)
    check("a pattern finds", message["matched"][r"code is (\d+)"] == ["482910"], message)
    check("the envelope is told", message["envelope"]["to"] ==
          ["ann@example.com", "hidden@other.example"], message["envelope"])
    talk = message["session"]["conversation"]
    check("the conversation is told", "FROM:<app@shop.example>" in talk and "354" in talk and "S: 220" in talk, talk)
    check("an impossible wait ends in time", get(
        "/api/inboxes/default/wait", query="subject:never", timeout=1)["code"] == 404)

    # The octets are those that came.
    octets = (b"Subject: exact\r\nX-Odd:\ttab  \r\nReceived: not ours\r\n\r\n"
              b"line\r\n..dot\r\n\xff\xfe8bit\r\n")
    with socket.create_connection(("127.0.0.1", smtp), 10) as raw:
        talk = raw.makefile("rwb")

        def say(line):
            talk.write(line + b"\r\n")
            talk.flush()
            answer = talk.readline()
            while answer[3:4] == b"-":
                answer = talk.readline()
            return answer

        talk.readline()
        say(b"EHLO raw.example")
        say(b"MAIL FROM:<> BODY=8BITMIME")
        say(b"RCPT TO:<ann+tagged@example.com>")
        say(b"DATA")
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        check("a raw message is taken", say(stuffed + b".")[:3] == b"250")
        check("a bad command is refused", say(b"MAIL FROM:no")[:1] == b"5")
        say(b"QUIT")
    found = get("/api/inboxes/tagged/messages")["messages"]
    check("a plus-tag names the inbox", len(found) == 1, found)
    code, _, kept = ask("GET", f"/api/messages/{found[0]['id']}/raw")
    check("the octets are those that came", kept == octets, kept)
    refused = get("/api/refusals")["refusals"]
    check("what was refused is listed", refused and refused[0]["command"] == "MAIL FROM:no", refused)

    # A user name names the inbox; its password is nowhere.
    send("For the run", user="run-17")
    found = get("/api/inboxes/run-17/messages")["messages"]
    check("a user name names the inbox", [one["subject"] for one in found] == ["For the run"], found)
    whole = get(f"/api/messages/{found[0]['id']}")
    secret = base64.b64encode(b"\0run-17\0any password").decode()
    check("its session is told without its password", whole["session"]["username"] == "run-17"
          and secret not in json.dumps(whole), whole["session"])
    code, _, octets = ask("POST", "/api/inboxes", {"name": "short", "ttl": 1})
    check("an inbox is made for a time", code == 201 and json.loads(octets)["password"], octets)
    check("it goes by itself", wait_for(
        lambda: get("/api/inboxes/short").get("code") == 404, 20, 0.2))

    # Other programs.
    curl = subprocess.run(
        ["curl", "-sS", "--url", f"smtp://127.0.0.1:{smtp}", "--mail-from", "c@c.example",
         "--mail-rcpt", "d@d.example", "--upload-file", "-"],
        input=b"Subject: by curl\r\n\r\nx\r\n", capture_output=True, timeout=30)
    check("curl sends", curl.returncode == 0, curl.stderr)
    swaks = subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{smtp}", "--from", "s@s.example", "--to", "t@t.example",
         "--auth", "PLAIN", "--auth-user", "swaks", "--auth-password", "x", "--header",
         "Subject: by swaks", "--silent", "3"], capture_output=True, timeout=30)
    check("swaks sends, with a login", swaks.returncode == 0, swaks.stderr + swaks.stdout)
    check("and is found under it", get("/api/inboxes/swaks")["messages"] == 1)

    # Mail programs read an inbox.
    with imaplib.IMAP4("127.0.0.1", imap) as client:
        client.login("default", "whatever")
        client.select("INBOX")
        _, numbers = client.search(None, "SUBJECT", "welcome")
        check("IMAP finds the message", len(numbers[0].split()) == 1, numbers)
        _, fetched = client.fetch(numbers[0], "(BODY.PEEK[])")
        check("and reads its octets", fetched[0][1] == ask("GET", f"/api/messages/{message['id']}/raw")[2])
    client = poplib.POP3("127.0.0.1", pop3)
    client.user("run-17")
    client.pass_("whatever")
    check("POP3 counts the message", client.stat()[0] == 1)
    client.quit()

    # Events come as they happen, and go on where one left off.
    events = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
    events.request("GET", "/api/inboxes/live/events")
    code = events.getresponse().status
    check("there are no events of no inbox", code == 404, code)
    send("First", user="live")
    first = get("/api/inboxes/live/messages")["messages"][0]["number"]
    send("Second", user="live")
    events = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
    events.request("GET", "/api/inboxes/live/events", headers={"Last-Event-ID": str(first)})
    stream = events.getresponse()

    def event():
        lines = {}
        while True:
            line = stream.readline().decode().rstrip("\n")
            if not line and lines:
                return lines
            name, _, value = line.partition(":")
            if name:
                lines[name] = value.strip()

    missed = event()
    check("what was missed is told", json.loads(missed["data"])["subject"] == "Second", missed)
    send("Third", user="live")
    came = event()
    check("what comes is told", json.loads(came["data"])["subject"] == "Third", came)
    ask("DELETE", "/api/inboxes/live/messages?query=subject:third")
    gone = event()
    check("what goes is told", gone["event"] == "gone"
          and json.loads(gone["data"])["numbers"] == [int(came["id"])], gone)
    events.close()

    # Pages, and what they may do.
    code, headers, page = ask("GET", "/inbox/default")
    check("the page shows the list", code == 200 and b"by curl" in page, page[:500])
    policy = headers["Content-Security-Policy"]
    check("the page runs its own module only", "script-src 'self'" in policy
          and "unsafe" not in policy, policy)
    send("Odd", html="<script>fetch('/x')</script><img src=http://evil.example/p onerror=alert(1)><b>ok</b>")
    odd = get("/api/inboxes/default/messages", query="subject:odd")["messages"][0]["id"]
    code, headers, page = ask("GET", f"/render/{odd}")
    check("HTML is a document of no origin", headers["Content-Security-Policy"].startswith("sandbox ")
          and "allow-scripts" not in headers["Content-Security-Policy"]
          and "allow-same-origin" not in headers["Content-Security-Policy"], headers)
    check("without what acts", b"script" not in page and b"onerror" not in page
          and b"evil" not in page and b"<b>ok</b>" in page, page)

    # Others' pages learn nothing.
    for name, host, headers in [
        ("a rebound name", "rebound.example", {}),
        ("another origin", None, {"Origin": "http://evil.example"}),
        ("no origin", None, {"Origin": "null"}),
    ]:
        for path in ["/api/inboxes", "/inbox/default", "/api/inboxes/default/events",
                     "/api/v1/messages"]:
            code, _, _ = ask("GET", path, headers=headers, host=host)
            check(f"{name} is turned away from {path}", code == 403, code)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode()}
    code, _, _ = ask("GET", "/api/events", headers={**upgrade, "Origin": "http://evil.example"})
    check("and from the WebSocket", code == 403, code)

    # Clients that were written for Mailpit.
    listed = get("/api/v1/messages", limit=3)
    check("Mailpit's list", listed["count"] == 3 and listed["total"] > 3, listed)
    searched = get("/api/v1/search", query='subject:"welcome" -tag:x')
    check("Mailpit's search", searched["messages_count"] == 1, searched)
    latest = get("/api/v1/message/latest", query="subject:welcome")
    check("Mailpit's message", latest["Subject"] == "Welcome" and latest["HTML"], latest)
    rated = get("/api/v1/message/latest/html-check", query="subject:welcome")
    check("Mailpit's HTML check", rated["Total"]["Tests"] > 300 and rated["Platforms"], rated)
    rated = get("/api/v1/message/latest/sa-check", query="subject:welcome")
    check("Mailpit's spam score", rated["Rules"] and not rated["Error"], rated)
    check("seen from one inbox", get("/api/v1/messages", inbox="run-17")["total"] == 1)
    with socket.create_connection(("127.0.0.1", http_port), 20) as raw:
        lines = [f"GET /api/events HTTP/1.1", f"Host: 127.0.0.1:{http_port}",
                 *(f"{name}: {value}" for name, value in upgrade.items()), "", ""]
        raw.sendall("\r\n".join(lines).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += raw.recv(4096)
        check("Mailpit's WebSocket opens", got.startswith(b"HTTP/1.1 101"), got)
        send("Over the wire")
        while b"Over the wire" not in got:
            more = raw.recv(65536)
            if not more:
                break
            got += more
        check("and tells of a message", b'"Type":"new"' in got and b"Over the wire" in got, got)

    # Nothing is left behind, and nobody who follows it holds it up.
    follower = urllib.request.urlopen(f"http://127.0.0.1:{http_port}/api/inboxes/default/events", timeout=30)
    ended = {}
    waiting = threading.Thread(target=lambda: ended.update(wait=ask("GET", "/api/inboxes/default/wait?query=never&timeout=60")))
    waiting.start()
    send("For who follows")
    check("an open stream is told of a message", b"event: new" in follower.readline(), "")
    begin = time.monotonic()
    server.terminate()
    check("it ends with 0", server.wait(20) == 0, (folder / "screen").read_text())
    check("at once, though somebody follows and somebody waits", time.monotonic() - begin < 5, time.monotonic() - begin)
    waiting.join(20)
    check("who waits is told", ended["wait"][0] == 503, ended)
    inside = [path for path in folder.iterdir() if path.is_dir()]
    check("nothing is left behind", not inside, inside)

    # What was acknowledged outlives the process, where a folder is named.
    data = folder / "kept"
    line = [str(BINARY), "--data", str(data), "sandbox", "--smtp", f"127.0.0.1:{smtp}",
            "--http", f"127.0.0.1:{http_port}"]
    server = subprocess.Popen(line, stdout=screen, stderr=screen)
    wait_for(lambda: listens(smtp) and listens(http_port), 20, 0.01)
    for number in range(20):
        send(f"Kept {number}")
    server.kill()
    server.wait()
    server = subprocess.Popen(line, stdout=screen, stderr=screen)
    wait_for(lambda: listens(smtp) and listens(http_port), 20, 0.01)
    kept = get("/api/inboxes/default/messages", query="subject:kept", count="true")
    check("none that was acknowledged is lost", kept.get("total") == 20, kept)
    server.kill()
    server.wait()

    # In a server, beside real mail.
    real = Server(extra="[sandbox]\ninboxes_max = 5\n")
    real.accounts("ann@home.example")
    made = real.run("inbox", "add", "shop", "--address", "shop@home.example")
    check("a command makes an inbox", made.returncode == 0, made.stderr)
    password = made.stdout.split()[-1]
    real.start()
    try:
        with smtplib.SMTP("127.0.0.1", real.msa) as client:
            client.starttls(context=__import__("ssl")._create_unverified_context())
            client.login("shop", password)
            client.sendmail("any@where.example", ["real@elsewhere.example"], "Subject: caught\r\n\r\nx\r\n")
        with smtplib.SMTP("127.0.0.1", real.mta) as client:
            client.sendmail("stranger@where.example", ["shop@home.example", "ann@home.example"],
                            "Subject: both\r\n\r\nx\r\n")
        http_port = real.http
        found = get("/api/inboxes/shop/messages")["messages"]
        check("what it sends and gets is caught",
              sorted(one["subject"] for one in found) == ["both", "caught"], found)
        check("nothing waits to leave", wait_for(lambda: real.json("queue", "list") == []))
        check("real mail is delivered beside it", real.with_subject("ann@home.example", "both"))
        try:
            with smtplib.SMTP("127.0.0.1", real.msa) as client:
                client.login("shop", "wrong")
            opened = True
        except smtplib.SMTPAuthenticationError:
            opened = False
        check("a wrong password opens nothing", not opened)
        listed = real.json("inbox", "list")
        check("a command lists it", [one["name"] for one in listed] == ["shop"], listed)
        check("a command removes it", real.run("inbox", "remove", "shop").returncode == 0)
        check("it is gone", real.json("inbox", "list") == [])
    finally:
        real.remove()
finally:
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)
finish()
