#!/usr/bin/env python3
"""The report of `mailwright check` in the hands of others: SARIF by its official schema, JUnit by junitparser, an
origin signed by dkimpy and judged by records given by hand, SpamAssassin's spamd itself, and an rspamd in its words."""

import base64
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

from harness import BINARY, ROOT, check, finish, free_ports, wait_for

sys.path.insert(0, str(ROOT / "target/python"))
GOLDEN = pathlib.Path(__file__).resolve().parent / "golden/check.txt"
SCHEMA = ROOT / "target/npm/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
spam_port, rspamd_port, smtp, web = free_ports(4)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-check-test-"))
LINES = ["From: Shop <news@shop.test>", "To: bob@client.test", "Subject: News of {{ month }}",
         "Date: Wed, 25 Nov 2026 06:00:00 +0000", "Message-ID: <1@shop.test>", "MIME-Version: 1.0",
         "List-Unsubscribe: <https://shop.test/u>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
         "Content-Type: text/html; charset=utf-8", "",
         "<!DOCTYPE html><html lang=en><title>News</title><style>p{display:grid}</style>",
         "<p>Hello <a href='http://localhost/x'>you</a> <img src='https://shop.test/i.png'></p>", ""]
MESSAGE = "\r\n".join(LINES).encode()
GTUBE = (b"From: a@shop.test\r\nTo: b@client.test\r\nSubject: x\r\nDate: Wed, 25 Nov 2026 06:00:00 +0000\r\n"
         b"Message-ID: <2@shop.test>\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n")


def run(*arguments, message=None, **variables):
    """`mailwright check` with these options; gives the ended process."""
    return subprocess.run([str(BINARY), "check", *map(str, arguments)], input=message, cwd=folder, timeout=60,
                          capture_output=True, env={**os.environ, **variables})


def report(*arguments, **others):
    done = run("--json", *arguments, **others)
    if done.returncode == 2:
        return {"failed": done.stderr.decode()}
    return json.loads(done.stdout)[0]


def signed(message):
    """The message signed by dkimpy, and the record of its key."""
    import dkim
    from nacl.signing import SigningKey
    key = SigningKey.generate()
    names = [b"from", b"to", b"subject", b"date", b"list-unsubscribe", b"list-unsubscribe-post"]
    field = dkim.sign(message, b"s1", b"shop.test", base64.b64encode(bytes(key)), include_headers=names,
                      signature_algorithm=b"ed25519-sha256", canonicalize=(b"relaxed", b"relaxed"))
    public = base64.b64encode(bytes(key.verify_key)).decode()
    return field + message, f's1._domainkey.shop.test. IN TXT "v=DKIM1; k=ed25519; " "p={public}"\n'


