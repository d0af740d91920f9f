"""POP3 with clients that people have: poplib, curl, fetchmail, mpop; and what none of them does."""

import base64
import hashlib
import hmac
import os
import pathlib
import plistlib
import poplib
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

from harness import PASSWORD, Server, check, finish, free_ports, message, wait_for

ANN = "ann@home.example"
BEN = "ben@home.example"
pop3, pop3s = free_ports(2)
server = Server(extra=f"""
[listeners.pop3]
role = "pop3"
addresses = ["127.0.0.1:{pop3}"]
public_port = 110
[listeners.pop3s]
role = "pop3"
addresses = ["127.0.0.1:{pop3s}"]
implicit_tls = true
public_port = 995
""").accounts(ANN, BEN)
unverified = ssl.create_default_context()
unverified.check_hostname = False
unverified.verify_mode = ssl.CERT_NONE


def deliver(subject, body="Hello.\r\n", to=ANN):
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        client.sendmail("bob@client.example", [to], message(subject, to=to, body=body))


def login(port=None, user=ANN, secure=False):
    if secure:
        client = poplib.POP3_SSL("127.0.0.1", port or pop3s, timeout=30, context=unverified)
    else:
        client = poplib.POP3("127.0.0.1", port or pop3, timeout=30)
    client.user(user)
    client.pass_(PASSWORD)
    return client


def refusal(call, *arguments):
    """The answer with which a call of poplib is refused."""
    try:
        return call(*arguments) and ""
    except poplib.error_proto as error:
        return str(error)


def with_poplib():
    bodies = {"one": "Hello.\r\n", "dots": ".\r\n..\r\n.x\r\n\r\n", "large": "x" * 70 + "\r\n"}
    bodies["large"] *= 40_000
    for subject, body in bodies.items():
        deliver(subject, body)
    client = login()
    count, octets = client.stat()
    check("STAT counts", count == 3, count)
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    check("LIST agrees with STAT", sum(sizes) == octets, (sizes, octets))
    names = [line.split()[1] for line in client.uidl()[1]]
    check("UIDL tells them apart", len(set(names)) == 3, names)
    for number, (subject, body) in enumerate(bodies.items(), 1):
        _, lines, _ = client.retr(number)
        raw = b"\r\n".join(lines) + b"\r\n"
        check(f"{subject}: RETR gives the bytes", raw.endswith(message(subject, body=body)), raw)
        check(f"{subject}: LIST gave its octets", len(raw) == sizes[number - 1], len(raw))
        stored = server.raw(server.with_subject(ANN, subject)[0])
        check(f"{subject}: as the command line has it", raw == stored, len(stored))
    head = client.top(2, 1)[1]
    check("TOP gives the header and one line", head[-2:] == [b"", b"."], head)
    client.dele(1)
    check("what is marked is gone", "-ERR" in refusal(client.retr, 1))
    check("and not counted", client.stat()[0] == 2)
    client.rset()
    check("RSET brings it back", client.stat()[0] == 3)
    client.dele(1)
    client.sock.shutdown(socket.SHUT_RDWR)
    client.close()
    client = wait_for(attempt)
    check("a dropped connection removes nothing", client.stat()[0] == 3, client.stat())
    client.dele(1)
    client.dele(3)
    client.quit()
    client = login()
    left = [line.split()[1] for line in client.uidl()[1]]
    check("QUIT removes, at once and for good", left == names[1:2], (names, left))
    lines = client.retr(1)[1]
    check("numbers begin anew", lines[-4:] == [b".", b"..", b".x", b""], lines)
    client.quit()


def attempt():
    """A login, once the account is free."""
    try:
        return login()
    except poplib.error_proto:
        return None


def in_use_and_elsewhere():
    first = login()
    told = refusal(login)
    check("a second session is refused as in use", "[IN-USE]" in told, told)
    first.quit()
    login().quit()
    check("and taken when the first has left", True)


