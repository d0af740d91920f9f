"""MTA-STS and REQUIRETLS: what policies ask for, what they cannot, and the policy of our own."""

import http.server
import json
import smtplib
import sqlite3
import ssl
import subprocess
import threading
import time

from dns_world import RESOLVER
from harness import PASSWORD, Server, check, finish, free_ports, message, unfolded, wait_for
from pki import Authority
from world import World

ANN = "ann@home.example"
NEAR = "nan@near.example"
WEB = "127.0.0.8"
SILENT_WEB = "127.0.0.9"
# Servers of Postfix, by what is wrong with their certificate.
GOOD, BARE, OTHER, EXPIRED, STRANGE = [f"127.0.0.{octet}" for octet in (2, 3, 4, 5, 6)]

world = World()
authority, stranger = Authority(world.folder), Authority(world.folder, "Some Other CA")


def policy(mode, mx, age=86400):
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n"


# Domain below `example`: where its MX is, what its policy's server says (a text, a status, a
# content type, or how it fails), and what is made of it: the outcome, and what was asked.
CASES = {
    "enforce": (GOOD, "enforce", "relayed", "mta-sts"),
    "wild": (GOOD, policy("enforce", "*.wild.example"), "relayed", "mta-sts"),
    "unlisted": (GOOD, policy("enforce", "mx.elsewhere.example"), "deferred", "validation-failure"),
    "bare": (BARE, "enforce", "deferred", "mta-sts"),
    "other": (OTHER, "enforce", "deferred", "mta-sts"),
    "expired": (EXPIRED, "enforce", "deferred", "mta-sts"),
    "strange": (STRANGE, "enforce", "deferred", "mta-sts"),
    "trial": (BARE, "testing", "relayed", "mta-sts-testing"),
    "trial-other": (OTHER, "testing", "relayed", "mta-sts-testing"),
    "off": (BARE, "none", "relayed", "opportunistic"),
    "nonsense": (BARE, "version: STSv1\r\nmode: maybe\r\n", "relayed", "opportunistic"),
    "missing": (BARE, 404, "relayed", "opportunistic"),
    "moved": (BARE, 301, "relayed", "opportunistic"),
    "page": (BARE, "text/html", "relayed", "opportunistic"),
    "large": (BARE, policy("enforce", "mx.large.example") + "x: y\r\n" * 20_000, "relayed",
              "opportunistic"),
    "refused": (BARE, "refused", "relayed", "opportunistic"),
    "hangs": (BARE, "hangs", "relayed", "opportunistic"),
    "web-name": (BARE, "enforce", "relayed", "opportunistic"),
    "web-old": (BARE, "enforce", "relayed", "opportunistic"),
    "web-strange": (BARE, "enforce", "relayed", "opportunistic"),
    "norecord": (BARE, "enforce", "relayed", "opportunistic"),
    "kept": (GOOD, "enforce", "relayed", "mta-sts"),
    "short": (GOOD, policy("enforce", "mx.short.example", 2), "relayed", "mta-sts"),
    "renamed": (GOOD, "enforce", "relayed", "mta-sts"),
    "waived": (OTHER, "enforce", None, None),
}
texts = {name: row[1] for name, row in CASES.items()}
addresses = {name: row[0] for name, row in CASES.items()}
ids = {name: "1" for name in CASES if name != "norecord"}
asked = []


