"""Certificates from an authority: Debian's pebble, over HTTP and in a handshake."""

import base64
import datetime
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.request

from harness import Server, check, finish, free_ports, wait_for
from pki import Authority
from world import needs_namespace

needs_namespace()
HOST = "mx.home.example"
# Seconds that a certificate of this authority lasts: it is renewed after two thirds.
LIFE = 12
DNS, MANAGE = 5353, 5380
# Fields of the authority's answers that a server before it passes on.
KEPT = {"content-type", "link", "location", "replay-nonce", "retry-after"}
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-acme-"))
ca = Authority(folder)
chain, key = ca.issue("pebble", "acme.example")


class Pebble:
    """The authority. It looks for challenges on ports 80 and 443, as all do."""

    def __init__(self, life=LIFE):
        self.process = None
        self.config = folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
            "certificate": str(chain), "privateKey": str(key), "httpPort": 80, "tlsPort": 443,
            "ocspResponderURL": "", "externalAccountBindingRequired": False,
            "certificateValidityPeriod": life}}))

    def start(self):
        # It refuses some of what it was itself asked for, so that trying again is tried.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "15"}
        self.process = subprocess.Popen(
            ["pebble", "-config", str(self.config), "-dnsserver", f"127.0.0.1:{DNS}"],
            stdout=open(folder / "pebble.log", "ab"), stderr=subprocess.STDOUT, env=environment)
        wait_for(lambda: self.root() is not None)

    def root(self):
        """The root that vouches for all it gives, as PEM; another one after each start."""
        context = ssl.create_default_context(cafile=str(ca.certificate))
        context.check_hostname = False
        try:
            url = "https://127.0.0.1:15000/roots/0"
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Adviser(http.server.BaseHTTPRequestHandler):
    """Stands before the authority, which gives no advice on renewals (RFC 9773), and gives some."""

    PORT = 14001
    new_order = ""
    window = (0, 0)
    asked, replaced = [], []

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path.startswith("/renewal-info/"):
            self.asked.append(self.path.rpartition("/")[2])
            start, end = (datetime.datetime.now(datetime.timezone.utc)
                          + datetime.timedelta(seconds=seconds) for seconds in self.window)
            said = {"suggestedWindow": {"start": start.isoformat(), "end": end.isoformat()}}
            return self.say(200, {"Retry-After": "1"}, json.dumps(said).encode())
        behind = http.client.HTTPSConnection(
            "127.0.0.1", 14000, context=ssl._create_unverified_context(), timeout=20)
        names = ["Host", "Content-Type", "User-Agent"]
        behind.request(self.command, self.path, body or None,
                       {name: self.headers[name] for name in names if self.headers[name]})
        reply = behind.getresponse()
        said = reply.read()
        if self.path == "/dir":
            directory = json.loads(said)
            Adviser.new_order = directory["newOrder"].partition(f":{self.PORT}")[2]
            directory["renewalInfo"] = f"https://acme.example:{self.PORT}/renewal-info"
            said = json.dumps(directory).encode()
        elif self.path == self.new_order and reply.status == 201:
            text = json.loads(body)["payload"]
            replaces = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).get("replaces")
            if replaces:
                self.replaced.append(replaces)
                said = json.dumps({**json.loads(said), "replaces": replaces}).encode()
        return self.say(reply.status, {name: value for name, value in reply.getheaders()
                                       if name.lower() in KEPT}, said)

    do_GET = do_POST = do_HEAD = answer

    def say(self, status, fields, body):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def tell_dns(what, **said):
    call = http.client.HTTPConnection("127.0.0.1", MANAGE, timeout=5)
    call.request("POST", what, json.dumps(said))
    return call.getresponse().status == 200


def names_lead_to(address):
    """Where the DNS says that all names are, but for the authority's own."""
    return tell_dns("/set-default-ipv4", ip=address)


def settings(more):
    return f"""
[dns]
servers = ["127.0.0.1:{DNS}"]
[acme]
agree_to_terms = true
names = ["{HOST}"]
directory = "https://acme.example:14000/dir"
contact = ["mailto:admin@home.example"]
authorities = ["{ca.certificate}"]
retry_first = "2s"
{more}"""


