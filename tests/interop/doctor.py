"""The doctor and `send` in worlds that are broken in one thing, beside swaks and openssl.

In the namespace, where a firewall is one line of nft and ports 25 and 587 are nobody's.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import urllib.request

from harness import BINARY, PASSWORD, Server, check, finish, wait_for
from world import RESOLVER, REMOTE, World, needs_namespace

needs_namespace()
ANN = "ann@home.example"
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-doctor-"))


def run(*arguments, text=None, environment=None):
    """Runs the program; gives the completed process."""
    return subprocess.run([str(BINARY), *arguments], input=text, capture_output=True, text=True,
                          timeout=120, env={**os.environ, **(environment or {})}, cwd=folder)


class Script(socketserver.StreamRequestHandler):
    """A host that follows the dictionary of its server."""

    timeout = 20

    def handle(self):
        script = self.server.script
        try:
            if script.get("silent"):
                self.rfile.read(1)
                return
            self.say(script["greeting"])
            while line := self.rfile.readline(4096):
                verb = line.decode("latin-1").strip().upper()
                found = [key for key in script if verb.startswith(key)]
                self.say(script[max(found, key=len)] if found else "500 5.5.1 What?")
                if verb == "QUIT":
                    return
        except OSError:
            pass

    def say(self, text):
        self.wfile.write((text + "\r\n").encode())
        self.wfile.flush()


class Host(socketserver.ThreadingTCPServer):
    """A scripted host on a port of its own."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, script, address=("127.0.0.1", 0)):
        super().__init__(address, Script)
        self.script = {"QUIT": "221 2.0.0 Bye", **script}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def place(self):
        return "%s:%d" % self.server_address


def examined(*arguments, **more):
    """The report of an examination as JSON, and its exit code."""
    done = run("doctor", *arguments, "--json", **more)
    try:
        return json.loads(done.stdout), done.returncode
    except ValueError:
        raise SystemExit(f"{arguments}: {done.returncode} {done.stdout} {done.stderr}")


def loud(report):
    """The names of the checks that speak, with their verdicts."""

    def inside(section):
        found = [(one["id"], one["verdict"]) for one in section["checks"]
                 if one["verdict"] != "right"]
        for inner in section.get("sections", []):
            found += inside(inner)
        return found

    return [one for section in report["sections"] for one in inside(section)]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority():
    """An authority of our own."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Authority", "-days", 90,
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")


def certificate(name, days, host="localhost"):
    """A certificate of that authority; gives its file and that of its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    (folder / "names").write_text(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", key, "-out",
            folder / "request")
    openssl("x509", "-req", "-in", folder / "request", "-CA", folder / "ca.pem", "-CAkey",
            folder / "ca.key", "-days", days, "-extfile", folder / "names", "-out", made)
    return made, key


