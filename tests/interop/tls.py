"""The TLS of our ports, as testssl.sh and openssl see it from outside."""

import json
import pathlib
import subprocess
import tempfile

from harness import Server, check, finish
from pki import Authority
from world import needs_namespace

needs_namespace()
HOST = "mx.home.example"
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-tls-"))
ca = Authority(folder)
chain, key = ca.issue("mx", HOST)
server = Server(extra=f"""
[tls.certificates."{HOST}"]
certificate = "{chain}"
key = "{key}"
""").accounts("ann@home.example")
# Protocols, kinds of ciphers, forward secrecy, and what has a name of its own.
TESTS = ["-p", "-s", "-f", "-H", "-C"]
WANTED = {
    "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered",
    "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered with final",
    "cipherlist_NULL": "not offered", "cipherlist_aNULL": "not offered",
    "cipherlist_EXPORT": "not offered", "cipherlist_LOW": "not offered",
    "cipherlist_3DES_IDEA": "not offered", "cipherlist_AVERAGE": "not offered",
    "cipherlist_STRONG": "offered", "PFS": "offered",
    "heartbleed": "not vulnerable", "CRIME_TLS": "not vulnerable",
}


def begin(name, port, *more):
    """Starts testssl.sh on a port."""
    told = folder / f"{name}.json"
    line = ["testssl", "--quiet", "--warnings", "off", "--color", "0", "--ip", "one",
            "--jsonfile", str(told), *TESTS, *more, f"127.0.0.1:{port}"]
    return name, told, subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def judge(name, told, process):
    process.wait(timeout=240)
    found = {one["id"]: one for one in json.loads(told.read_text())}
    for test, wanted in WANTED.items():
        finding = found.get(test, {}).get("finding", "nothing")
        check(f"{name}: {test}: {wanted}", finding.startswith(wanted), finding)
    bad = {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
    worse = [one for one in found.values() if one["severity"] in bad]
    check(f"{name}: testssl.sh has nothing to say against it", not worse, worse)


def s_client(port, *more, text="QUIT\r\n"):
    line = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST,
            "-verify_hostname", HOST, "-CAfile", str(ca.certificate), "-quiet" if not more else
            "-ign_eof", *more]
    done = subprocess.run(line, input=text.encode(), capture_output=True, timeout=30)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def openssl():
    for name, port, start in [("465", server.msas, []), ("587", server.msa, ["-starttls", "smtp"]),
                              ("25", server.mta, ["-starttls", "smtp"])]:
        said = s_client(port, "-tls1_3", *start)
        check(f"{name}: openssl verifies chain and name", "Verify return code: 0 (ok)" in said, said)
        check(f"{name}: nothing is compressed", "Compression: NONE" in said, said)
        said = s_client(port, "-tls1_2", *start)
        check(f"{name}: TLS 1.2 has its own master secret", "Extended master secret: yes" in said, said)
        check(f"{name}: and renegotiates safely", "Secure Renegotiation IS supported" in said, said)
        said = s_client(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", *start)
        check(f"{name}: TLS 1.1 is not spoken", "Cipher is (NONE)" in said, said)
        said = s_client(port, "-tls1_3", *start, text="R\r\nQUIT\r\n")
        check(f"{name}: it goes on", "221 " in said or "500 " in said or "503 " in said, said[-300:])


try:
    server.start()
    running = [begin("465", server.msas), begin("587", server.msa, "-t", "smtp")]
    openssl()
    for one in running:
        judge(*one)
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
finish()
