"""SPF, DKIM and DMARC of strangers, sent by swaks to port 25 and signed by dkimpy."""

import base64
import importlib
import pathlib
import signal
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "target/python"))
# Another script here has the name of the module.
HERE = str(pathlib.Path(__file__).resolve().parent)
sys.path = [one for one in sys.path if str(pathlib.Path(one or ".").resolve()) != HERE]
dkim = importlib.import_module("dkim")

sys.path.insert(0, HERE)
from dns_world import RESOLVER, SILENT, Dns, text  # noqa: E402
from harness import (  # noqa: E402
    PASSWORD, Server, check, finish, free_ports, message, unfolded, wait_for)
from world import needs_namespace  # noqa: E402

needs_namespace()
ANN = "ann@home.example"
RIGHT, WRONG, OURS = "127.0.0.30", "127.0.0.31", "127.0.0.99"
FIELD = "Authentication-Results"
KEY = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
PUBLIC = base64.b64encode(subprocess.run(
    ["openssl", "rsa", "-pubout", "-outform", "DER"], input=KEY, capture_output=True,
    check=True).stdout).decode()
world = Dns()
for name, policy in [("strict.example", "reject"), ("soft.example", "quarantine"),
                     ("loose.example", "none")]:
    world.zone(name, "\n".join([
        f'@ TXT "v=spf1 ip4:{RIGHT} -all"',
        f's1._domainkey TXT {text("v=DKIM1; k=rsa; p=" + PUBLIC)}',
        f'_dmarc TXT "v=DMARC1; p={policy}"']), signed=False)
world.zone("other.example", f'@ TXT "v=spf1 ip4:{WRONG} -all"', signed=False)
world.broken("broken.example")
world.silent("silent.example")


def settings(resolver, more=""):
    return f"""
[dns]
servers = ["{resolver}:53"]
timeout = "1s"
attempts = 1
[verification]
skip_from = ["{OURS}"]
timeout = "2s"
{more}"""


box = free_ports(1)[0]
server = Server(ports=(25, *free_ports(5)), extra=settings(RESOLVER) + f"""
[listeners.box]
role = "sandbox"
addresses = ["127.0.0.1:{box}"]
""").accounts(ANN)
enforcing = Server(extra=settings(SILENT, 'spf = "enforce"')).accounts(ANN)


def signed(raw, domain):
    return dkim.sign(raw, b"s1", domain.encode(), KEY,
                     include_headers=[b"from", b"to", b"subject"]) + raw


def swaks(subject, domain, source, *, raw=None, path=None, port=25):
    """Sends a message; gives the last reply to a refusal, or an empty text."""
    raw = raw or message(subject, f"bob@{domain}", ANN)
    line = ["swaks", "--server", f"127.0.0.1:{port}", "--local-interface", source,
            "--helo", "client.example", "--from", path or f"bob@{domain}", "--to", ANN,
            "--timeout", "60", "--data", "-"]
    done = subprocess.run(line, input=raw, capture_output=True)
    said = done.stdout.decode("utf-8", "replace")
    bad = [row.split(" ", 1)[1].strip() for row in said.splitlines() if row.startswith("<** ")]
    if done.returncode and not bad:
        return said[-500:] + done.stderr.decode("utf-8", "replace")
    return bad[-1] if bad else ""


def arrived(name, subject, folder, *parts, at=server):
    """Whether a message is in its folder, and its field says what it should."""
    rows = at.with_subject(ANN, subject)
    if not check(f"{name}: it is there once", len(rows) == 1, rows):
        return
    check(f"{name}: in {folder}", rows[0]["folder"] == folder, rows)
    fields = unfolded(at.raw(rows[0]), FIELD)
    ours = [field for field in fields if field.startswith("mx.home.example;")]
    check(f"{name}: one field is ours", len(ours) == 1, fields)
    for part in parts:
        check(f"{name}: it says {part}", any(part in field for field in ours), fields)


def what_is_right():
    check("SPF alone is enough", swaks("spf", "strict.example", RIGHT) == "")
    arrived("SPF alone", "spf", "INBOX", "spf=pass", "dkim=none", "dmarc=pass")
    raw = signed(message("dkim", "bob@strict.example", ANN), "strict.example")
    check("DKIM alone is enough", swaks("dkim", "strict.example", WRONG, raw=raw) == "")
    arrived("DKIM alone", "dkim", "INBOX", "spf=fail", "dkim=pass", "header.d=strict.example",
            "dmarc=pass")