def asked(own, kind="application/json", **question):
    """What `POST /doctor` answers: the code, and the report."""
    request = urllib.request.Request(f"http://127.0.0.1:{own.http}/doctor", data=json.dumps(question).encode(),
                                     headers={"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def named_over_http(own):
    """What a request names is examined as the command does it."""
    def as_by_command(*words, **question):
        code, report = asked(own, **question)
        done = own.run("doctor", *words, "--json")
        same = code == 200 and loud(report) == loud(json.loads(done.stdout))
        check(f"{question['examine']} over HTTP tells what the command does", same, (report, done.stdout))

    as_by_command("smtp", f"127.0.0.1:{own.msa}", examine="smtp", host=f"127.0.0.1:{own.msa}")
    as_by_command("deliver", "ann@remote.example", examine="deliver", address="ann@remote.example")
    as_by_command("domain", "remote.example", "--records-only", examine="domain", name="remote.example",
                  records_only=True)
    code, report = asked(own, examine="code", reply="550 5.1.1 no such user")
    check("a reply is explained over HTTP", code == 200 and "5.1.1" in json.dumps(report), report)
    for question in [{"examine": "smtp", "host": "no host"}, {"examine": "deliver", "address": "nobody"},
                     {"examine": "domain", "name": "-"}, {"examine": "message", "id": "/etc/passwd"}]:
        code, told = asked(own, **question)
        check(f"{question['examine']} of nonsense is refused with a reason", code == 400 and "error" in told, told)
    code, told = asked(own, kind="text/plain", examine="code", reply="550 no")
    check("what a page of another site may send unasked is not taken", code == 415, (code, told))


def with_certificate(name, made, key):
    """A server that shows this certificate."""
    extra = f'[tls]\nself_signed = false\n[tls.certificates."*"]\ncertificate = "{made}"\nkey = "{key}"\n'
    return Server(hostname=name, extra=extra)


world = World()
servers = []
try:
    world.start_dns()
    world.start_postfix()

    authority()
    good = with_certificate("mx.home.example", *certificate("good", 80)).accounts(ANN)
    servers.append(good.start())
    ca = ["--tls-ca", str(folder / "ca.pem")]
    submission = f"localhost:{good.msa}"

    # send, beside swaks
    done = run("send", "--server", submission, *ca, "--tls", "starttls", "--tls-verify", "--user", ANN,
               "--password-stdin", "--to", ANN, "--subject", "by-send", "--trace",
               "--header", "X-Test: 7", "--body", "Grüße", text=PASSWORD + "\n")
    check("send submits with TLS and a login", done.returncode == 0, done.stderr + done.stdout)
    check("the trace shows the session and no secret",
          "C: MAIL FROM" in done.stderr and "AUTH SCRAM" in done.stderr
          and PASSWORD not in done.stderr, done.stderr)
    arrived = good.with_subject(ANN, "by-send")
    check("it arrives once", len(arrived) == 1, arrived)
    copy = good.raw(arrived[0])
    check("with its field and text", b"X-Test: 7\r\n" in copy and b"Gr=C3=BC=C3=9Fe" in copy, copy)
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]:
        done = run("send", "--server", submission, *ca, "--user", ANN, "--auth", mechanism, "--to",
                   ANN, "--quit-after", "auth", environment={"MAILWRIGHT_PASSWORD": PASSWORD})
        check(f"{mechanism} logs in", done.returncode == 0, done.stdout + done.stderr)
    done = run("send", "--server", f"localhost:{good.msas}", *ca, "--tls", "implicit", "--user", ANN,
               "--password-stdin", "--to", ANN, "--subject", "by-implicit", "--bdat", "--attach",
               str(folder / "good.pem"), text=PASSWORD + "\n")
    check("TLS from the first octet, BDAT, a file along", done.returncode == 0, done.stdout)
    raw = good.raw(good.with_subject(ANN, "by-implicit")[0])
    check("the file is there", b'filename="good.pem"' in raw, raw)
    message = folder / "raw.eml"
    message.write_bytes(b"From: x@home.example\nSubject: by-raw\n\n.\nlast")
    done = run("send", "--server", f"127.0.0.1:{good.mta}", "--from", "bob@client.example", "--to", ANN,
               "--raw", str(message), "--no-pipelining", "--json")
    told = json.loads(done.stdout)
    check("a raw file, told as JSON", done.returncode == 0 and told["recipients"][0]["taken"]
          and told["failed"] is None, done.stdout)
    check("it arrives with its lone dot",
          b"\r\n\r\n.\r\nlast\r\n" in good.raw(good.with_subject(ANN, "by-raw")[0]))
    done = run("send", "--server", f"127.0.0.1:{good.lmtp}", "--lmtp", "--from", "bob@client.example",
               "--to", ANN, "--subject", "by-lmtp")
    check("LMTP", done.returncode == 0 and len(good.with_subject(ANN, "by-lmtp")) == 1, done.stdout)
    for what, code, line in [
        ("a closed port", 3, ["--server", "127.0.0.1:1", "--from", "a@client.example", "--to", ANN]),
        ("no TLS where it has to be", 5, ["--server", submission, "--tls-verify", "--from",
                                          "a@client.example", "--to", ANN]),
        ("a stranger's recipient", 8, ["--server", f"127.0.0.1:{good.mta}", "--from",
                                       "a@client.example", "--to", "eve@other.example"]),
        ("no sender", 1, ["--server", submission, "--to", ANN]),
        ("an option nobody knows", 2, ["--server", submission, "--what"]),
    ]:
        done = run("send", *line)
        check(f"{what} ends with {code}", done.returncode == code, (done.returncode, done.stdout, done.stderr))
    done = run("send", "--server", submission, *ca, "--user", ANN, "--password-stdin", "--to", ANN,
               text="wrong\n")
    check("a wrong password ends with 6", done.returncode == 6 and "535" in done.stdout, done.stdout)
    before = len(good.messages(ANN))
    for phase in ["connect", "ehlo", "tls", "mail", "rcpt", "data"]:
        done = run("send", "--server", f"localhost:{good.mta}", "--from", "bob@client.example", "--to",
                   ANN, "--quit-after", phase)
        check(f"it ends behind {phase}", done.returncode == 0, done.stdout + done.stderr)
    check("and nothing arrives", len(good.messages(ANN)) == before)
    config = folder / "resolver.toml"
    config.write_text(f'[dns]\nservers = ["{RESOLVER}:53"]\n')
    done = run("--config", str(config), "send", "--from", "bob@client.example", "--to",
               "dan@remote.example", "--subject", "by-mx")
    check("the MX is found", done.returncode == 0 and len(world.with_subject("dan", "by-mx")) == 1,
          done.stdout + done.stderr)

    # send in another's place, and in other forms
    at_mta = ["--server", f"localhost:{good.mta}", "--from", "bob@client.example", "--to", ANN]
    for version in "1", "2":
        done = run("send", "--server", f"127.0.0.1:{good.proxied}", *at_mta[2:], "--subject",
                   f"by-proxy-{version}", "--proxy", "192.0.2.77:4711", "--proxy-version", version)
        copies = good.with_subject(ANN, f"by-proxy-{version}")
        check(f"a PROXY header of version {version} says who comes", done.returncode == 0
              and len(copies) == 1 and b"192.0.2.77" in good.raw(copies[0]), done.stdout + done.stderr)
    mapped = ["--server", f"{REMOTE}:25", "--from", "a@client.example", "--to", "nobody@elsewhere.example",
              "--quit-after", "rcpt", "--trace"]
    done = run("send", *mapped, "--xclient", "NAME=far.example", "--xclient", "ADDR=192.0.2.78")
    check("XCLIENT is believed by Postfix, which relays for this machine and not for strangers",
          done.returncode == 8 and done.stderr.count("C: EHLO") == 4 and "elay" in done.stdout,
          done.stdout + done.stderr)
    done = run("send", *mapped, "--xclient", "NONSENSE=1")
    check("attributes that it does not know end with 10", done.returncode == 10, done.stdout)
    done = run("send", *at_mta, "--local", "127.0.0.9", "--subject", "by-local")
    check("it comes from the address it is told to", done.returncode == 0
          and b"127.0.0.9" in good.raw(good.with_subject(ANN, "by-local")[0]), done.stdout)
    done = run("send", *at_mta, "--ipv6", "--quit-after", "ehlo")
    check("the other family is left alone", done.returncode == 3, done.stdout)
    chain = folder / "shown.pem"
    done = run("send", *at_mta, *ca, "--tls-verify", "--tls-version", "1.2", "--tls-cipher",
               "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--tls-sni", "other.example", "--tls-save",
               str(chain), "--quit-after", "tls", "--json")
    shown = subprocess.run(["openssl", "x509", "-in", str(chain), "-noout", "-subject"],
                           capture_output=True, text=True)
    check("TLS is as it was asked for, and the chain is kept", done.returncode == 0
          and "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" in json.loads(done.stdout)["tls"]
          and "localhost" in shown.stdout, done.stdout + done.stderr + shown.stderr)
    done = run("send", *at_mta, "--tls-cipher", "RC4")
    check("a cipher that nobody has is told", done.returncode == 1 and "known are" in done.stderr, done)
    (folder / "template").write_text("From: {{from}}\nTo: {{to}}\nSubject: by-template\n\n[{{body}}]\n")
    done = run("send", *at_mta, "--template", "template", "--body", "filled", "--drop-after", "data")
    check("it hangs up where it is told to", done.returncode == 0
          and not good.with_subject(ANN, "by-template"), done.stdout)
    for phase, last in [("ehlo", "C: EHLO"), ("rcpt", "C: RCPT"), ("data", "C: DATA")]:
        done = run("send", *at_mta, "--tls", "none", "--drop-after-send", phase, "--no-pipelining", "--trace")
        lines = done.stderr.splitlines()
        check(f"it hangs up behind {phase} and reads no answer", done.returncode == 0
              and lines[-2].startswith(last) and lines[-1] == "*  hung up", done.stdout + done.stderr)
    done = run("send", *at_mta, "--drop-after-send", "dot", "--subject", "by-drop", "--trace")
    check("it hangs up behind the whole message", done.returncode == 0 and "hung up" in done.stderr.splitlines()[-1]
          and "the answer unread" in done.stdout, done.stdout + done.stderr)
    check("which the server took, as it was whole", len(good.with_subject(ANN, "by-drop")) == 1)
    done = run("send", *mapped, "--xclient", "ADDR=192.0.2.78", "--xclient-before-tls")
    said = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("C: ")]
    check("XCLIENT in front of TLS is believed, too", done.returncode == 8 and "elay" in done.stdout
          and said[:4] == ["EHLO", "XCLIENT", "EHLO", "STARTTLS"], done.stdout + done.stderr)
    done = run("send", *at_mta, "--xclient", "ADDR=192.0.2.78", "--xclient-optional", "--quit-after", "mail")
    check("a host without XCLIENT is no trouble where it is optional", done.returncode == 0, done.stdout)
    done = run("send", *at_mta, "--template", "template", "--body", "filled", "--trace-time")
    raw = good.raw(good.with_subject(ANN, "by-template")[0])
    check("a template is filled", b"To: ann@home.example\r\n" in raw and b"[filled]" in raw, raw)
    check("times stand in front of lines", re.search(r"\n +\d+\.\d{3} C: MAIL", done.stderr), done.stderr)
    (folder / "page.html").write_text("<p>Hello</p>")
    done = run("send", *at_mta, "--html", "page.html", "--attach", "page.html;type=text/x-page;name=p.txt",
               "--subject", "by-parts", "--dump")
    check("the message is printed and goes nowhere", done.returncode == 0
          and "Content-Type: text/x-page" in done.stdout and 'filename="p.txt"' in done.stdout
          and "multipart/alternative" in done.stdout and not good.with_subject(ANN, "by-parts"), done)
    relay = f"{sys.executable} -c 'import socket,sys,threading;s=socket.create_connection((\"127.0.0.1\",{good.mta}));" \
        "threading.Thread(target=lambda:[s.sendall(b) for b in iter(lambda:sys.stdin.buffer.raw.read(4096),b\"\")],daemon=True).start();" \
        "[(sys.stdout.buffer.write(b),sys.stdout.flush()) for b in iter(lambda:s.recv(4096),b\"\")]'"
    done = run("send", "--pipe", relay, "--tls", "none", *at_mta[2:], "--subject", "by-pipe")
    check("a program is the connection", done.returncode == 0 and len(good.with_subject(ANN, "by-pipe")) == 1,
          done.stdout + done.stderr)
    with socketserver.ThreadingUnixStreamServer(str(folder / "socket"), Script) as local:
        local.script = {"QUIT": "221 2.0.0 Bye", "greeting": "220 local.example", "EHLO": "250 local.example",
                        "MAIL": "250 2.1.0 Ok", "RCPT": "550 5.1.1 Nobody"}
        local.daemon_threads = True
        threading.Thread(target=local.serve_forever, daemon=True).start()
        done = run("send", "--socket", "socket", *at_mta[2:], "--quit-after", "rcpt")
        check("a socket of the machine is the host", done.returncode == 8 and "Nobody" in done.stdout, done)
        local.shutdown()
    done = run("send", *at_mta, "--no-extensions", "--subject", "by-helo", "--trace")
    check("HELO, and nothing more", done.returncode == 0 and "C: HELO" in done.stderr
          and "SIZE=" not in done.stderr and len(good.with_subject(ANN, "by-helo")) == 1, done.stderr)
    done = run("--config", str(config), "send", "--mx", "remote.example", "--from", "bob@client.example",
               "--to", "eva@remote.example", "--to", "dan@elsewhere.example", "--quit-after", "mail")
    check("the MX of a named domain is taken", done.returncode == 0, done.stdout + done.stderr)
    done = run("send", *at_mta, "--user", ANN, "--auth-optional", "--quit-after", "auth",
               environment={"MAILWRIGHT_PASSWORD": PASSWORD})
    check("no login is needed where none is offered", done.returncode == 0, done.stdout)

    # doctor smtp: a sound server, and one that is broken in one thing
    login = ["--user", ANN, "--password-stdin"]
    report, code = examined("smtp", submission, *ca, *login, text=PASSWORD + "\n")
    check("a sound submission port is silent", code == 0 and loud(report) == [], loud(report))
    report, code = examined("smtp", submission, *ca, *login, text="wrong\n")
    check("a wrong password speaks alone", code == 1 and loud(report) == [("login", "wrong")],
          loud(report))
    report, code = examined("smtp", f"localhost:{good.msas}", *ca)
    check("a port with TLS is found to be one", code == 0 and loud(report) == [], loud(report))
    report, code = examined("smtp", submission)
    check("a certificate of its own making speaks", loud(report) == [("tls.chain", "wrong")], loud(report))
    report, code = examined("smtp", f"127.0.0.1:{good.msa}", *ca)
    check("another name speaks", loud(report) == [("tls.name", "wrong")], loud(report))
    old = with_certificate("mx.home.example", *certificate("old", 1)).start()
    servers.append(old)
    report, code = examined("smtp", f"localhost:{old.msa}", *ca)
    check("a certificate near its end speaks", code == 0 and loud(report) == [("tls.dates", "warning")],
          loud(report))
    faketime = ["faketime", "+3 days"]
    done = subprocess.run([*faketime, str(BINARY), "doctor", "smtp", f"localhost:{old.msa}", *ca, "--json"],
                          capture_output=True, text=True, cwd=folder)
    found = loud(json.loads(done.stdout))
    check("one that has ended speaks", done.returncode == 1 and ("tls.dates", "wrong") in found, found)

    sound = {"greeting": "220 mx.example ESMTP", "EHLO": "250-mx.example\r\n250 PIPELINING"}
    for name, script, expected in [
        ("asterisks", {**sound, "greeting": "220 *****************"}, ("smtp.greeting", "wrong")),
        ("crossed-out keywords", {**sound, "EHLO": "250-mx.example\r\n250 XXXXXXXA"},
         ("smtp.stripped", "wrong")),
        ("STARTTLS taken out", {**sound, "STARTTLS": "220 go ahead"}, ("smtp.starttls", "wrong")),
        ("no STARTTLS", {**sound, "STARTTLS": "502 no"}, ("smtp.starttls", "wrong")),
        ("EHLO refused", {"greeting": "220 mx.example", "HELO": "250 mx.example"}, ("smtp.ehlo", "wrong")),
        ("another service", {"greeting": "SSH-2.0-OpenSSH_9.2"}, ("smtp.greeting", "wrong")),
        ("turned away", {"greeting": "554 5.7.1 blocked using zen.spamhaus.org"},
         ("smtp.greeting", "wrong")),
        ("silence", {"silent": True}, ("smtp.greeting", "wrong")),
    ]:
        report, code = examined("smtp", Host(script).place, "--timeout", "2")
        check(f"{name}: it speaks", code == 1 and expected in loud(report), loud(report))

    # a firewall: refused, dropped, forbidden
    subprocess.run(["nft", "-f", "-"], input="""
        table ip gate { chain in { type filter hook input priority 0;
          tcp dport 2501 drop; tcp dport 2502 reject with tcp reset; }
        }""", text=True, check=True)
    report, code = examined("smtp", "127.0.0.1:2502", "--timeout", "2")
    check("a closed port speaks", code == 1 and "refused" in json.dumps(report), report)
    report, code = examined("smtp", "127.0.0.1:2501", "--timeout", "2")
    check("a port that is filtered is told from a closed one",
          code == 1 and "no answer" in json.dumps(report), report)

    # what swaks and openssl find, it finds
    swaks = subprocess.run(["swaks", "--server", f"127.0.0.1:{good.mta}", "--from", "a@client.example",
                            "--to", "eve@other.example", "--quit-after", "RCPT"],
                           capture_output=True, text=True)
    report, code = examined("smtp", f"127.0.0.1:{good.mta}", "--from", "a@client.example", "--to",
                            "eve@other.example")
    refusal = next(line for line in swaks.stdout.splitlines() if " 550 " in line).split(" 550 ")[1]
    texts = json.dumps(report)
    check("it finds the refusal that swaks finds", refusal[:20] in texts and code == 1, (refusal, texts))
    for what, options, says, expected in [
        ("a stranger's chain", [], "unable to get local issuer", ("tls.chain", "wrong")),
        ("another name", ["-CAfile", folder / "ca.pem", "-verify_hostname", "other.example"],
         "hostname mismatch", ("tls.name", "wrong")),
    ]:
        seen = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{good.msa}", "-starttls",
                               "smtp", "-verify_return_error", *map(str, options)], input="QUIT\n",
                              capture_output=True, text=True)
        name = ["--tls-name", "other.example"] if "-CAfile" in options else []
        report, code = examined("smtp", submission, *name, *(ca if name else []))
        check(f"it finds {what}, as openssl does",
              says in seen.stderr + seen.stdout and expected in loud(report), (seen.stderr, loud(report)))
    report, code = examined("smtp", f"{REMOTE}:25", "--timeout", "5")
    check("Postfix is examined like any other", ("smtp.starttls", "wrong") not in loud(report), loud(report))

    # doctor deliver: the road as the queue would go it
    for to, expected, words in [
        ("dan@remote.example", 0, "would be taken"), ("dan@prefer.example", 0, "down.example"),
        ("dan@alias.example", 0, "would be taken"), ("dan@implicit.example", 0, "own address"),
        ("nobody@remote.example", 1, "User unknown"), ("late@remote.example", 0, "put off for now"),
        ("a@null.example", 1, "null MX"), ("a@nowhere.example", 1, "no such domain"),
        ("a@dangling.example", 1, "no name"), ("a@broken.example", 2, "no answer"),
    ]:
        done = run("--config", str(config), "doctor", "deliver", to, "--from", "bob@home.example",
                   "--timeout", "3")
        check(f"the road to {to} ends with {expected}", done.returncode == expected
              and words in done.stdout, (done.returncode, done.stdout, done.stderr))
    check("no message was sent on it", not world.with_subject("dan", "nothing", 0))
    (folder / "strict.toml").write_text(config.read_text() + '[relay]\ntls = "verified"\n')
    done = run("--config", str(folder / "strict.toml"), "doctor", "deliver", "dan@remote.example",
               "--from", "bob@home.example")
    check("more TLS than there is holds it up", done.returncode == 1 and "more than there is"
          in done.stdout, done.stdout)

    # doctor domain: what the world sees of it
    for name, code, expected in [
        ("remote.example", 0, ("spf.record", "warning")), ("null.example", 0, ("dmarc.record", "warning")),
        ("nowhere.example", 1, ("mx.records", "wrong")), ("broken.example", 2, ("mx.records", "cannot-know")),
        ("dangling.example", 1, ("mx.host", "wrong")), ("implicit.example", 0, ("mx.records", "warning")),
    ]:
        done = run("--config", str(config), "doctor", "domain", name, "--timeout", "3", "--json")
        report = json.loads(done.stdout)
        check(f"the domain {name} is examined", done.returncode == code and expected in loud(report),
              (done.returncode, loud(report), done.stderr))
    done = run("--config", str(config), "doctor", "domain", "remote.example", "--timeout", "3")
    check("its hosts are visited", "mx.remote.example, port 25" in done.stdout and "Greeting" in done.stdout,
          done.stdout)
    done = run("--config", str(config), "doctor", "domain", "remote.example", "--records-only")
    check("or left alone", "port 25" not in done.stdout and done.returncode == 0, done.stdout)
    done = run("doctor", "domain", "ann@home.example")
    check("what is no domain is told", done.returncode == 1 and "is no domain" in done.stderr, done)

    # doctor message: a file, a copy of ours, and one that waits
    told = good.with_subject(ANN, "by-raw")[0]
    done = good.run("doctor", "message", str(told["id"]), "--json")
    found = loud(json.loads(done.stdout))
    check("a copy of ours is examined", ("message.date", "warning") in found
          and ("message.signature", "warning") in found, found)
    (folder / "two.eml").write_bytes(b"From: a@x.example\nFrom: b@x.example\nDate: never\n\nhello\n")
    done = run("--config", str(config), "doctor", "message", "two.eml")
    check("two From fields speak", done.returncode == 1 and "2 of them" in done.stdout, done.stdout)
    done = run("--config", str(config), "doctor", "message", "-", text="Subject: x\n\nhello\n")
    check("standard input is examined", done.returncode == 1 and "From: none" in done.stdout, done.stdout)
    done = good.run("doctor", "message", "nothing-of-the-kind")
    check("what is neither file nor id is told", done.returncode == 1 and "no id" in done.stderr, done)

    def sections(done):
        return [one["title"] for one in json.loads(done.stdout)["sections"]]

    own_copy = good.with_subject(ANN, "by-local")[0]
    done = good.run("doctor", "message", str(own_copy["id"]), "--json")
    check("a copy is told with the way it came, if it waited on it", "proofs, checked anew" in sections(done),
          done.stdout)
    done = run("--data", str(folder / "none"), "doctor")
    check("where there is no data folder it is told, and none is made", done.returncode == 2
          and "there is none at" in done.stdout and not (folder / "none").exists(), done)

    # doctor code
    done = run("doctor", "code", "550 5.7.515 Access denied, sending domain does not pass")
    check("a provider's code is explained", done.returncode == 0 and "Microsoft" in done.stdout
          and "SPF, DKIM and DMARC" in done.stdout, done.stdout)
    done = run("doctor", "code", "-", text="host mx.example said: 450 4.2.0 Greylisted\n")
    check("a line of a log is explained", done.returncode == 0 and "second try" in done.stdout, done.stdout)
    done = run("doctor", "code", "nothing", "here", "--json")
    check("what is no reply ends with 2, as JSON", done.returncode == 2
          and json.loads(done.stdout)["meanings"] == [], done)

    # whoever reads may have had enough
    def unread(*line):
        """Its exit code and standard error, where nobody reads standard output."""
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([str(BINARY), *map(str, line)], stdin=subprocess.DEVNULL, stdout=writer,
                              stderr=subprocess.PIPE, text=True, timeout=60, cwd=folder)
        os.close(writer)
        return done.returncode, done.stderr

    asleep = with_certificate("mx.home.example", *certificate("asleep", 80)).accounts(ANN)
    servers.append(asleep)
    for line in [
        ["doctor", "code", "550"], ["doctor", "smtp", "127.0.0.1:2502", "--timeout", "1"],
        ["doctor", "message", "two.eml"], ["config", "docs"], ["check", "--rules"], ["check", "two.eml"],
        ["send", *at_mta, "--dump"], ["send", *at_mta, "--quit-after", "ehlo", "--json"],
        *(one.line(*words)[1:] for one, words in [(good, ["account", "list"]), (good, ["doctor"]),
                                               (asleep, ["account", "list"])]),
    ]:
        ended = unread(*line)
        check(f"{' '.join(map(str, line[-2:]))[-40:]} into a closed pipe ends without a word", ended == (141, ""), (line, ended))

    # this server: sound, then broken in one thing each
    extra = f"""[dns]
servers = ["{RESOLVER}:53"]
[doctor]
outbound_domains = ["remote.example"]
bogus_name = "dead.broken.example"
address_lists = ["list.example", "dead.broken.example"]
queue_age = "1s"
"""
    own = Server(extra=extra).accounts(ANN).start()
    servers.append(own)

    def checkup():
        done = own.run("doctor", "--json")
        return json.loads(done.stdout), done.returncode

    report, code = checkup()
    check("a sound server has nothing wrong", code == 0 and not [one for one in loud(report)
          if one[1] == "wrong"], loud(report))
    texts = json.dumps(report)
    check("its port 25 outwards was tried", "mx.remote.example at 127.0.0.2:25: greets" in texts, texts)
    check("a list that does not know its own entry raises no alarm",
          ("list.sound", "cannot-know") in loud(report), loud(report))
    with urllib.request.urlopen(f"http://127.0.0.1:{own.http}/doctor", timeout=60) as page:
        over_http = json.load(page)
    check("the same over HTTP", loud(over_http) == loud(report), (loud(over_http), loud(report)))
    named_over_http(own)
    done = own.run("backup", str(folder / "copy"))
    (own.data / "last-backup").write_text("1000")
    report, code = checkup()
    check("an old backup speaks", done.returncode == 0 and ("backup", "warning") in loud(report), loud(report))
    own.data.chmod(0o755)
    report, code = checkup()
    check("an open data folder speaks", code == 1 and ("data.rights", "wrong") in loud(report), loud(report))
    own.data.chmod(0o700)
    own.run("sendmail", "-f", ANN, "late@remote.example", text="Subject: stuck\n\nhello\n")

    def is_stuck():
        return ("queue.stuck", "warning") in loud(checkup()[0])

    check("a message that waits is told of", wait_for(is_stuck, 30, 1), loud(checkup()[0]))
    queued = own.json("queue", "list")[0]
    done = own.run("doctor", "message", str(queued["message"]), "--verbose")
    check("a message that waits is told with its attempts and the conversation",
          done.returncode == 0 and "Attempt 1" in done.stdout and "C: RCPT TO:" in done.stdout, done)
    check("with the reply and what it means", "450 4.2.0" in json.dumps(checkup()[0]))
    code, report = asked(own, examine="message", id=str(queued["message"]))
    check("the same over HTTP, by its id", code == 200 and "Attempt 1" in json.dumps(report), report)
    def submitted(to, subject):
        """The id that the server gives to a message."""
        done = run("send", "--server", f"127.0.0.1:{own.msa}", "--user", ANN, "--insecure", "--to", to,
                   "--subject", subject, environment={"MAILWRIGHT_PASSWORD": PASSWORD})
        found = re.search(r"Accepted as (\w+)", done.stdout)
        return found[1] if found else done.stdout + done.stderr

    over = submitted("dan@remote.example", "over")
    check("a message is relayed", wait_for(lambda: world.with_subject("dan", "over"), 30, 0.2), over)
    failed = submitted("nobody@remote.example", "failed")

    def told(one, word):
        return wait_for(lambda: word in own.run("doctor", "message", one).stdout, 30, 0.5)

    told(over, "relayed")
    done = own.run("doctor", "message", over, "--verbose")
    check("one that is over is told with its attempt, its reply and the conversation",
          done.returncode == 0 and "C: RCPT TO:<dan@remote.example>" in done.stdout
          and "Attempt 1" in done.stdout and "relayed" in done.stdout, done)
    told(failed, "User unknown")
    done = own.run("doctor", "message", failed)
    check("one that failed is told with the reason and what it means", done.returncode == 1
          and "User unknown" in done.stdout and "means:" in done.stdout, done)
    done = own.run("doctor", "message", "0cnmjhnx40001")
    check("an id that nothing has is told", done.returncode == 1 and "there is no message" in done.stderr, done)
    subprocess.run(["nft", "add rule ip gate in ip daddr 127.0.0.2 tcp dport 25 drop"], check=True)
    report, code = checkup()
    check("a blocked port 25 speaks", code == 1 and ("out.port25", "wrong") in loud(report), loud(report))
    subprocess.run(["nft", "flush chain ip gate in"], check=True)
    own.stop()
    report, code = checkup()
    check("a server that does not run speaks", code == 1 and ("server.runs", "wrong") in loud(report),
          loud(report))
finally:
    for one in servers:
        one.remove()
    world.stop()
    shutil.rmtree(folder, ignore_errors=True)
finish()
