"""DANE: TLSA records that are right, wrong, of no use, absent, forged; Postfix on both sides."""

import email
import gzip
import http.server
import json
import smtplib
import sqlite3
import ssl
import subprocess
import threading

from dns_world import RESOLVER
from harness import PASSWORD, Server, check, finish, free_ports, message, wait_for
from liar import ADDRESS as LIAR, Liar, rows
from pki import Authority, key_digest
from world import World

ANN = "ann@home.example"
WRONG = "3 1 1 " + "00" * 32
HANGING = [f"h{number}" for number in range(12)]

world = World()
authority = Authority(world.folder)
# The names of the certificate are those of one host: for `3 1 1` no name counts.
chain, key = authority.issue("remote", "mx.ta.example")
chain.rename(world.folder / "cert.pem")
key.rename(world.folder / "key.pem")
RIGHT = f"3 1 1 {key_digest(world.folder / 'cert.pem')}"
BELOW = f"2 1 1 {key_digest(authority.certificate)}"
ours, our_key = authority.issue("ours", "mx.home.example")

# A domain below `example`: the TLSA records of its server, and what is asked of it; nothing where
# the message has to wait.
DELIVERED = {
    "right": ([RIGHT], "dane"),
    "ta": ([BELOW], "dane"),
    "among": ([WRONG, RIGHT, "0 0 1 " + "00" * 32], "dane"),
    "odd": (["1 1 1 " + "00" * 32, "3 1 1 0011"], "dane-unusable"),
    "none": ([], "opportunistic"),
}
DEFERRED = {
    "wrong": ([WRONG], "dane", "certificate"),
    # An authority vouches for names, and this one is not of the certificate.
    "name": ([BELOW], "dane", "certificate"),
    # There is no STARTTLS on its server.
    "bare": ([RIGHT], "dane", "TLS"),
    "bogus": ([RIGHT], "dnssec-invalid", "TLSA"),
    "broken": ([], "dnssec-invalid", "TLSA"),
    "only": ([], "dane-required", "TLSA"),
}
# Who wants to be told. A report goes also to who cannot be sent to safely: it may be about that.
TOLD = {"right": "https://collect.example/v1/tls", "wrong": "mailto:tls@wrong.example",
        "bogus": "mailto:tls@right.example,https://127.0.0.8/not-by-address,"
                 "https://inside.example/v1/tls"}
WEB = "127.0.0.8"
LATE = ["late", "later"]
LIES = ["deny", "strip", "forge", "other", "alias"]


def zone():
    """The zone `example`: who is signed with all that hangs below."""
    lines = ["home MX 10 mx.home", "mx.home A 127.0.0.1"]
    hosts = {**DELIVERED, **DEFERRED, **dict.fromkeys(LATE, ([RIGHT], "")),
             **dict.fromkeys(LIES, ([WRONG], ""))}
    for name, row in hosts.items():
        address = "127.0.0.3" if name == "bare" else "127.0.0.2"
        lines += [f"{name} MX 10 mx.{name}", f"mx.{name} A {address}"]
        lines += [f"_25._tcp.mx.{name} TLSA {data}" for data in row[0] if name != "bogus"]
    for name in HANGING:
        lines += [f"{name} MX 10 mx.{name}", f"mx.{name} A 127.0.0.2"]
        world.dns.silent(f"_tcp.mx.{name}.example")
    for name, place in TOLD.items():
        lines.append(f'_smtp._tls.{name} TXT "v=TLSRPTv1; rua={place}"')
    lines += [f"collect A {WEB}", f"inside A {WEB}"]
    lines += ["alias-host MX 10 www.alias-host", "www.alias-host CNAME mx.right"]
    world.dns.zone("_tcp.mx.bogus.example", f"_25 TLSA {RIGHT}", bogus=["_25"])
    world.dns.broken("_tcp.mx.broken.example")
    world.dns.zone("plain", f"@ MX 10 mx\nmx A 127.0.0.2\n_25._tcp.mx TLSA {WRONG}", signed=False)
    world.dns.zone("example", "\n".join(lines + home()))