def secured():
    client = poplib.POP3("127.0.0.1", pop3, timeout=30)
    before = client.capa()
    check("STLS is offered", "STLS" in before, before)
    client.stls(context=unverified)
    after = client.capa()
    check("and then no more", "STLS" not in after, after)
    plus = [name for name in after["SASL"] if name.endswith("-PLUS")]
    check("channel binding is offered over TLS", plus, after)
    client.user(ANN)
    client.pass_(PASSWORD)
    client.quit()
    login(secure=True).quit()
    check("TLS from the first octet", True)
    raw = socket.create_connection(("127.0.0.1", pop3), 20)
    raw.recv(200)
    raw.sendall(b"STLS\r\nCAPA\r\n")
    told = b""
    while chunk := raw.recv(200):
        told += chunk
    check("what follows STLS ends the session", told == b"+OK Begin TLS now\r\n", told)
    check("UTF8 is taken", poplib.POP3("127.0.0.1", pop3).utf8().startswith(b"+OK"))
    no = "-ERR [AUTH]"
    client = poplib.POP3("127.0.0.1", pop3, timeout=30)
    client.user(ANN)
    told = refusal(client.pass_, "wrong")
    check("a wrong password has its code", no in told, told)


def with_scram():
    """SCRAM-SHA-256 by hand, since poplib has no AUTH."""
    client = poplib.POP3("127.0.0.1", pop3, timeout=30)

    def say(line):
        client._putcmd(line)
        return client._getline()[0]

    first = f"n={ANN},r=abcdefghijkl"
    challenge = say("AUTH SCRAM-SHA-256 " + base64.b64encode(f"n,,{first}".encode()).decode())
    server_first = base64.b64decode(challenge[2:]).decode()
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(fields["s"]),
                                 int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c=biws,r={fields['r']}"
    auth = f"{first},{server_first},{without}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
    final = say(base64.b64encode(f"{without},p={proof}".encode()).decode())
    verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
    want = b"v=" + base64.b64encode(verifier)
    check("SCRAM: the server proves itself", base64.b64decode(final[2:]) == want, final)
    told = say("")
    check("SCRAM: logged in", told.startswith(b"+OK"), told)
    client.quit()


def with_programs():
    deliver("for-curl")
    line = ["curl", "-sS", "-k", "--ssl-reqd", "--user", f"{ANN}:{PASSWORD}"]
    number = len(server.messages(ANN))
    done = subprocess.run([*line, f"pop3://127.0.0.1:{pop3}/{number}"], capture_output=True,
                          timeout=60)
    check("curl over STLS", b"Subject: for-curl\r\n" in done.stdout, done)
    done = subprocess.run([*line, f"pop3s://127.0.0.1:{pop3s}/"], capture_output=True, timeout=60)
    check("curl lists", len(done.stdout.split(b"\r\n")) == number + 1, done)
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        with_fetchmail(home)
        with_mpop(home)


def with_fetchmail(home):
    for number in range(5):
        deliver(f"fetch-{number}", to=BEN)
    rc = home / "fetchmailrc"
    rc.write_text(f'poll 127.0.0.1 service {pop3} protocol pop3 uidl user "{BEN}" password '
                  f'"{PASSWORD}" keep sslproto "" mda "cat >> {home}/got"\n')
    rc.chmod(0o600)
    line = ["fetchmail", "-f", str(rc), "-i", str(home / "ids"), "--pidfile",
            str(home / "pid"), "-v"]
    environment = {**os.environ, "HOME": str(home), "FETCHMAILHOME": str(home)}
    done = subprocess.run(line, capture_output=True, timeout=120, env=environment)
    got = (home / "got").read_bytes() if (home / "got").exists() else b""
    all_there = all(f"Subject: fetch-{number}\n".encode() in got for number in range(5))
    check("fetchmail fetches", done.returncode == 0 and all_there, (done, got))
    done = subprocess.run(line, capture_output=True, timeout=120, env=environment)
    check("fetchmail knows them by UIDL", done.returncode == 1, done)


def with_mpop(home):
    (home / "box").mkdir()
    rc = home / "mpoprc"
    rc.write_text(f"account a\nhost 127.0.0.1\nport {pop3s}\nuser {BEN}\npassword {PASSWORD}\n"
                  f"tls on\ntls_starttls off\ntls_certcheck off\nkeep off\n"
                  f"uidls_file {home}/uidls\ndelivery mbox {home}/box/mbox\n")
    rc.chmod(0o600)
    done = subprocess.run(["mpop", "-C", str(rc), "a"], capture_output=True, timeout=120,
                          env={**os.environ, "HOME": str(home)})
    box = (home / "box/mbox").read_bytes() if (home / "box/mbox").exists() else b""
    check("mpop fetches all, pipelined", box.count(b"Subject: fetch-") == 5, (done, box[-500:]))
    check("and removes them", not server.messages(BEN), server.messages(BEN))