class Web(http.server.BaseHTTPRequestHandler):
    """The servers of all policies."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.headers["Host"].split(".")[1]
        asked.append(name)
        said = texts[name]
        kind = said if said == "text/html" else "text/plain; charset=utf-8"
        if said in ("enforce", "testing", "none", "text/html"):
            mode = "enforce" if said == "text/html" else said
            said = policy(mode, f"mx.{name}.example")
        status, body = (said, "") if isinstance(said, int) else (200, said)
        if self.path != "/.well-known/mta-sts.txt":
            status = 404
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", f"https://mta-sts.enforce.example{self.path}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


def serve_policies():
    """One server; the certificate is by the name that is asked for."""
    def context(pair):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*pair)
        return made

    names = [f"mta-sts.{name}.example" for name in CASES]
    good = context(authority.issue("web", *names))
    bad = {"web-name": context(authority.issue("web-name", "www.web-name.example")),
           "web-old": context(authority.issue("web-old", "mta-sts.web-old.example", expired=True)),
           "web-strange": context(stranger.issue("web-strange", "mta-sts.web-strange.example"))}

    def choose(connection, name, _):
        connection.context = bad.get((name or "..").split(".")[1], good)

    good.sni_callback = choose
    server = Quiet((WEB, 443), Web)
    # The handshake is the connection's own thread's.
    server.socket = good.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Takes connections, and says nothing.
    silent = Quiet((SILENT_WEB, 443), Web, bind_and_activate=False)
    silent.server_bind()
    silent.server_activate()
    return silent


def publish(ours=()):
    lines = ["home MX 10 mx.home", "mx.home A 127.0.0.1", "mta-sts.home A 127.0.0.1",
             "plain MX 10 mx.plain", f"mx.plain A {GOOD}", *ours]
    for name in CASES:
        lines += [f"{name} MX 10 mx.{name}", f"mx.{name} A {addresses[name]}"]
        if name in ids:
            lines.append(f'_mta-sts.{name} TXT "v=STSv1; id={ids[name]};"')
        web = {"refused": "127.0.0.10", "hangs": SILENT_WEB}.get(name, WEB)
        lines.append(f"mta-sts.{name} A {web}")
    world.dns.zone("example", "\n".join(lines), signed=False)


certificates = {name: authority.issue(name, f"{name}.home.example") for name in ["mx", "mta-sts"]}
TLS = "".join(f"""
[tls.certificates."{name}.home.example"]
certificate = "{chain}"
key = "{key}"
""" for name, (chain, key) in certificates.items())
DNS = f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "2s"
attempts = 1
cache_size = 0
"""
home = Server(ports=[25, *free_ports(5)], extra=f"""{DNS}{TLS}
[https]
addresses = ["127.0.0.1:443"]
[mta_sts]
mode = "enforce"
""")
near = Server(hostname="mx.near.example", extra=f"""{DNS}
[queue]
retry_first = "1h"
[relay]
authorities = ["{authority.certificate}"]
policy_timeout = "3s"
connect_timeout = "3s"
""")


def submit(subject, *recipients, options=(), head=""):
    context = ssl._create_unverified_context()
    with smtplib.SMTP_SSL("127.0.0.1", near.msas, context=context) as client:
        client.login(NEAR, PASSWORD)
        for to in recipients:
            client.sendmail(NEAR, [to], head.encode() + message(subject, NEAR, to), list(options))


def attempts(name):
    """What was tried with the host of a domain; `asked` is second, the end's time fifth."""
    with sqlite3.connect(f"file:{near.data}/mailwright.db?mode=ro", uri=True) as data:
        return data.execute(
            "SELECT outcome, tls_asked, tls_got, tls_why, ended, transcript, reply FROM attempt"
            " WHERE host = ?1 OR host LIKE ?1 || ' %' ORDER BY id", (f"mx.{name}.example",)).fetchall()


def last(name, count=1):
    found = wait_for(lambda: attempts(name) if len(attempts(name)) >= count else None, 20)
    return found[-1] if found else ("",) * 7


def first_time():
    submit("first", *(f"dan@{name}.example" for name in CASES if name != "waived"))
    for name, (_, _, outcome, word) in CASES.items():
        if outcome:
            found = last(name)
            check(f"{name}: {outcome}, {word}", found[:2] == (outcome, word), found)
    ends = [last(name)[4] for name in CASES if name not in ("hangs", "waived")]
    check("a policy's server that hangs stops nothing else", max(ends) < last("hangs")[4], ends)
    check("it is believed by the name alone", "verified" in last("enforce")[2], last("enforce"))
    check("where no record is none is asked for", "norecord" not in asked, asked)
    check("a redirect is not followed", asked.count("enforce") == 1, asked)


def later():
    """What was fetched once binds until it is out of date."""
    for name in ["kept", "short", "renamed"]:
        addresses[name], texts[name] = BARE, 404
    del ids["kept"]
    texts["renamed"], ids["renamed"] = "none", "2"
    publish()
    submit("later", "dan@kept.example", "dan@renamed.example")
    found = last("kept", 2)
    check("a policy binds though record and text are gone", found[:2] == ("deferred", "mta-sts"),
          found)
    found = last("renamed", 2)
    check("another id has it fetched again", found[:2] == ("relayed", "opportunistic"), found)
    # Two seconds, since the first attempt.
    wait_for(lambda: time.time() * 1000 > last("short")[4] + 2500, 10)
    submit("later", "dan@short.example")
    found = last("short", 2)
    check("one that is out of date binds nobody", found[:2] == ("relayed", "opportunistic"), found)


def curl(host, path="/.well-known/mta-sts.txt"):
    done = subprocess.run(["curl", "-s", "-i", "--cacert", authority.certificate, "--resolve",
                           f"{host}:443:127.0.0.1", f"https://{host}{path}"],
                          capture_output=True, text=True)
    return done.stdout.replace("\r\n", "\n")