def home(data=None):
    """The TLSA records of our own server."""
    return [f"_25._tcp.mx.home TLSA {data}"] if data else []


def config(resolver):
    return f"""
[dns]
servers = ["{resolver}:53"]
timeout = "3s"
attempts = 1
dnssec = true
trust_anchors = "{world.dns.folder}/anchor"
[queue]
retry_first = "1h"
[relay]
lookup_timeout = "3s"
connect_timeout = "3s"
authorities = ["{authority.certificate}"]
[reports]
tls = true
from = "reports@home.example"
organisation = "Home"
[egress]
allow = ["collect.example"]
[routes."only.example"]
tls = "dane-only"
[tls.certificates."mx.home.example"]
certificate = "{ours}"
key = "{our_key}"
"""


server = Server(extra=config(RESOLVER), ports=[25, *free_ports(5)])
deceived = Server(extra=config(LIAR), hostname="mx.deceived.example")


def submit(server, subject, *recipients):
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        for to in recipients:
            client.sendmail(ANN, [to], message(subject, ANN, to))


def attempts(server, host):
    """What was tried with a host: outcome, what was asked, what came, why, reply, end."""
    with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as data:
        return data.execute(
            "SELECT outcome, tls_asked, tls_got, tls_why, reply, ended FROM attempt"
            " WHERE host = ?1 OR host LIKE ?1 || ' %' ORDER BY id", (host,)).fetchall()


def outcome(server, name, domain="example"):
    """The first attempt at a host, when it has ended."""
    return (wait_for(lambda: attempts(server, f"mx.{name}.{domain}"), 30) or [("",) * 6])[0]


def sender():
    recipients = [f"dan@{name}.example" for name in HANGING + [*DELIVERED, *DEFERRED]]
    submit(server, "dane", *recipients, "dan@plain", "dan@alias-host.example")
    ends = []
    for name, (_, asked) in DELIVERED.items():
        found = outcome(server, name)
        right = found[0] == "relayed" and found[1] == asked and "TLSv1." in (found[2] or "")
        check(f"{name}: delivered over TLS, as {asked}", right, found)
        ends.append(found[5])
    check("the certificate is told of with its key", RIGHT[6:] in outcome(server, "right")[2])
    for name, (_, asked, word) in DEFERRED.items():
        found = outcome(server, name)
        right = found[0] == "deferred" and found[1] == asked and found[4][:9] == "451 4.7.5"
        check(f"{name}: deferred, {asked}", right and word in found[3], found)
        ends.append(found[5])
    found = (wait_for(lambda: attempts(server, "mx.plain"), 20) or [("",) * 6])[0]
    check("a TLSA record that is not signed is nobody's word",
          found[:2] == ("relayed", "opportunistic"), found)
    found = (wait_for(lambda: attempts(server, "www.alias-host.example"), 20) or [("",) * 6])[0]
    check("behind an alias the records at its end count", found[:2] == ("relayed", "dane"), found)
    hung = [outcome(server, name) for name in HANGING]
    check("lookups that hang defer", {row[:2] for row in hung} == {("deferred", "dnssec-invalid")},
          hung)
    check("and have stopped nothing else", max(ends) < min(row[5] for row in hung), (ends, hung))
    check("nothing was told to the sender", not server.messages(ANN), server.messages(ANN))
    copies = len(world.copies("dan"))
    check("and as many copies came as were to come", copies == len(DELIVERED) + 2, copies)