def quick():
    """Many small messages, one after another and pipelined; prints the rates."""
    body = "".join(f"{number:04} {'x' * 70}\r\n" for number in range(64))
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        for number in range(300):
            client.sendmail("bob@client.example", [BEN], message(f"q{number}", to=BEN, body=body))
    client = login(user=BEN)
    count = client.stat()[0]
    begin = time.monotonic()
    for number in range(1, count + 1):
        client.retr(number)
    print(f"        RETR one after another: {count / (time.monotonic() - begin):.0f}/s")
    raw = client.sock
    commands = b"".join(b"RETR %d\r\n" % number for number in range(1, count + 1)) + b"NOOP\r\n"
    begin = time.monotonic()
    raw.sendall(commands)
    told, end = bytearray(), b"\r\n.\r\n+OK Nothing done\r\n"
    while not told.endswith(end):
        told += raw.recv(1 << 18)
    print(f"        RETR pipelined: {count / (time.monotonic() - begin):.0f}/s")
    check("a pipeline is answered whole", told.count(b"\r\n.\r\n") == count, told[-300:])
    client.close()


def page(path, body=None, host="localhost"):
    """The code, kind and text of a page."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.http}{path}", data=body,
                                     headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read()


def settings():
    _, _, known = page(f"/mail/config-v1.1.xml?emailaddress={ANN}")
    code, _, unknown = page("/mail/config-v1.1.xml?emailaddress=nobody@home.example")
    check("autoconfig tells nothing of accounts", code == 200 and known == unknown, unknown)
    check("autoconfig is for our domains",
          page("/mail/config-v1.1.xml?emailaddress=x@else.example")[0] == 404)
    root = ElementTree.fromstring(known)
    servers = {(one.get("type"), one.find("socketType").text): int(one.find("port").text)
               for one in root.iter() if one.tag in ("incomingServer", "outgoingServer")}
    want = {("pop3", "SSL"): 995, ("pop3", "STARTTLS"): 110, ("smtp", "SSL"): server.msas,
            ("smtp", "STARTTLS"): server.msa}
    check("autoconfig names the ports that clients see", servers == want, servers)
    asked = ("<?xml version='1.0'?><Autodiscover xmlns='http://schemas.microsoft.com/exchange/"
             "autodiscover/outlook/requestschema/2006'><Request><EMailAddress>" + ANN +
             "</EMailAddress></Request></Autodiscover>").encode()
    code, _, text = page("/AutoDiscover/autodiscover.xml", asked)
    space = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
    root = ElementTree.fromstring(text)
    found = {one.find(space + "Type").text: one.find(space + "Port").text
             for one in root.iter(space + "Protocol")}
    check("autodiscover answers", found == {"POP3": "995", "SMTP": str(server.msas)}, found)
    check("autodiscover is bounded", page("/autodiscover/autodiscover.xml", b"x" * 99999)[0] == 413)
    code, kind, text = page(f"/.well-known/mail/mobileconfig?email={ANN}")
    profile = plistlib.loads(text)
    account = profile["PayloadContent"][0]
    check("mobileconfig is a profile", kind.startswith("application/x-apple-aspen-config")
          and account["IncomingMailServerPortNumber"] == 995
          and account["EmailAddress"] == ANN, profile)
    zone = server.run("domain", "records", "home.example", "--zone").stdout
    check("records name what is here", "_pop3s._tcp.home.example. IN SRV 20 1 995 "
          "mx.home.example.\n" in zone, zone)
    check("and what is not", "_imap._tcp.home.example. IN SRV 0 0 0 .\n" in zone, zone)
    table = server.run("domain", "records", "home.example").stdout
    check("records as a table", len(table.splitlines()) == len(zone.splitlines()), table)
    done = server.run("domain", "records", "else.example")
    check("records are for our domains", done.returncode and done.stderr, done)


try:
    server.start()
    with_poplib()
    in_use_and_elsewhere()
    secured()
    with_scram()
    with_programs()
    quick()
    settings()
    check("it stops with 0", server.stop() == 0)
finally:
    server.remove()
finish()