class Rspamd(http.server.BaseHTTPRequestHandler):
    """An rspamd that takes for spam what holds the word of its tests."""
    asked = []

    def do_POST(self):
        octets = self.rfile.read(int(self.headers["Content-Length"]))
        Rspamd.asked.append((self.path, dict(self.headers), octets))
        bad = b"GTUBE" in octets
        answer = json.dumps({
            "is_skipped": False, "score": 15.5 if bad else 1.25, "required_score": 15.0,
            "action": "reject" if bad else "no action", "milter": {}, "time_real": 0.1,
            "symbols": {"GTUBE": {"name": "GTUBE", "score": 15.5, "metric_score": 15.5}} if bad else
            {"MIME_HTML_ONLY": {"name": "MIME_HTML_ONLY", "score": 0.2, "description": "Messages that have only HTML part"},
             "R_DKIM_NA": {"name": "R_DKIM_NA", "score": 0.0, "options": ["x"]}}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


def files():
    (folder / "news.eml").write_bytes(MESSAGE)
    (folder / "a b.eml").write_bytes(GTUBE)


def golden():
    """The text is the same from run to run, and what it was."""
    told = run("news.eml", "--ip", "192.0.2.1", "--records", "all.zone", "--from", "bounce@shop.test",
               "--helo", "mail.shop.test").stdout.decode()
    if os.environ.get("UPDATE") == "1":
        GOLDEN.write_text(told)
    check("the text of a report is as it was", told == GOLDEN.read_text(),
          "UPDATE=1 writes it anew\n" + told)


def sarif():
    import jsonschema
    schema = json.loads(SCHEMA.read_text())
    done = run("--format", "sarif", "news.eml", "a b.eml", "--ip", "198.51.100.7", "--records", "all.zone")
    log = json.loads(done.stdout)
    wrong = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(log)]
    check("SARIF is as its official schema has it", wrong == [], wrong[:5])
    rules = {result["ruleId"] for result in log["runs"][0]["results"]}
    check("it has the findings of each area", {"spf-fail", "dkim-none", "dmarc-fail", "link-local", "text-missing"} <= rules,
          sorted(rules))
    del log["runs"][0]["tool"]
    check("the schema would say so", list(jsonschema.Draft7Validator(schema).iter_errors(log)) != [])


def junit():
    import junitparser
    done = run("--format", "junit", "news.eml", "a b.eml", "--fail-on", "html<1,links.broken>0,auth.dmarc<1")
    suites = junitparser.JUnitXml.fromroot(junitparser.JUnitXml.fromstring(done.stdout)._elem)
    check("junitparser reads a suite a message", [suite.name for suite in suites] == ["news.eml", "a b.eml"], done.stdout)
    cases = {(suite.name, case.name): [one.message for one in case.result] for suite in suites for case in suite}
    check("a case a condition", len(cases) == 6 and cases["news.eml", "html<1"] == [], cases)
    check("what failed says why", cases["news.eml", "links.broken>0"] == ["links.broken is 2, which is above 0"], cases)
    check("what is not known fails", cases["a b.eml", "auth.dmarc<1"] == ["auth.dmarc is not known: nobody was asked"], cases)
    check("the sums are right", (suites.tests, suites.failures, done.returncode) == (6, 3, 1),
          (suites.tests, suites.failures, done.returncode))


def origin():
    message, record = signed(MESSAGE)
    (folder / "signed.eml").write_bytes(message)
    (folder / "key.zone").write_text(record)
    both = 'shop.test. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\n_dmarc.shop.test. IN TXT "v=DMARC1; p=reject"\n'
    (folder / "all.zone").write_text(record + both)
    told = report("signed.eml", "--records", "all.zone", "--ip", "192.0.2.1")
    auth = told["auth"]
    check("dkimpy's signature holds by a record given by hand", auth["dkim"][0]["result"] == "pass", auth)
    check("SPF and DMARC pass by theirs", (auth["spf"]["result"], auth["dmarc"]["result"]) == ("pass", "pass"), auth)
    check("one click is covered", auth["one_click"] == "works", auth)
    demands = "auth.spf<1,auth.dkim<1,auth.dmarc<1,auth.oneclick<1,auth>0"
    done = run("signed.eml", "--records", "all.zone", "--ip", "192.0.2.1", "--fail-on", demands)
    check("which is enough for every condition", done.returncode == 0, done.stdout)
    done = run("signed.eml", "--records", "key.zone", "--ip", "192.0.2.1", "--fail-on", "auth.dmarc<1")
    check("without a policy, and without the DNS, DMARC is not known",
          done.returncode == 1 and b"auth.dmarc is not known: _dmarc.shop.test: the DNS is not asked" in done.stdout,
          done.stdout)
    (folder / "changed.eml").write_bytes(message.replace(b"Hello", b"Hallo"))
    told = report("changed.eml", "--records", "all.zone", "--ip", "198.51.100.7")
    check("a changed message from elsewhere fails", (told["auth"]["spf"]["result"], told["auth"]["dkim"][0]["result"],
          told["auth"]["dmarc"]["result"], told["auth"]["one_click"]) == ("fail", "fail", "fail", "unsigned"), told["auth"])
    (folder / "bad.zone").write_text("shop.test TXT\n")
    done = run("signed.eml", "--records", "bad.zone")
    check("records that are none are told", done.returncode == 2 and b"line 1" in done.stderr, done.stderr)
    records = json.dumps((record + both).splitlines())
    told = report("signed.eml", MAILWRIGHT_CHECKS__RECORDS=records, MAILWRIGHT_CHECKS__SEND_FROM="192.0.2.9")
    check("records and address of the configuration count", told["numbers"]["auth"] == 0, told)


def filters():
    place = {"MAILWRIGHT_CHECKS__SPAMD": f"127.0.0.1:{spam_port}",
             "MAILWRIGHT_CHECKS__RSPAMD": f"http://127.0.0.1:{rspamd_port}"}
    web_server = http.server.ThreadingHTTPServer(("127.0.0.1", rspamd_port), Rspamd)
    threading.Thread(target=web_server.serve_forever, daemon=True).start()
    told = report("news.eml", "--from", "bounce@shop.test", "--ip", "192.0.2.1", **place)
    spamd, rspamd = told["filters"]
    check("spamd says what it makes of a message", spamd["error"] is None and spamd["spam"] is False
          and spamd["threshold"] == 5, spamd)
    check("its rules have names and meanings", any(rule["name"] == "MIME_HTML_ONLY" and "text/html" in rule["means"]
          for rule in spamd["rules"]), spamd)
    total = sum(rule["points"] for rule in spamd["rules"])
    check("their points are its score", abs(total - spamd["score"]) < 0.35, (total, spamd["score"]))
    check("rspamd says its part", rspamd["score"] == 1.25 and rspamd["action"] == "no action", rspamd)
    path, headers, octets = Rspamd.asked[0]
    check("it was asked as documented", path == "/checkv2" and headers.get("From", headers.get("from")) == "bounce@shop.test"
          and headers.get("Ip", headers.get("ip")) == "192.0.2.1" and octets == MESSAGE, (path, headers))
    done = run("a b.eml", "--fail-on", "spamd>100,rspamd>15", **place)
    check("their scores can be demanded", done.returncode == 1 and b"spamd is 1" in done.stdout
          and b"rspamd is 15.5" in done.stdout, done.stdout)
    done = run("news.eml", "--fail-on", "spamd>5", MAILWRIGHT_CHECKS__SPAMD="127.0.0.1:1")
    check("a spamd that is not there is told", done.returncode == 1 and b"spamd is not known: " in done.stdout, done.stdout)
    disagreements(place)
    sandbox(place)


def disagreements(place):
    """Where our score and that of spamd part, on the corpus; printed, and bounded."""
    apart = []
    for name, octets in corpus():
        told = report("-", message=octets, **place)
        theirs = next(one for one in told["filters"] if one["filter"] == "spamd")
        ours = told["numbers"]["spam"]
        if theirs["error"]:
            apart.append((name, "spamd", theirs["error"]))
        elif (ours >= 5) != theirs["spam"]:
            rules = ", ".join(rule["name"] for rule in theirs["rules"][:4])
            apart.append((name, f"ours {ours:.1f}", f"spamd {theirs['score']:.1f}: {rules}"))
    for line in apart:
        print("        apart:", *line, flush=True)
    check("ours and spamd agree on most of the corpus", len(apart) <= len(list(corpus())) // 3, apart)


def corpus():
    """Messages as programs send them, and as spam is."""
    head = "Date: Wed, 25 Nov 2026 06:00:00 +0000\r\nMessage-ID: <c1@shop.test>\r\nMIME-Version: 1.0\r\n"
    plain = "From: Ann <ann@shop.test>\r\nTo: Bob <bob@client.test>\r\n"
    yield "plain", f"{plain}Subject: Lunch\r\n{head}\r\nHello Bob, lunch at noon?\r\nAnn\r\n".encode()
    yield "receipt", f"{plain}Subject: Your order 1234\r\n{head}\r\nIt left our house today.\r\n".encode()
    yield "gtube", GTUBE
    yield "mailing", MESSAGE
    yield "shouting", (b"From: x\r\nSubject: WIN BIG MONEY NOW!!! VIAGRA\r\nContent-Type: text/html\r\n\r\n"
                       b"<a href='http://192.0.2.9/%41'>CLICK HERE</a> viagra cialis 100% free, act now!!!\r\n")
    yield "no header", b"Subject:\r\n\r\nx\r\n"


def sandbox(place):
    """A sandbox with the same filters tells their scores to the clients of others."""
    with open(folder / "screen", "wb") as screen:
        server = subprocess.Popen(
            [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{web}"],
            stdout=screen, stderr=screen, env={**os.environ, **place, "TMPDIR": str(folder)})
    try:
        check("a sandbox starts", wait_for(lambda: listens(smtp) and listens(web), 20), (folder / "screen").read_text())
        base = f"http://127.0.0.1:{web}"
        import smtplib
        with smtplib.SMTP("127.0.0.1", smtp) as client:
            client.sendmail("a@shop.test", ["b@client.test"], GTUBE)

        def get(path):
            with urllib.request.urlopen(base + path, timeout=30) as answer:
                return json.loads(answer.read())

        told = get("/api/v1/message/latest/sa-check")
        check("spamd's word goes to Mailpit's clients", told["IsSpam"] is True and told["Error"] == ""
              and any(rule["Name"] == "GTUBE" for rule in told["Rules"]), told)
        inbox = get("/api/inboxes")["inboxes"][0]["number"]
        number = get(f"/api/accounts/1/inboxes/{inbox}/messages")[0]["id"]
        told = get(f"/api/accounts/1/inboxes/{inbox}/messages/{number}/spam_report")["report"]
        check("and to Mailtrap's", told["Spam"] is True and told["Score"] > 900, told)
    finally:
        server.terminate()
        server.wait(20)


spamd = subprocess.Popen(["spamd", "-L", "-x", "-i", "127.0.0.1", "-p", str(spam_port), "-u", "nobody", "-m", "2",
                          f"--syslog={folder}/spamd.log"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    files()
    origin()
    golden()
    sarif()
    junit()
    check("spamd starts", wait_for(lambda: listens(spam_port), 60), (folder / "spamd.log"))
    filters()
finally:
    spamd.terminate()
    spamd.wait(20)
    shutil.rmtree(folder, ignore_errors=True)
finish()