def lies():
    """Each lie would have the message delivered to a server that the records do not match."""
    def deny(reply):
        reply.answer = []
        reply.authority = [rows("plain. 60 IN SOA ns.servers. root. 1 60 60 60 60")]

    def strip(reply):
        reply.answer = [one for one in reply.answer if one.rdtype != 46]

    def forge(reply):
        reply.answer = [one for one in reply.answer if one.rdtype != 52]
        reply.answer.append(rows(f"_25._tcp.mx.forge.example. 60 IN TLSA {RIGHT}"))

    def other(reply):
        reply.additional = reply.answer
        reply.answer = [rows(f"_25._tcp.mx.plain. 60 IN TLSA {RIGHT}")]
        reply.authority = [rows("plain. 60 IN NS ns.servers.")]

    def alias(reply):
        reply.answer = [rows("_25._tcp.mx.alias.example. 60 IN CNAME _25._tcp.mx.right.example.")]

    made = dict(zip(LIES, [deny, strip, forge, other, alias]))
    liar = Liar({(f"_25._tcp.mx.{name}.example", "TLSA"): lie for name, lie in made.items()})
    submit(deceived, "lies", "dan@right.example", *(f"dan@{name}.example" for name in LIES))
    found = outcome(deceived, "right")
    check("an honest answer is believed behind any resolver", found[:2] == ("relayed", "dane"),
          found)
    for name in LIES:
        found = outcome(deceived, name)
        check(f"the lie {name!r} is not", found[:2] == ("deferred", "dnssec-invalid"), found)
    check("each was told", len({name.split(".")[3] for name in liar.told}) == len(LIES), liar.told)


def outage():
    """No name server at all: mail waits, and leaves when it is over."""
    world.dns.blackout()
    recipients = [f"dan@{name}.example" for name in LATE]
    submit(server, "outage", *recipients)

    def waiting():
        rows = [row for row in server.json("queue", "list") if row["attempts"]
                and row["recipient"] in recipients]
        return rows if len(rows) == 2 else None

    rows = wait_for(waiting, 30)
    late = [row for row in server.json("queue", "list") if row["recipient"] in recipients]
    check("with no name server mail waits",
          rows and all("4.4.3" in row["last_reply"] for row in rows), late)
    world.dns.blackout(False)
    wait_for(lambda: world.dns.status("late.example", "MX") == "NOERROR+ad", 20)
    for row in rows or []:
        server.run("queue", "retry", str(row["id"]))
    came = wait_for(lambda: len(world.with_subject("dan", "outage", 0)) == 2, 20)
    check("and leaves when it is back", came, server.json("queue", "list"))


def receiver():
    """Postfix goes by the records that we print."""
    printed = [row["data"] for row in server.json("domain", "records", "home.example")
               if row["type"] == "TLSA"]
    check("we print the record of our key", printed == [f"3 1 1 {key_digest(ours)}"], printed)
    below = f"2 1 1 {key_digest(authority.certificate)}"
    for name, record, arrives in [("3 1 1", printed[0], True), ("2 1 1", below, True),
                                  ("a wrong record", WRONG, False)]:
        before = world.dns.zones["example"].records.split("\n")
        kept = [line for line in before if not line.startswith("_25._tcp.mx.home ")]
        world.dns.zone("example", "\n".join(kept + home(record)))
        subject = f"postfix-{name.replace(' ', '')}"
        line = ["sendmail", "-C", world.folder / "etc", "-i", "-f", "dan@right.example", ANN]
        subprocess.run(line, input=message(subject, "dan@right.example", ANN), check=True,
                       stderr=subprocess.DEVNULL)
        if arrives:
            found = server.with_subject(ANN, subject)
            check(f"Postfix sends to us by {name}", len(found) == 1, world.postfix_log())
            check(f"{name}: and is sure of us", "Verified TLS connection established to "
                  "mx.home.example" in log_since(subject), world.postfix_log())
        else:
            said = wait_for(lambda: "not trusted" in log_since(subject)
                            or "not verified" in log_since(subject), 20)
            check(f"but not by {name}", said and not server.with_subject(ANN, subject, 0),
                  world.postfix_log())


class Collector(http.server.BaseHTTPRequestHandler):
    """A server of the web that takes reports."""

    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def collect():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("collect", "collect.example"))
    web = http.server.ThreadingHTTPServer((WEB, 443), Collector)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    threading.Thread(target=web.serve_forever, daemon=True).start()