class Shown:
    """What a port shows to a client that trusts a root and nothing else."""

    def __init__(self, port, root, name=HOST):
        context = ssl.create_default_context(cadata=root)
        self.why, self.der = "", b""
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                with context.wrap_socket(plain, server_hostname=name) as stream:
                    self.der = stream.getpeercert(True)
        except (OSError, ssl.SSLError) as error:
            self.why = str(error)

    def key(self):
        pem = ssl.DER_cert_to_PEM_cert(self.der).encode()
        public = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=pem,
                                capture_output=True, check=True).stdout
        spki = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                              capture_output=True, check=True).stdout
        return hashlib.sha256(spki).hexdigest()


def vouched(server, root, port=None):
    """Waits until a port shows a certificate that the root vouches for."""
    found = []

    def is_there():
        found[:] = [Shown(port or server.msas, root)]
        return not found[0].why
    wait_for(is_there, 40, 0.2)
    return found[0]


def records(server):
    """The digests of the TLSA records to publish: of this key, and of the next."""
    shown = server.run("tls", "show").stdout
    return [line.split()[-1] for line in shown.splitlines() if " TLSA 3 1 1 " in line]


def said(server, text):
    return [line for line in server.log.read_text().splitlines() if text in line]


def first(server, root):
    shown = vouched(server, root)
    check("a certificate is there, and the authority vouches for it", not shown.why, shown.why)
    files = sorted((server.data / "acme").iterdir())
    check("what is secret is the owner's alone",
          files and all(one.stat().st_mode & 0o077 == 0 for one in files), files)
    tlsa = records(server)
    check("the first TLSA record is that of its key", tlsa[:1] == [shown.key()], tlsa)
    check("the second is that of the next key", len(tlsa) == 2 and tlsa[0] != tlsa[1], tlsa)
    listed = server.run("domain", "records", "home.example").stdout
    check("both are among the records of a domain", all(one in listed for one in tlsa), listed)
    return shown


def renewed(server, root, before):
    """A renewal while a client is connected."""
    context = ssl.create_default_context(cadata=root)
    with socket.create_connection(("127.0.0.1", server.msas), 10) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as stream:
            stream.recv(4096)
            wait_for(lambda: Shown(server.msas, root).der != before.der, LIFE + 10, 0.3)
            stream.sendall(b"NOOP\r\n")
            check("who was connected stays so", stream.recv(4096).startswith(b"250"))
    after = vouched(server, root)
    check("it is renewed without a restart", after.der != before.der and not after.why, after.why)
    check("the key stays, and the TLSA records with it",
          after.key() == before.key() == records(server)[0])
    return after


def rolled(server, root, before):
    """Another key, whose record was there before."""
    _, coming = records(server)
    done = server.run("tls", "roll")
    check("a DNS that cannot tell of the next record holds that back",
          done.returncode == 1 and coming in done.stderr + server.run("tls", "show").stdout, done)
    done = server.run("tls", "roll", "--force")
    check("the next key is put to use", done.returncode == 0, done.stderr)
    wait_for(lambda: vouched(server, root).key() == coming, LIFE + 10, 0.3)
    after = vouched(server, root)
    check("it is the one that was announced", after.key() == coming != before.key())
    now = records(server)
    check("and another one comes after it", now[0] == coming and now[1] not in (coming, before.key()),
          now)


def refused(server, root):
    """Names that lead elsewhere, and an authority that is gone."""
    names_lead_to("127.0.0.9")
    def told():
        return [one for one in said(server, "Certificate not renewed.") if "127.0.0.9" in one]
    check("what the authority says is written down", wait_for(told, LIFE + 20, 0.3),
          said(server, "Certificate not renewed."))
    check("what is in use stays in use", not Shown(server.msas, root).why)
    pebble.stop()
    names_lead_to("127.0.0.1")
    count = len(said(server, "Certificate not renewed."))
    gone = wait_for(lambda: len(said(server, "Certificate not renewed.")) > count, 60, 0.3)
    check("an authority that is gone is asked again", gone)
    check("nobody is turned away meanwhile", Shown(server.msas, root).der != b""
          or "expired" in Shown(server.msas, root).why, Shown(server.msas, root).why)
    pebble.start()
    # It has forgotten every account, and has another root.
    shown = vouched(server, pebble.root())
    check("an authority that forgot our account gets another one", not shown.why,
          said(server, "Certificate not renewed.")[-2:])


