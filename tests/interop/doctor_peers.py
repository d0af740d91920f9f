"""What swaks and `openssl s_client` find wrong with a host, `doctor smtp` finds.

Each host is broken in one thing; beside them stands one that is sound, where all three are silent.
The doctor is asked for more than its peers can tell apart: whether STARTTLS was taken out on the way,
whether another host answers in the place of this one.
"""

import json
import pathlib
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import warnings

from harness import BINARY, check, finish, free_ports
from pki import Authority
from world import needs_namespace

needs_namespace()
warnings.simplefilter("ignore", DeprecationWarning)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-peers-"))
SOUND = {"": "220 mx.home.example ESMTP", "EHLO": "250-mx.home.example\r\n250-STARTTLS\r\n250 AUTH PLAIN",
         "STARTTLS": "220 2.0.0 Go", "AUTH": "235 2.7.0 In", "MAIL": "250 2.1.0 Ok",
         "RCPT": "250 2.1.5 Ok", "QUIT": "221 2.0.0 Bye"}


class Session(socketserver.BaseRequestHandler):
    """Says what the script of its host says, and shakes hands where it agreed to."""

    def handle(self):
        host, line = self.server, ""
        self.request.settimeout(10)
        try:
            while True:
                answer = host.script.get(line.split(" ")[0].upper(), "500 5.5.1 What?")
                if answer is None:
                    self.request.recv(1)
                    return
                self.request.sendall((answer + "\r\n").encode())
                if line.upper().startswith("STARTTLS") and answer.startswith("220"):
                    self.request = host.context.wrap_socket(self.request, server_side=True)
                line = self.line()
                if not line:
                    return
        except OSError:
            pass

    def line(self):
        read = b""
        while not read.endswith(b"\n"):
            one = self.request.recv(1)
            if not one:
                return ""
            read += one
        return read.decode("latin-1").strip()


