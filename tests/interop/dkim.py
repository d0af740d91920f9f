"""What we sign, checked by opendkim and dkimpy behind a real relay; keys from a real name server."""

import base64
import importlib
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "target/python"))
# This script has the module's own name.
sys.path = [one for one in sys.path if pathlib.Path(one or ".").resolve()
            != pathlib.Path(__file__).resolve().parent]
dkim = importlib.import_module("dkim")
import dns.resolver  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from dns_world import RESOLVER, Dns  # noqa: E402
from harness import PASSWORD, Server, Wire, check, finish, message, wait_for  # noqa: E402
from sink import got, sink  # noqa: E402

ANN = "ann@home.example"
TYPES = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"

ports = {
    "seven": sink("seven"),
    "eight": sink("eight", "8BITMIME", "SMTPUTF8"),
    "binary": sink("binary", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME"),
}
routes = "\n".join(f'[routes."{name}.example"]\nhosts = [{{ host = "127.0.0.1", port = {port} }}]'
                   for name, port in ports.items())
world = Dns()
pathlib.Path(world.folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
subprocess.run(["mount", "--bind", world.folder / "resolv.conf", "/etc/resolv.conf"], check=True)
server = Server(extra=f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "2s"
attempts = 1
[dkim]
look_every = "1s"
[queue]
retry_first = "1s"
{routes}
""").accounts(ANN, "bob@other.example")

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [RESOLVER]


def txt(name, timeout=5):
    try:
        answer = resolver.resolve(name.decode() if isinstance(name, bytes) else name, "TXT",
                                  lifetime=timeout)
    except dns.exception.DNSException:
        return b""
    return b"".join(answer[0].strings)


def publish(*domains):
    for domain in domains:
        zone = server.run("domain", "records", domain, "--zone").stdout
        zone = "".join(line for line in zone.splitlines(True) if not line.startswith(";"))
        world.zone(domain, zone + f"mx.{domain}. IN A 127.0.0.1\n")


def submit(to, subject, text=None, octets=None, parameters="", body="Hello.\r\n", who=ANN):
    """Submits over the wire, by BDAT when octets are given."""
    wire = Wire(server.msa)
    wire.say("EHLO client.example")
    login = base64.b64encode(f"\0{who}\0{PASSWORD}".encode()).decode()
    said = [wire.say(f"AUTH PLAIN {login}"), wire.say(f"MAIL FROM:<{who}>{parameters}"),
            wire.say(f"RCPT TO:<x@{to}.example>")]
    if octets is not None:
        wire.send(f"BDAT {len(octets)} LAST\r\n".encode() + octets)
        said.append(wire.reply())
    else:
        said.append(wire.say("DATA"))
        data = text.encode() if isinstance(text, str) else text or message(subject, who, body=body)
        stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line
                               for line in data.split(b"\r\n"))
        wire.send(stuffed + b".\r\n" if stuffed.endswith(b"\r\n") else stuffed + b"\r\n.\r\n")
        said.append(wire.reply())
    wire.close()
    if not said[-1].startswith("250"):
        check(f"{subject}: submitted", False, said)
    return said


def arrived(to, subject, seconds=20):
    wait_for(lambda: got.get((to, subject)), seconds)
    return (got.get((to, subject)) or [b""])[0]


def fields(raw):
    """The signature fields of a message, whole, and what is behind them."""
    found = []
    while raw.startswith(b"DKIM-Signature:"):
        end = raw.index(b"\r\n")
        while raw[end + 2:end + 3] in (b" ", b"\t"):
            end = raw.index(b"\r\n", end + 2)
        found.append(raw[:end + 2])
        raw = raw[end + 2:]
    return found, raw


def holds(name, raw, opendkim=True):
    """Whether both signatures hold for both programs."""
    signatures, rest = fields(raw)
    kinds = [b"a=rsa-sha256", b"a=ed25519-sha256"]
    right = len(signatures) == 2 and all(a in b for a, b in zip(kinds, signatures))
    if not check(f"{name}: two signatures", right, raw[:300]):
        return
    for kind, signature in zip(("RSA", "Ed25519"), signatures):
        try:
            verdict = dkim.verify(signature + rest, dnsfunc=txt)
        except dkim.DKIMException as error:
            verdict = error
        check(f"{name}: dkimpy takes {kind}", verdict is True, verdict)
        if opendkim:
            # It looks at one that holds, and no further.
            done = subprocess.run(["opendkim-testmsg"], input=signature + rest, capture_output=True)
            check(f"{name}: opendkim takes {kind}", done.returncode == 0, done.stderr)


def main():
    publish("home.example", "other.example")
    world.start()
    server.start()
    eight = message("eight", ANN, body="Gr\u00fc\u00dfe\r\n").decode()
    eight = eight.replace("Subject:", TYPES + "Content-Transfer-Encoding: 8bit\r\nSubject:", 1)
    long = message("long", ANN, body="x" * 1500 + "\r\n").decode()
    long = long.replace("Subject:", TYPES + "Subject:", 1)
    folded = message("folded", ANN).decode().replace(
        "To: ", "X-Odd:   a\tb \r\nReferences: <a@b>\r\n <c@d>\r\n\t<e@f>\r\nCc: a@far.example,\r\n"
        " b@far.example\r\nList-Unsubscribe: <https://home.example/u>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nTo: ", 1)
    utf8 = message("utf8", ANN).decode().replace("To: ", "Cc: J\u00f6rg <j@far.example>\r\nTo: ", 1)
    bare = f"From: {ANN}\r\nSubject: bare\r\n\r\n"
    for subject, text in [
        ("plain", None), ("bare", bare), ("noend", f"From: {ANN}\r\nSubject: noend\r\n\r\nno end"),
        ("blank", message("blank", ANN, body="a  \t b \t\r\n\r\n.\r\n..x\r\n \r\n\r\n\r\n")),
        ("onlyblank", message("onlyblank", ANN, body="\r\n \r\n\r\n")),
        ("folded", folded), ("eight", eight),
        ("large", message("large", ANN, body="Some words of an ordinary length.\r\n" * 100_000)),
    ]:
        parameters = " BODY=8BITMIME" if subject == "eight" else ""
        submit("eight", subject, text, parameters=parameters)
        raw = arrived("eight", subject)
        holds(subject, raw)
        if subject == "bare":
            check("bare: Date and Message-ID were added", b"\r\nDate: " in raw
                  and b"\r\nMessage-ID: " in raw, raw)
    submit("eight", "utf8", utf8, parameters=" SMTPUTF8 BODY=8BITMIME")
    holds("utf8", arrived("eight", "utf8"))
    submit("seven", "eight", eight, parameters=" BODY=8BITMIME")
    raw = arrived("seven", "eight")
    holds("made 7-bit", raw)
    check("made 7-bit: it is", raw.isascii() and b"quoted-printable" in raw, raw)
    for to in ("eight", "binary"):
        submit(to, "long", long)
        raw = arrived(to, "long")
        # What goes as it is has lines that the other program cuts before it looks.
        holds(f"long lines, {to}", raw, opendkim=to == "eight")
        check(f"long lines, {to}: as they fit", (b"x" * 1500 in raw) == (to == "binary"), raw[-400:])
    octets = message("octets", ANN, body="").replace(
        b"Subject:", b"MIME-Version: 1.0\r\nContent-Type: application/x\r\n"
        b"Content-Transfer-Encoding: binary\r\nSubject:", 1)
    octets += bytes(range(32, 256)) + b"\0\1\2\r\n" + b"\xff" * 3000 + b"\r\n"
    for to in ("binary", "eight", "seven"):
        submit(to, "octets", octets=octets, parameters=" BODY=BINARYMIME")
        raw = arrived(to, "octets")
        holds(f"binary, {to}", raw, opendkim=to != "binary")
        check(f"binary, {to}: as it fits", (b"\xff" * 3000 in raw) == (to == "binary"), raw[:800])
    signatures, rest = fields(arrived("eight", "plain"))
    for signature in signatures:
        for what, changed in [("body", rest.replace(b"Hello.", b"Hallo.")),
                              ("field", rest.replace(b"Subject: plain", b"Subject: plane"))]:
            done = subprocess.run(["opendkim-testmsg"], input=signature + changed,
                                  capture_output=True)
            check(f"a change of the {what} is seen by opendkim", done.returncode != 0, done)
    added = fields(arrived("eight", "plain"))
    added = added[0][0] + added[1].replace(b"\r\n\r\n", b"\r\nReply-To: eve@far.example\r\n\r\n", 1)
    check("a field that is added is seen by dkimpy", not dkim.verify(added, dnsfunc=txt))
    who_signs()
    rotation()
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())


def who_signs():
    submit("eight", "forged", f"From: bob@other.example\r\nSubject: forged\r\n\r\nx\r\n")
    raw = arrived("eight", "forged")
    check("who may not write as another gets no signature of theirs",
          raw and b"DKIM-Signature" not in raw, raw)
    check("and the log says so", "goes out unsigned" in server.log.read_text())
    submit("eight", "bob", who="bob@other.example")
    raw = arrived("eight", "bob")
    check("each domain signs for itself", raw.count(b"d=other.example;") == 2, raw[:900])
    holds("another domain", raw)
    done = server.run("alias", "add", "out@home.example", "--kind", "forward", "x@eight.example")
    check("a forward is made", done.returncode == 0, done.stderr)
    wire = Wire(server.mta)
    for line in ["EHLO far.example", "MAIL FROM:<ann@home.example>", "RCPT TO:<out@home.example>",
                 "DATA"]:
        wire.say(line)
    wire.send(message("passed", ANN) + b".\r\n")
    check("a stranger's message is taken", wire.reply().startswith("250"))
    wire.close()
    raw = arrived("eight", "passed")
    check("what is passed on is not signed", raw and b"DKIM-Signature" not in raw, raw)


def rotation():
    before = {row["selector"] for row in server.json("domain", "keys", "home.example")}
    done = server.run("domain", "rotate", "home.example")
    check("new keys are made", done.returncode == 0 and done.stdout.count("v=DKIM1") == 2, done)

    def states():
        return sorted(row["state"] for row in server.json("domain", "keys", "home.example"))

    check("and wait", states() == ["active", "active", "pending", "pending"], states())
    submit("eight", "overlap")
    raw = arrived("eight", "overlap")
    check("the old ones sign meanwhile", all(one.encode() in raw for one in before), raw[:900])
    publish("home.example")
    done = wait_for(lambda: states() == ["active", "active", "old", "old"], 30)
    check("once they are found they sign", done, states())
    submit("eight", "after")
    raw = arrived("eight", "after")
    check("by their own names", not any(f"s={one};".encode() in raw for one in before), raw[:900])
    holds("after the change", raw)
    holds("what the old ones signed", arrived("eight", "overlap"))
    pem = subprocess.run(["openssl", "genrsa", "-traditional", "3072"], capture_output=True,
                         check=True, text=True).stdout
    server.run("domain", "add", "third.example")
    done = server.run("domain", "import-key", "third.example", "mine", text=pem)
    check("a key is brought along", done.returncode == 0 and "mine" in done.stdout, done)
    done = server.run("domain", "import-key", "third.example", "bad", text="no key")
    check("what is none is refused", done.returncode == 1 and "PEM" in done.stderr, done)
    done = server.run("domain", "rotate", "third.example", "--activate")
    check("and signs when it is told to", done.returncode == 0, done)
    rows = server.json("domain", "list")
    keys = next(row["keys"] for row in rows if row["name"] == "third.example")
    mine = [key["state"] for key in keys if key["selector"] == "mine"]
    check("the list of domains has it", mine == ["active"], keys)


try:
    main()
finally:
    server.remove()
    subprocess.run(["umount", "/etc/resolv.conf"], capture_output=True)
    world.stop()
finish()