def in_a_handshake():
    web = Server(extra=settings("mta_sts = true\n") + """
[https]
addresses = ["127.0.0.1:443"]
[mta_sts]
mode = "enforce"
""").accounts("ann@home.example")
    web.start()
    try:
        root = pebble.root()
        shown = vouched(web, root)
        check("TLS-ALPN-01: a certificate is there", not shown.why, shown.why)
        name = "mta-sts.home.example"
        wait_for(lambda: not Shown(443, root, name).why, 30, 0.3)
        trusted = folder / "root.pem"
        trusted.write_text(root)
        line = ["curl", "-sS", "--cacert", str(trusted), "--resolve", f"{name}:443:127.0.0.1",
                f"https://{name}/.well-known/mta-sts.txt"]
        done = subprocess.run(line, capture_output=True, text=True)
        check("the policy of our domain is there, under its own certificate",
              "mode: enforce" in done.stdout and f"mx: {HOST}" in done.stdout, done)
        check("it stops with 0", web.stop() == 0)
        check("it never panicked", "panicked" not in web.log.read_text())
    finally:
        web.remove()


def identifier(der):
    """What a certificate is called when its authority is asked about it."""
    said = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial", "-ext",
                           "authorityKeyIdentifier"], input=der, capture_output=True, check=True)
    said = said.stdout.decode()
    serial = bytes.fromhex(re.search(r"serial=([0-9A-F]+)", said)[1])
    above = bytes.fromhex(re.search(r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})", said)[1].replace(":", ""))
    serial = b"\0" * (serial[0] >> 7) + serial
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in (above, serial))


def advised():
    """An authority that says when it wants a certificate to be renewed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    front = http.server.ThreadingHTTPServer(("127.0.0.1", Adviser.PORT), Adviser)
    front.socket = context.wrap_socket(front.socket, server_side=True)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    more = 'http_addresses = ["127.0.0.1:80"]\n'
    led = Server(extra=settings(more).replace(":14000/", f":{Adviser.PORT}/"))
    led.accounts("ann@home.example")
    Adviser.window = (600, 900)
    led.start()
    try:
        root = pebble.root()
        before = vouched(led, root)
        check("an authority with advice gives certificates, too", not before.why, said(led, "renew"))
        wait_for(lambda: len(Adviser.asked) > 1)
        check("the authority is asked about the certificate",
              {*Adviser.asked} == {identifier(before.der)}, Adviser.asked)
        check("which is not renewed before its time", Shown(led.msas, root).der == before.der)
        Adviser.window = (-20, -10)
        wait_for(lambda: Shown(led.msas, root).der != before.der, 30, 0.3)
        after = Shown(led.msas, root)
        Adviser.window = (600, 900)
        check("it is renewed when the authority wants it", after.der != before.der and not after.why,
              said(led, "renew"))
        check("which is told what it takes the place of",
              identifier(before.der) in Adviser.replaced, Adviser.replaced)
        wait_for(lambda: identifier(Shown(led.msas, root).der) in Adviser.asked)
        check("it stops with 0", led.stop() == 0)
        check("it never panicked", "panicked" not in led.log.read_text())
    finally:
        led.remove()


def unasked():
    """Who did not agree to the terms asks nobody."""
    more = 'http_addresses = ["127.0.0.1:80"]\n'
    quiet = Server(extra=settings(more).replace("agree_to_terms = true", ""))
    done = quiet.run("config", "check")
    check("the terms have to be agreed to", done.returncode and "agree_to_terms" in done.stderr, done)
    quiet.remove()


pebble = Pebble()
names = subprocess.Popen(
    ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{DNS}", "-http01", "", "-https01", "",
     "-tlsalpn01", "", "-management", f"127.0.0.1:{MANAGE}", "-defaultIPv6", ""],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
server = Server(extra=settings('http_addresses = ["127.0.0.1:80"]\n')).accounts("ann@home.example")
try:
    wait_for(lambda: socket.create_connection(("127.0.0.1", MANAGE), 1), 10)
    tell_dns("/add-a", host="acme.example.", addresses=["127.0.0.1"])
    pebble.start()
    server.start()
    root = pebble.root()
    shown = first(server, root)
    shown = renewed(server, root, shown)
    rolled(server, root, shown)
    in_a_handshake()
    unasked()
    refused(server, root)
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
    pebble.stop()
    pebble = Pebble(1200)
    pebble.start()
    advised()
finally:
    server.remove()
    names.send_signal(signal.SIGTERM)
    pebble.stop()
finish()