def what_is_wrong():
    said = swaks("none", "strict.example", WRONG)
    check("neither of both is refused", said.startswith("550 5.7.1") and "DMARC" in said, said)
    raw = signed(message("changed", "bob@strict.example", ANN), "strict.example")
    said = swaks("changed", "strict.example", WRONG, raw=raw.replace(b"Hello.", b"Hallo."))
    check("a changed body is refused", said.startswith("550 5.7.1"), said)
    raw = signed(message("moved", "bob@strict.example", ANN), "loose.example")
    said = swaks("moved", "strict.example", WRONG, raw=raw)
    check("a signature of another domain is no help", said.startswith("550 5.7.1"), said)
    said = swaks("path", "strict.example", WRONG, path="bob@other.example")
    check("nor is SPF of another domain", said.startswith("550 5.7.1"), said)
    check("what is to be quarantined is taken", swaks("soft", "soft.example", WRONG) == "")
    arrived("quarantine", "soft", "Junk", "spf=fail", "dmarc=fail")
    check("a domain that asks for nothing", swaks("loose", "loose.example", WRONG) == "")
    arrived("no policy", "loose", "INBOX", "spf=fail", "dmarc=fail")
    there = {row["subject"] for row in server.messages(ANN)}
    check("nothing that was refused is there", not there & {"none", "changed", "moved", "path"},
          there)


def forged():
    claims = (f"{FIELD}: mx.home.example; dmarc=pass header.from=bank.example\r\n"
              f"{FIELD}: (x) MX.Home.Example 1; spf=pass\r\n"
              f"{FIELD}: elsewhere.example; dkim=pass\r\n").encode()
    raw = claims + message("forged", "bob@loose.example", ANN)
    check("a forged field is no reason to refuse", swaks("", "loose.example", WRONG, raw=raw) == "")
    arrived("forged", "forged", "INBOX", "dmarc=fail")
    rows = server.with_subject(ANN, "forged")
    fields = unfolded(server.raw(rows[0]), FIELD) if rows else []
    check("what claims to be ours went", not any("bank.example" in one for one in fields)
          and len(fields) == 2, fields)
    check("what is of others stays", "elsewhere.example; dkim=pass" in fields, fields)


def who_is_not_judged():
    raw = f"{FIELD}: mx.home.example; dmarc=pass\r\n".encode()
    raw += message("trusted", "bob@strict.example", ANN)
    check("a server of our own is believed", swaks("", "strict.example", OURS, raw=raw) == "")
    rows = server.with_subject(ANN, "trusted")
    fields = unfolded(server.raw(rows[0]), FIELD) if rows else []
    check("and so is its field", fields == ["mx.home.example; dmarc=pass"], fields)
    with smtplib.SMTP("127.0.0.1", server.msa, source_address=(WRONG, 0)) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, [ANN], message("own", ANN, ANN))
    rows = server.with_subject(ANN, "own")
    check("a submission has no field", rows and not unfolded(server.raw(rows[0]), FIELD), rows)
    said = swaks("caught", "strict.example", WRONG, port=box)
    check("a sandbox takes everything", said == "", said)


def what_is_not_known():
    check("SERVFAIL is no reason to refuse", swaks("servfail", "broken.example", WRONG) == "")
    arrived("SERVFAIL", "servfail", "INBOX", "spf=temperror", "dmarc=temperror")
    begin = time.monotonic()
    check("nor is a server that is silent", swaks("silent", "silent.example", WRONG) == "")
    check("it is waited for as long as was set", time.monotonic() - begin < 15)
    arrived("a silent server", "silent", "INBOX", "spf=temperror", "dmarc=temperror")
    world.freeze()
    try:
        begin = time.monotonic()
        check("nor is a resolver that hangs", swaks("hung", "strict.example", WRONG) == "")
        check("it holds nobody up for long", time.monotonic() - begin < 15)
    finally:
        world.freeze(False)
    arrived("a hung resolver", "hung", "INBOX", "spf=temperror", "dmarc=temperror")


def another_resolver():
    said = swaks("before", "loose.example", WRONG, port=enforcing.mta)
    check("nothing is known without a resolver", said == "", said)
    arrived("without a resolver", "before", "INBOX", "spf=temperror", at=enforcing)
    enforcing.config.write_text(enforcing.config.read_text().replace(SILENT, RESOLVER))
    enforcing.process.send_signal(signal.SIGHUP)
    read = wait_for(lambda: "Configuration read again." in enforcing.log.read_text())
    check("the configuration is read again", read)
    said = swaks("after", "loose.example", WRONG, port=enforcing.mta)
    check("SPF that is enforced refuses", said.startswith("550 5.7.23"), said)
    check("and lets in", swaks("in", "loose.example", RIGHT, port=enforcing.mta) == "")
    arrived("SPF enforced", "in", "INBOX", "spf=pass", "dmarc=pass", at=enforcing)


try:
    world.start()
    server.start()
    enforcing.start()
    what_is_right()
    what_is_wrong()
    forged()
    who_is_not_judged()
    what_is_not_known()
    another_resolver()
    for one in [server, enforcing]:
        check("it stops with 0", one.stop() == 0)
        check("it never panicked", "panicked" not in one.log.read_text())
finally:
    server.remove()
    enforcing.remove()
    world.stop()
finish()
