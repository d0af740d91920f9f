"""Who vouches for mail: DKIM and ARC of dkimpy and opendkim taken here, our seals taken there, and
what we tell the domains concerned."""

import base64
import gzip
import email
import importlib
import json
import pathlib
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "target/python"))
# Another script here has the name of the module.
HERE = str(pathlib.Path(__file__).resolve().parent)
sys.path = [one for one in sys.path if str(pathlib.Path(one or ".").resolve()) != HERE]
dkim = importlib.import_module("dkim")
import dns.resolver  # noqa: E402

sys.path.insert(0, HERE)
from dns_world import RESOLVER, Dns, text  # noqa: E402
from harness import (  # noqa: E402
    PASSWORD, Server, check, finish, message, unfolded, wait_for)
from sink import got, paths, sink  # noqa: E402
from world import needs_namespace  # noqa: E402

needs_namespace()
ANN, LEFT = "ann@home.example", "left@home.example"
AWAY = "127.0.0.31"
FIELD = "Authentication-Results"
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-trust-"))


def rsa():
    key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=key,
                            capture_output=True, check=True).stdout
    return key, "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


def ed25519():
    """A key as dkimpy reads it, and its record; opendkim reads the file."""
    file = str(folder / "ed25519.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True)
    der = subprocess.run(["openssl", "pkey", "-in", file, "-outform", "DER"],
                         capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"],
                            input=der, capture_output=True, check=True).stdout
    return (base64.b64encode(der[-32:]),
            "v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode())


KEY, RECORD = rsa()
SHORT, SHORT_RECORD = ed25519()
(folder / "key.pem").write_bytes(KEY)
(folder / "key.pem").chmod(0o600)
world = Dns(folder)
world.zone("strict.example", "\n".join([
    '@ TXT "v=spf1 -all"',
    f"s1._domainkey TXT {text(RECORD)}",
    f"s2._domainkey TXT {text(SHORT_RECORD)}",
    '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:rua@told.example,mailto:rua@silent.example"']),
    signed=False)
world.zone("told.example", 'strict.example._report._dmarc TXT "v=DMARC1"', signed=False)
world.zone("silent.example", '@ TXT "nothing"', signed=False)
world.zone("list.example", f"s1._domainkey TXT {text(RECORD)}", signed=False)
(folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"], check=True)
far = sink("far", "8BITMIME", "SMTPUTF8")
routes = "\n".join(f'[routes."{name}.example"]\nhosts = [{{ host = "127.0.0.1", port = {far} }}]'
                   for name in ["far", "told", "silent"])
server = Server(extra=f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "2s"
attempts = 1
[dkim]
look_every = "1s"
[verification]
skip_from = []
trusted_sealers = ["list.example"]
[subdomains]
return_path = "bounces"
tracking = "links"
[reports]
from = "reports@home.example"
organisation = "Home & Co"
dmarc = true
{routes}
""").accounts(ANN)

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [RESOLVER]


def txt(name, timeout=5):
    try:
        answer = resolver.resolve(name.decode() if isinstance(name, bytes) else name, "TXT",
                                  lifetime=timeout)
    except dns.exception.DNSException:
        return b""
    return b"".join(answer[0].strings)


def send(raw, to=ANN, path="bob@strict.example"):
    """Hands a message in from elsewhere; gives the refusal, or an empty text."""
    try:
        with smtplib.SMTP("127.0.0.1", server.mta, "client.example", timeout=60,
                          source_address=(AWAY, 0)) as client:
            client.sendmail(path, [to], raw)
    except smtplib.SMTPRecipientsRefused as error:
        return " ".join(f"{code} {text.decode()}" for code, text in error.recipients.values())
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {error.smtp_error.decode()}"
    return ""


def signed(raw, selector=b"s1", key=KEY, **more):
    return dkim.sign(raw, selector, b"strict.example", key, **more) + raw


def by_opendkim(raw, selector="s1", key="key.pem", algorithm="rsa-sha256"):
    """A message that opendkim signed, as it would for an MTA."""
    (folder / "message.eml").write_bytes(raw)
    (folder / "opendkim.conf").write_text(f"""Mode s
Domain strict.example
Selector {selector}
KeyFile {folder}/{key}
RequireSafeKeys no
SignatureAlgorithm {algorithm}
Canonicalization relaxed/simple
Syslog no
InternalHosts 0.0.0.0/0
Socket local:{folder}/opendkim.sock
""")
    done = subprocess.run(["opendkim", "-x", folder / "opendkim.conf", "-v", "-v", "-t",
                           folder / "message.eml"], capture_output=True)
    said = (done.stdout + done.stderr).replace(b"\r\n", b"\n")
    value = said.partition(b"hname='DKIM-Signature' hvalue='")[2].rpartition(b"'")[0]
    return b"DKIM-Signature: " + value.replace(b"\n", b"\r\n") + b"\r\n" + raw


def reasons():
    """Why the signatures of the last message were worth what they were."""
    with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
        (found,) = rows.execute("SELECT detail FROM event WHERE kind = 'authenticated' "
                                "ORDER BY id DESC LIMIT 1").fetchone()
    return "; ".join(one["reason"] for one in json.loads(found)["dkim"])


def results(subject):
    """Our field of a message that arrived."""
    rows = server.with_subject(ANN, subject)
    if not check(f"{subject}: it is there once", len(rows) == 1, rows):
        return ""
    fields = unfolded(server.raw(rows[0]), FIELD)
    return next((field for field in fields if field.startswith("mx.home.example;")), "")


def signatures():
    raw = message("dkimpy rsa", "bob@strict.example", ANN)
    check("RSA of dkimpy is let in", send(signed(raw)) == "")
    found = results("dkimpy rsa")
    check("RSA of dkimpy passes", "dkim=pass" in found and "header.a=rsa-sha256" in found, found)
    raw = message("dkimpy ed25519", "bob@strict.example", ANN)
    short = signed(raw, b"s2", SHORT, signature_algorithm=b"ed25519-sha256")
    check("Ed25519 of dkimpy is let in", send(short) == "")
    found = results("dkimpy ed25519")
    check("Ed25519 of dkimpy passes", "dkim=pass" in found and "header.a=ed25519-sha256" in found,
          found)
    raw = message("simple", "bob@strict.example", ANN)
    check("simple/simple is let in",
          send(signed(raw, canonicalize=(b"simple", b"simple"))) == "")
    check("simple/simple passes", "dkim=pass" in results("simple"))
    raw = message("opendkim", "bob@strict.example", ANN)
    made = by_opendkim(raw)
    check("opendkim signs", b"a=rsa-sha256" in made, made)
    check("what opendkim signs is let in", send(made) == "")
    found = results("opendkim")
    check("what opendkim signs passes", "dkim=pass" in found and "dmarc=pass" in found, found)
    raw = message("opendkim ed25519", "bob@strict.example", ANN)
    made = by_opendkim(raw, "s2", "ed25519.pem", "ed25519-sha256")
    check("opendkim signs by Ed25519", b"a=ed25519-sha256" in made, made)
    check("that is let in", send(made) == "")
    found = results("opendkim ed25519")
    check("and passes", "dkim=pass" in found and "header.a=ed25519-sha256" in found, found)
    done = subprocess.run(["opendkim-testmsg", "-d", "strict.example", "-s", "s1",
                           "-k", str(folder / "key.pem")], input=raw, capture_output=True)
    said = send(done.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    check("SHA-1 is worth nothing", said.startswith("550 5.7.1"), (said, done))
    check("and it is said why", "SHA-1 is not accepted" in reasons(), reasons())


def changes():
    raw = message("changed", "bob@strict.example", ANN)
    good = signed(raw, include_headers=[b"from", b"to", b"subject", b"subject"])
    for name, bad, why in [
        ("a changed body", good.replace(b"Hello.", b"Hallo."), "the body was changed"),
        ("more of a body", good + b"More.\r\n", "the body was changed"),
        ("a changed subject", good.replace(b"Subject: changed", b"Subject: Changed"),
         "a signed field was changed"),
        ("a second subject", b"Subject: more\r\n" + good, "a signed field was changed"),
        ("a missing key", good.replace(b"s=s1;", b"s=s9;"), "its key does not exist"),
        ("a key of another kind", good.replace(b"s=s1;", b"s=s2;"), "its key is of another kind"),
        ("another domain's name", good.replace(b"d=strict.example", b"d=list.example"),
         "its i= is not of its d="),
        ("a part of a body", signed(raw, length=True), "it covers only a part"),
    ]:
        said = send(bad)
        check(f"{name} is refused", said.startswith("550 5.7.1"), said)
        check(f"{name}: it is said why", why in reasons(), reasons())
    loose = server.json("events", "--hours", "1")
    check("what was found out is counted", any(row["kind"] == "authenticated" for row in loose),
          loose)


def chain(raw, *, lie=False):
    """A message that passed DMARC at a list, which changed and sealed it."""
    status = "fail" if lie else "pass"
    raw = (f"{FIELD}: mx.list.example; dmarc={status} header.from=strict.example; "
           f"arc=none\r\n").encode() + raw
    fields = dkim.arc_sign(raw, b"s1", b"list.example", KEY, b"mx.list.example",
                           include_headers=[b"from", b"to", b"subject"])
    return b"".join(fields) + raw


def chains():
    raw = chain(message("arc", "bob@strict.example", ANN))
    check("what a trusted list seals is let in", send(raw) == "")
    found = results("arc")
    check("its chain passes", "arc=pass" in found and "dmarc=fail" in found, found)
    said = send(chain(message("arc lie", "bob@strict.example", ANN), lie=True))
    check("a list that saw DMARC fail is no help", said.startswith("550 5.7.1"), said)
    broken = raw.replace(b"Hello.", b"Hallo.").replace(b"Subject: arc", b"Subject: arc2")
    said = send(broken)
    check("a chain that was touched is no help", said.startswith("550 5.7.1"), said)


def forwarded(subject):
    wait_for(lambda: got.get(("far", subject)))
    bodies = got.get(("far", subject), [])
    check(f"{subject}: it went on", len(bodies) > 0, got.keys())
    return bodies[0] if bodies else b""


def seals():
    raw = signed(message("sealed", "bob@strict.example", LEFT))
    check("a forward takes it", send(raw, LEFT) == "")
    there = forwarded("sealed")
    verdict, sets, why = dkim.arc_verify(there, dnsfunc=txt)
    check("dkimpy takes our seal", verdict == b"pass" and len(sets) == 1, (verdict, why, there))
    check("it is of the forward's domain", sets and sets[0]["as-domain"] == b"home.example", sets)
    fields = unfolded(there, "ARC-Authentication-Results")
    check("it says what we saw", len(fields) == 1 and "dmarc=pass" in fields[0]
          and "dkim=pass" in fields[0], fields)
    check("a change is seen by dkimpy",
          dkim.arc_verify(there.replace(b"Hello.", b"Hallo."), dnsfunc=txt)[0] == b"fail")
    check("the first signature still holds", dkim.verify(there, dnsfunc=txt))
    raw = chain(message("chained", "bob@strict.example", LEFT))
    check("a forward takes what was sealed before", send(raw, LEFT) == "")
    there = forwarded("chained")
    verdict, sets, why = dkim.arc_verify(there, dnsfunc=txt)
    check("dkimpy takes the longer chain", verdict == b"pass" and len(sets) == 2,
          (verdict, why, there))


def events(kind):
    """The events of a kind: address and what is told."""
    with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
        return rows.execute("SELECT address, detail, spool FROM event WHERE kind = ? ORDER BY id",
                            (kind,)).fetchall()


def report(kind, status, returned, subject):
    """A report about a message of ours, as another server would write it."""
    head = returned.split(b"\r\n\r\n")[0]
    return (f"From: MAILER-DAEMON@far.example\r\nTo: {ANN}\r\nSubject: {subject}\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind};\r\n"
            f"\tboundary=b1\r\n\r\n--b1\r\n\r\nSorry.\r\n--b1\r\n"
            f"Content-Type: message/{kind}\r\n\r\n{status}\r\n--b1\r\n"
            f"Content-Type: text/rfc822-headers\r\n\r\n").encode() + head + b"\r\n--b1--\r\n"


def state():
    """All that is known of messages and recipients, but for events."""
    with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
        return [rows.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                for table in ["spool", "recipient", "attempt"]]


def heard():
    """What others say of our messages is tied to whom it is about."""
    with smtplib.SMTP("127.0.0.1", server.msa, timeout=60) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["dan@far.example", "eva@far.example"],
                        message("sent", ANN, "dan@far.example"), ["ENVID=E-1"])
    there = forwarded("sent")
    path = paths[("far", "sent")][0]
    check("it leaves under a reverse-path that names it",
          path.startswith("b=") and path.endswith("=ann@bounces.home.example"), path)
    wait_for(lambda: len(events("relayed")) >= 4)
    before = len(events("relayed"))
    dsn = ("Reporting-MTA: dns; mx.far.example\r\n\r\nFinal-Recipient: rfc822; eva@far.example\r\n"
           "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n")
    check("a report on delivery is taken",
          send(report("delivery-status", dsn, there, "dsn"), path="") == "")
    wait_for(lambda: events("reported"))
    found = events("reported")
    check("it is tied to its recipient", [row[0] for row in found] == ["eva@far.example"], found)
    check("it says what and by whom", found and found[0][1].startswith("failed 5.1.1 550 no such user")
          and "mx.far.example" in found[0][1] and "not proven" in found[0][1], found)
    arf = ("Feedback-Type: abuse\r\nUser-Agent: Loop/1\r\nVersion: 1\r\n"
           "Original-Rcpt-To: <dan@far.example>\r\n")
    check("a complaint is taken",
          send(report("feedback-report", arf, there, "arf"), path="fbl@far.example") == "")
    wait_for(lambda: events("complaint"))
    found = events("complaint")
    check("it is tied to its recipient, too", [row[0] for row in found] == ["dan@far.example"]
          and found[0][1].startswith("abuse"), found)
    bare = (f"Subject: x\r\n\r\n").encode()
    late = dsn.replace("failed", "delayed").replace("5.1.1", "4.4.1")
    check("a report comes to the reverse-path itself",
          send(report("delivery-status", late, bare, "dsn path"), path, path="") == "")
    wait_for(lambda: len(events("reported")) > 1)
    found = events("reported")[-1]
    check("which proves what it is about, whatever it holds", found[0] == "eva@far.example"
          and found[1].startswith("delayed 4.4.1") and "own return path" in found[1], found)
    said = send(report("delivery-status", dsn, there, "dsn guess"),
                path.replace("=ann@", "=left@"), path="")
    check("an address that somebody made up is refused", said.startswith("550 5.1.1"), said)
    rows = state()
    named = dsn.replace("\r\n\r\n", "\r\nOriginal-Envelope-Id: E-1\r\n\r\n", 1)
    check("a report that gives a transaction's name alone is taken",
          send(report("delivery-status", named.replace("eva", "dan"), bare, "dsn envid"),
               path="") == "")
    wait_for(lambda: len(events("reported")) > 2)
    found = events("reported")[-1]
    check("it is tied by that", found[0] == "dan@far.example" and "not proven" in found[1], found)
    check("no report changes what is known of a recipient", state() == rows, (rows, state()))
    other = there.replace(b"by mx.home.example", b"by mx.else.example")
    forged = dsn.replace("eva@far.example", "victim@far.example")
    check("reports about nothing are taken", all(send(raw, path="") == "" for raw in [
        report("delivery-status", dsn, other, "dsn other"),
        report("delivery-status", forged, there, "dsn forged")]))

    def waiting():
        with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
            return rows.execute("SELECT count(*) FROM report_mail").fetchone()[0]

    check("they are read", wait_for(lambda: waiting() == 0) is True, waiting())
    check("and say nothing", (len(events("reported")), len(events("complaint")),
                              len(events("relayed"))) == (3, 1, before), events("reported"))
    subjects = [row["subject"] for row in server.messages(ANN)]
    check("all of them are in the mailbox as well",
          {"dsn", "arf", "dsn path", "dsn envid", "dsn other", "dsn forged"} <= {*subjects}, subjects)


def told():
    """The domain hears of it all, once, where it wants to."""
    with sqlite3.connect(server.data / "mailwright.db") as rows:
        counted = rows.execute("SELECT * FROM dmarc_seen").fetchall()
    said = server.run("report", "send", "--today")
    check("a report is sent", said.returncode == 0 and said.stdout.startswith("1 reports"), said)
    subject = next((key for key in wait_for(
        lambda: [key for key in got if "Report Domain" in key[1]])), ("far", ""))
    check("its subject says whose it is", "strict.example" in subject[1], subject)
    raw = got.get(subject, [b""])[0]
    parsed = email.message_from_bytes(raw)
    files = [part for part in parsed.walk() if part.get_content_type() == "application/gzip"]
    if not check("it has one file", len(files) == 1, raw):
        return
    check("the file's name has the form of the RFC",
          files[0].get_filename().startswith("mx.home.example!strict.example!"),
          files[0].get_filename())
    tree = xml.fromstring(gzip.decompress(files[0].get_payload(decode=True)))
    space = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
    value = lambda path: [one.text for one in tree.findall(path, space)]  # noqa: E731
    check("it says who reports", value("d:report_metadata/d:org_name") == ["Home & Co"])
    check("it says what was published", value("d:policy_published/d:p") == ["reject"])
    counts = list(zip(value("d:record/d:row/d:policy_evaluated/d:disposition"),
                      value("d:record/d:row/d:policy_evaluated/d:dkim"),
                      map(int, value("d:record/d:row/d:count"))))
    good = sum(count for _, word, count in counts if word == "pass")
    bad = sum(count for done, _, count in counts if done == "reject")
    check("it counts what passed and what was refused", good == 6 and bad >= 9, counts)
    check("it says why a refusal did not follow", "trusted_forwarder" in value(
        "d:record/d:row/d:policy_evaluated/d:reason/d:type"))
    check("the report is signed", dkim.verify(raw, dnsfunc=txt))
    check("nobody is told who did not agree", b"rua@silent.example" not in raw)
    again = server.run("report", "send", "--today")
    check("nothing is told twice", again.stdout.startswith("0 reports"), again)
    with sqlite3.connect(server.data / "mailwright.db") as rows:
        check("what was told is forgotten", not rows.execute("SELECT * FROM dmarc_seen").fetchall())
        rows.executemany("INSERT INTO dmarc_seen VALUES (?, ?, ?, ?, ?)", counted)
    again = server.run("report", "send", "--today")
    check("nor after a crash before it was forgotten", again.stdout.startswith("0 reports"), again)
    with sqlite3.connect(server.data / "mailwright.db") as rows:
        check("and it is forgotten then", not rows.execute("SELECT * FROM dmarc_seen").fetchall())


try:
    server.run("alias", "add", LEFT, "left@far.example", "--kind", "forward")
    zone = server.run("domain", "records", "home.example", "--zone").stdout
    zone = "".join(line for line in zone.splitlines(True) if not line.startswith(";"))
    world.zone("home.example", zone + "mx.home.example. IN A 127.0.0.1\n")
    world.start()
    server.start()
    wait_for(lambda: all(row["state"] == "active"
                         for row in server.json("domain", "keys", "home.example")))
    signatures()
    changes()
    chains()
    seals()
    told()
    heard()
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
    world.stop()
finish()