class Host(socketserver.ThreadingTCPServer):
    """A host with a script and a certificate."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, chain, change=None, address=("127.0.0.1", 0), old=False, lenient=False):
        super().__init__(address, Session)
        self.script = {**SOUND, **(change or {})}
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if old:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1
        if lenient:
            self.context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
        self.context.load_cert_chain(*chain)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


def run(*line):
    done = subprocess.run([str(word) for word in line], input="QUIT\n", capture_output=True, text=True,
                          timeout=60, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def doctor(place, *more):
    """Its exit code, and the checks that speak."""
    code, text = run(BINARY, "doctor", "smtp", place, "--tls-ca", ours.certificate, "--timeout", 3, "--json",
                     "--user", "ann", "--password", "sesame", "--from", "a@client.example", "--to",
                     "b@localhost", *more)
    report = json.loads(text)
    return code, [(one["id"], one["verdict"]) for section in report["sections"]
                  for one in section["checks"] if one["verdict"] != "right"], text


def swaks(port):
    """As people use it: TLS, a login, and up to RCPT."""
    return run("swaks", "--server", f"localhost:{port}", "-tls", "--tls-verify", "--tls-ca-path",
               ours.certificate, "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", "sesame",
               "--from", "a@client.example", "--to", "b@localhost", "--quit-after", "RCPT",
               "--timeout", "3s")


def openssl(port):
    return run("timeout", 6, "openssl", "s_client", "-connect", f"localhost:{port}", "-starttls", "smtp",
               "-CAfile", ours.certificate, "-verify_hostname", "localhost", "-verify_return_error")


try:
    ours, other = Authority(folder), Authority(folder, "Unknown CA")
    good = ours.issue("good", "localhost")
    sound = Host(good)
    code, loud, text = doctor(f"localhost:{sound.port}")
    check("a sound host: the doctor is silent", code == 0 and loud == [], (code, loud, text))
    code, text = swaks(sound.port)
    check("a sound host: swaks is silent", code == 0, text)
    code, text = openssl(sound.port)
    check("a sound host: openssl is silent", "Verification: OK" in text or "Verify return code: 0" in text, text)

    bare = "250-mx.home.example\r\n250 AUTH PLAIN"
    closed = free_ports(1)[0]
    # name, host, what the doctor says, the exit of swaks, a word of openssl; none where they are silent
    worlds = [
        ("an expired certificate", Host(ours.issue("old", "localhost", expired=True)),
         ("tls.dates", "wrong"), 29, "certificate has expired"),
        ("a certificate for another name", Host(ours.issue("name", "other.example")),
         ("tls.name", "wrong"), None, "hostname mismatch"),
        ("an authority that nobody knows", Host(other.issue("chain", "localhost")),
         ("tls.chain", "wrong"), 29, "self-signed certificate in certificate chain"),
        ("no STARTTLS", Host(good, {"EHLO": bare, "STARTTLS": "502 5.5.1 No"}),
         ("smtp.starttls", "wrong"), 29, "didn't find starttls"),
        ("TLS 1.0 and nothing newer", Host(good, old=True), ("tls.version", "wrong"), 29, "error:"),
        ("a login that is refused", Host(good, {"AUTH": "535 5.7.8 Wrong"}), ("login", "wrong"), 28, None),
        ("a recipient that is refused", Host(good, {"RCPT": "550 5.1.1 Nobody here"}),
         ("smtp.rcpt", "wrong"), 24, None),
        ("a sender that is refused", Host(good, {"MAIL": "550 5.7.1 Not you"}),
         ("smtp.mail", "wrong"), 23, None),
        ("no greeting", Host(good, {"": None}), ("smtp.greeting", "wrong"), 21, None),
        ("another service", Host(good, {"": "SSH-2.0-OpenSSH_9.6"}), ("smtp.greeting", "wrong"), 21, None),
        ("EHLO refused", Host(good, {"EHLO": "550 5.7.1 Go away", "HELO": "550 5.7.1 Go away"}),
         ("smtp.ehlo", "wrong"), 22, None),
        ("a closed port", closed, ("port.open", "wrong"), 2, "Connection refused"),
    ]
    for name, host, expected, exit_code, word in worlds:
        port = host if isinstance(host, int) else host.port
        code, loud, text = doctor(f"localhost:{port}")
        check(f"{name}: the doctor finds it", code == 1 and expected in loud, (code, loud))
        code, text = swaks(port)
        wanted = code == exit_code if exit_code else code == 0
        check(f"{name}: swaks {'finds it, too' if exit_code else 'does not'}", wanted, (code, text))
        if word:
            code, text = openssl(port)
            check(f"{name}: openssl finds it, too", word.lower() in text.lower(), text)

    # What hosts may take for an attack is tried where that is asked for, and no other time.
    lenient = Host(good, lenient=True)
    code, loud, text = doctor(f"localhost:{lenient.port}")
    check("a host that takes TLS of old, too, is sound to who does not ask", code == 0 and loud == [], loud)
    code, loud, text = doctor(f"localhost:{lenient.port}", "--thorough")
    check("TLS of old is found by who asks", ("tls.old", "warning") in loud
          and "TLS 1.1, TLS 1.0 taken" in text, (loud, text))
    check("and ciphers without encryption", code == 1 and ("tls.weak", "wrong") in loud
          and "no encryption at all" in text, (loud, text))
    code, text = run("timeout", 6, "openssl", "s_client", "-connect", f"localhost:{lenient.port}", "-starttls",
                     "smtp", "-tls1", "-cipher", "ALL:@SECLEVEL=0")
    check("openssl agrees to TLS 1.0 there", "Protocol" in text and "TLSv1" in text, text)
    code, loud, text = doctor(f"localhost:{sound.port}", "--thorough")
    check("a sound host is silent to who asks", code == 0 and loud == [], (loud, text))
    for address, answer, relays in [("203.0.113.9", "550 5.7.1 Relaying denied", False),
                                    ("203.0.113.10", "250 2.1.5 Ok", True)]:
        # Addresses that are nobody's own: who is on the same machine may be trusted.
        subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
        Host(good, {"RCPT": answer}, (address, 25))
        code, text = run("swaks", "--server", f"{address}:25", "--from", "nobody@example.com", "--to",
                         "nobody@example.net", "--quit-after", "RCPT")
        check(f"relaying: swaks hears {answer[:3]}", (code == 0) == relays, text)
        code, text = run(BINARY, "doctor", "smtp", f"{address}:25", "--thorough", "--json", "--timeout", 3)
        checks = [one for section in json.loads(text)["sections"] for one in section["checks"]]
        found = [one["verdict"] for one in checks if one["id"] == "smtp.relay"]
        check(f"relaying: the doctor {'says so' if relays else 'is silent'}",
              found == ["warning" if relays else "right"], text)
        code, text = run(BINARY, "doctor", "smtp", f"{address}:25", "--json", "--timeout", 3)
        check("relaying: it is not tried unasked", "smtp.relay" not in text, text)

    # What the peers cannot tell apart.
    stripped = Host(good, {"EHLO": bare})
    code, text = swaks(stripped.port)
    check("STARTTLS taken out: to swaks there is none", code == 29, text)
    code, loud, text = doctor(f"localhost:{stripped.port}")
    check("STARTTLS taken out: the doctor says so", code == 1 and ("smtp.starttls", "wrong") in loud
          and "yet the host takes it" in text, (loud, text))
    places = [Host(good, {"": f"220 {name}"}, ("127.0.0.31", port))
              for port, name in [(25, "proxy.isp.test"), (587, "mx.far.example")]]
    code, text = run("swaks", "--server", "127.0.0.31:25", "--quit-after", "CONNECT")
    check("a proxy: swaks sees a greeting", code == 0 and "proxy.isp.test" in text, text)
    code, loud, text = doctor("127.0.0.31")
    check("a proxy: the doctor says that another answers", ("ports.proxy", "warning") in loud, loud)
    crossed = Host(good, {"EHLO": "250-mx.home.example\r\n250-XXXXXXXA\r\n250 AUTH PLAIN"})
    code, loud, text = doctor(f"localhost:{crossed.port}")
    check("keywords crossed out: the doctor says who does so", ("smtp.stripped", "wrong") in loud
          and "firewall" in text, loud)
finally:
    shutil.rmtree(folder, ignore_errors=True)
finish()
