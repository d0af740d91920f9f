"""Each message that the tests of our spam rules have, shown to SpamAssassin's spamd as well; and where the two part.

A rule whose name both know has to hold for the same messages. Where it does not, and that is meant, the reason stands
in `golden/spamd.txt`, beside every message on whose side of the threshold the two differ."""

import concurrent.futures
import json
import pathlib
import re
import socket
import subprocess

from harness import BINARY, ROOT

SAMPLES = ROOT / "crates/sandbox/src/spam/tests/samples.txt"
REASONS = pathlib.Path(__file__).resolve().parent / "golden/spamd.txt"
TEXT = ("Hello Bob, your order left our house today and arrives on Thursday. You can follow it at "
        "https://www.shop.eu/orders/1234 and change the address until tomorrow. Ann")
FIELDS = [("Received", "from mail.shop.eu (mail.shop.eu [192.0.2.1]) by mx; Tue, 24 Nov 2026 06:15:40 +0000"),
          ("From", "Ann Smith <ann@shop.eu>"), ("To", "Bob Jones <bob@client.eu>"),
          ("Subject", "Your order 1234 has shipped"), ("Date", "Tue, 24 Nov 2026 06:15:37 +0000"),
          ("Message-ID", "<b7c1.4711@mail.shop.eu>"), ("MIME-Version", "1.0")]
# What a message alone does not show: who sent it, and what others say of it.
BESIDE = {"path", "spf", "dkim", "dmarc", "listed"}


class Build:
    """A message that no rule minds, and what a sample changes about it; as crates/sandbox/src/spam/tests.rs has it."""

    def __init__(self):
        self.fields, self.files, self.raw = list(FIELDS), [], None
        self.text, self.html = TEXT, f"<!DOCTYPE html><html><body><p>{TEXT}</p></body></html>"

    def edit(self, edit):
        letter, _, rest = edit.partition(" ")
        rest = re.sub(r"~(\d+)\*([^~]*)~", lambda found: found[2] * int(found[1]), rest)
        rest = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(0xdc00 + int(found[1], 16)), rest)
        name, _, value = (part.strip() if at != 2 else part.lstrip() for at, part in enumerate(rest.partition(":")))
        match letter:
            case "set":
                self.fields = [one for one in self.fields if one[0].lower() != name.lower()] + [(name, value)]
            case "add":
                self.fields.append((name, value))
            case "no" if rest in ("text", "html"):
                setattr(self, rest, None)
            case "no":
                self.fields = [one for one in self.fields if one[0].lower() != rest.lower()]
            case "text":
                self.text, self.html = rest, None
            case "html":
                self.html = rest
            case "file":
                self.files.append([part.strip() for part in rest.split("|", 1)])
            case "raw":
                self.raw = rest.replace("\\n", "\r\n")
            case _:
                raise ValueError(edit)

    def message(self):
        out = "".join(f"{name}: {value}\r\n" for name, value in self.fields)
        if self.raw is not None:
            return (out + self.raw).encode(errors="surrogateescape")
        out += "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        for kind, text in (("plain", self.text), ("html", self.html)):
            if text is not None:
                out += (f"--b\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
                        f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n")
        for name, media in self.files:
            out += f"--b\r\nContent-Type: {media}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\nx\r\n"
        return (out + "--b--\r\n").encode(errors="surrogateescape")


def samples(rules=None):
    """Each message: the rule it is about, whether that is to hold, what was changed, and its octets; those about some
    rules alone where these are named."""
    rule = None
    for line in SAMPLES.read_text().splitlines():
        sign, text = line[:2], line[2:].strip()
        if sign == "= ":
            rule = text
        if sign not in ("+ ", "- "):
            continue
        edits = [edit.strip() for edit in text.split(" ;; ") if edit.strip()]
        if any(edit.split(" ", 1)[0] in BESIDE for edit in edits) or rules is not None and rule not in rules:
            continue
        build = Build()
        for edit in edits:
            build.edit(edit)
        yield rule, sign == "+ ", text, build.message()


def ours(folder, messages):
    """The names of the rules that hold for each message, and the score; one process for all of them."""
    names = []
    for number, octets in enumerate(messages):
        names.append(f"{number:03}.eml")
        (folder / names[-1]).write_bytes(octets)
    done = subprocess.run([str(BINARY), "check", "--json", *names], cwd=folder, capture_output=True, timeout=120)
    told = json.loads(done.stdout)
    return [({rule["name"] for rule in one["spam"]}, one["numbers"]["spam"]) for one in told]


def asked(port, octets):
    """What spamd says of a message: the names of the rules that hold, and the score."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        peer.sendall(b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(octets) + octets)
        peer.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return set(body.strip().split(",")) - {""}, float(re.search(r"Spam: \w+ ; (-?[\d.]+)", head)[1])


def theirs(port, messages, children):
    with concurrent.futures.ThreadPoolExecutor(children) as pool:
        return list(pool.map(lambda octets: asked(port, octets), messages))


def known():
    """The names of the rules that the installed SpamAssassin has."""
    text = "".join(path.read_text(errors="replace") for path in pathlib.Path("/usr/share/spamassassin").glob("*.cf"))
    return set(re.findall(r"^\s*(?:header|body|rawbody|full|uri|meta|mimeheader)\s+(\w+)\s", text, re.M))


def reasons():
    """Why a rule may differ, by its name; and why a message may be on the other side of the threshold."""
    lines = [line for line in REASONS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


def compare(port, folder, children, own_rules, whole):
    """The disagreements: about rules, each with its messages, and the messages on other sides of the threshold. The
    whole corpus, or what it has of rules that both know: spamd takes a third of a second of a processor a message."""
    both = known() & own_rules
    corpus = list(samples(None if whole else both))
    messages = [octets for *_, octets in corpus]
    mine, other = ours(folder, messages), theirs(port, messages, children)
    rules, sides, unbuilt = {}, [], []
    for (rule, fires, edits, _), (our_rules, our_score), (their_rules, their_score) in zip(corpus, mine, other):
        if (rule in our_rules) != fires:
            unbuilt.append(f"{rule}: {edits}")
        for name in sorted((our_rules ^ their_rules) & both):
            rules.setdefault((name, name in our_rules), []).append(f"{rule} {'+' if fires else '-'} {edits}")
        if (our_score >= 5) != (their_score >= 5):
            sides.append((f"{rule} {'+' if fires else '-'} {edits}", our_score, their_score, sorted(their_rules - our_rules)))
    return len(corpus), both, rules, sides, unbuilt