def counted():
    """How many sessions of each kind are counted: domain, failure, count."""
    with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as data:
        return data.execute("SELECT domain, failure, sum(count) FROM tls_session"
                            " GROUP BY domain, failure").fetchall()


def packed(raw):
    """The report in a message."""
    parts = email.message_from_bytes(raw).walk()
    return next(json.loads(gzip.decompress(part.get_payload(decode=True))) for part in parts
                if part.get_content_type() == "application/tlsrpt+gzip")


def reports():
    """What was counted is told to who wants to know, on the day after."""
    wanted = {("right.example", ""), ("wrong.example", "tlsa-invalid"),
              ("bare.example", "starttls-not-supported"), ("bogus.example", "dnssec-invalid"),
              ("only.example", "dane-required")}
    wait_for(lambda: wanted <= {row[:2] for row in counted()}, 20)
    found = {row[:2] for row in counted()}
    check("sessions are counted by what they came to", wanted <= found, counted())
    server.stop()
    with sqlite3.connect(server.data / "mailwright.db") as data:
        data.execute("UPDATE tls_session SET day = day - 2")
    collect()
    server.start()

    def about(domain):
        subject = f"Report Domain: {domain}\n".encode()
        return [copy for copy in world.copies("dan") if subject in copy]

    for domain, failure in [("wrong.example", "tlsa-invalid"), ("bogus.example", "dnssec-invalid")]:
        wait_for(lambda: about(domain), 20)
        copies = about(domain)
        if not check(f"{domain} is told once, by mail", len(copies) == 1, server.json("queue", "list")):
            continue
        check("signed by us", b"DKIM-Signature:" in copies[0] and b"d=home.example" in copies[0],
              copies[0][:1500])
        told = packed(copies[0])
        check("who tells", (told["organization-name"], told["contact-info"])
              == ("Home", "reports@home.example"), told)
        failed = [(row["policy"]["policy-type"], row["failure-details"][0]["result-type"])
                  for row in told["policies"] if row["summary"]["total-failure-session-count"]]
        check(f"and of what: {failure}", failed == [("tlsa", failure)], told)
    wait_for(lambda: Collector.got, 20)
    if check("who has a server of the web is told there", len(Collector.got) == 1, Collector.got):
        path, kind, body = Collector.got[0]
        told = json.loads(gzip.decompress(body))
        check("with a file", (path, kind) == ("/v1/tls", "application/tlsrpt+gzip"), (path, kind))
        policy = told["policies"][0]
        check("that has the policy", policy["policy"] == {
            "policy-type": "tlsa", "policy-string": [RIGHT.lower()], "policy-domain": "right.example"},
            told)
        check("and all sessions", policy["summary"]["total-successful-session-count"] == 1, told)
    check("an address of our own network is not told", "inside.example is 127.0.0.8, "
          in server.log.read_text())
    check("then all of the day is forgotten", wait_for(lambda: counted() == [], 20), counted())


def log_since(subject):
    """Postfix's log from where a message came in."""
    log = (world.folder / "postfix.log").read_text()
    return log[log.find(f"message-id=<{subject}@"):]


try:
    zone()
    world.dns.start()
    names = [*DELIVERED, *DEFERRED, *LATE, *LIES, *HANGING, "alias-host"]
    domains = ", ".join(f"{name}.example" for name in names)
    world.start_postfix(f"""
virtual_mailbox_domains = plain, {domains}
virtual_mailbox_maps = static:dan/
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
max_use = 1
""", "127.0.0.3:smtp inet n - n - - smtpd -o smtpd_tls_security_level=none\n")
    for one in [server, deceived]:
        one.accounts(ANN).start()
    for part in [sender, lies, receiver, outage, reports]:
        part()
    for one in [server, deceived]:
        check("it stops with 0", one.stop() == 0)
        check("it never panicked", "panicked" not in one.log.read_text())
finally:
    server.remove()
    deceived.remove()
    world.stop()
finish()