def printed():
    rows = home.json("domain", "records", "home.example")
    return [row["data"] for row in rows if row["name"] == "_mta-sts.home.example."]


def checked():
    done = home.run("domain", "check", "home.example", "--json")
    rows = json.loads(done.stdout)["records"]
    return {row["purpose"]: row["state"] for row in rows}.get("MTA-STS")


def our_own():
    said = curl("mta-sts.home.example")
    check("our policy is shown", said.startswith("HTTP/1.1 200") and said.endswith(
        "version: STSv1\nmode: enforce\nmx: mx.home.example\nmax_age: 604800\n"), said)
    check("as text", "content-type: text/plain" in said.lower(), said)
    check("nothing else is there", curl("mta-sts.home.example", "/").startswith("HTTP/1.1 404"))
    before = printed()
    check("one record names it", len(before) == 1 and before[0].startswith("v=STSv1; id="), before)
    publish([f'_mta-sts.home TXT "{before[0]}"'])
    check("which is right when it is published", wait_for(lambda: checked() == "right", 10, 0.5))
    submit("ours", ANN)
    found = last("home")
    check("another server goes by it", found[:2] == ("relayed", "mta-sts"), found)
    text = home.config.read_text().replace('mode = "enforce"', 'mode = "testing"')
    home.config.write_text(text)
    home.process.send_signal(1)
    wait_for(lambda: "mode: testing" in curl("mta-sts.home.example"), 10)
    after = printed()
    check("another policy has another id", len(after) == 1 and after != before, (before, after))
    check("and the record is wrong until it is changed",
          wait_for(lambda: checked() == "wrong", 10, 0.5), checked())


def require_tls():
    submit("required", ANN, options=["REQUIRETLS"])
    found = last("home", 2)
    check("REQUIRETLS is passed on to who offers it", found[:2] == ("relayed", "mta-sts")
          and " REQUIRETLS" in found[5], found)
    check("and the message arrives", home.with_subject(ANN, "required"))
    submit("lacking", "dan@enforce.example", options=["REQUIRETLS"])
    submit("unsure", "dan@plain.example", options=["REQUIRETLS"])
    for to, why in [("dan@enforce.example", "a host that does not offer it"),
                    ("dan@plain.example", "a host for which nobody vouches")]:
        def reports():
            raws = [near.raw(one) for one in near.messages(NEAR)]
            return [raw for raw in raws if to.encode() in raw]

        found = wait_for(reports, 20)
        check(f"{why} gets nothing", found and b"5.7.30" in found[0],
              (near.json("queue", "list"), near.messages(NEAR)))
    submit("waived", "dan@waived.example", head="TLS-Required: No\r\n")
    found = last("waived")
    check("TLS-Required: No waives the policy", found[:2] == ("relayed", "opportunistic"), found)
    copies = world.with_subject("dan", "waived")
    check("and is passed on", copies and unfolded(copies[0].replace(b"\n", b"\r\n"),
                                                  "TLS-Required") == ["No"], copies)
    with smtplib.SMTP("127.0.0.1", home.mta) as client:
        client.ehlo()
        check("it is not offered in the open", not client.has_extn("requiretls"))


try:
    chain, key = authority.issue("postfix", *(f"mx.{name}.example" for name in CASES))
    chain.rename(world.folder / "cert.pem")
    key.rename(world.folder / "key.pem")
    pairs = {OTHER: authority.issue("other", "www.other.example"),
             EXPIRED: authority.issue("expired", "mx.expired.example", expired=True),
             STRANGE: stranger.issue("strange", "mx.strange.example")}
    publish()
    world.dns.start()
    for address in [BARE, *pairs]:
        subprocess.run(["ip", "address", "add", f"{address}/8", "dev", "lo"], check=True)
    master = f"{BARE}:smtp inet n - n - - smtpd -o smtpd_tls_security_level=none\n"
    for address, (chain, key) in pairs.items():
        master += (f"{address}:smtp inet n - n - - smtpd -o smtpd_tls_cert_file={chain}"
                   f" -o smtpd_tls_key_file={key}\n")
    domains = ", ".join(f"{name}.example" for name in [*CASES, "plain"])
    world.start_postfix(f"virtual_mailbox_domains = {domains}\nvirtual_mailbox_maps = static:dan/\n",
                        master)
    quiet = serve_policies()
    home.accounts(ANN).start()
    near.accounts(NEAR).start()
    for part in [first_time, later, our_own, require_tls]:
        part()
    for one in [home, near]:
        check("it stops with 0", one.stop() == 0)
        check("it never panicked", "panicked" not in one.log.read_text())
finally:
    home.remove()
    near.remove()
    world.stop()
finish()
