#!/usr/bin/env python3
"""The report of `mailwright check` in the hands of others: SARIF by its official schema, JUnit by junitparser, an
origin signed by dkimpy and judged by records given by hand, and the score of SpamAssassin's spamd and of rspamd."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import spam_corpus
from harness import BINARY, ROOT, check, finish, free_ports, wait_for

sys.path.insert(0, str(ROOT / "target/python"))
GOLDEN = pathlib.Path(__file__).resolve().parent / "golden/check.txt"
SCHEMA = ROOT / "target/npm/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
spam_port, rspamd_port, dns_port, smtp, web = free_ports(5)
CHILDREN = 3
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
    told = report("news.eml", "--from", "bounce@shop.test", "--ip", "192.0.2.1", **place)
    spamd, rspamd = told["filters"]
    check("spamd says what it makes of a message", spamd["error"] is None and spamd["spam"] is False
          and spamd["threshold"] == 5, spamd)
    check("its rules have names and meanings", any(rule["name"] == "MIME_HTML_ONLY" and "text/html" in rule["means"]
          for rule in spamd["rules"]), spamd)
    total = sum(rule["points"] for rule in spamd["rules"])
    check("their points are its score", abs(total - spamd["score"]) < 0.35, (total, spamd["score"]))
    names = {rule["name"]: rule for rule in rspamd["rules"]}
    check("rspamd says its part", rspamd["error"] is None and rspamd["threshold"] == 15 and not rspamd["spam"]
          and names["MIME_HTML_ONLY"]["means"] == "Messages that have only HTML part", rspamd)
    total = sum(rule["points"] for rule in rspamd["rules"])
    check("its symbols' points are its score", abs(total - rspamd["score"]) < 0.1, (total, rspamd["score"]))
    check("it was told the way of the message", {"FROM_NEQ_ENVFROM", "HFILTER_HOSTNAME_UNKNOWN"} <= set(names)
          and "TO_MATCH_ENVRCPT_ALL" not in names, sorted(names))
    done = run("a b.eml", "--fail-on", "spamd>100,rspamd>14", **place)
    check("their scores can be demanded", done.returncode == 1 and b"spamd is 1" in done.stdout
          and b"rspamd is 15" in done.stdout, done.stdout)
    done = run("news.eml", "--fail-on", "spamd>5", MAILWRIGHT_CHECKS__SPAMD="127.0.0.1:1")
    check("a spamd that is not there is told", done.returncode == 1 and b"spamd is not known: " in done.stdout, done.stdout)
    disagreements()
    sandbox(place)


def disagreements():
    """Where our rules and those of spamd part, message by message; printed, each with the reason why it stays."""
    own = set(re.findall(r"^\| `(\w+)` \| -?[\d.]+ \|", (ROOT / "docs/reference/checks.md").read_text(), re.M))
    whole = "--long" in sys.argv
    count, both, rules, sides, unbuilt = spam_corpus.compare(spam_port, folder, CHILDREN, own, whole)
    known, unsaid = spam_corpus.reasons(), []
    print(f"        {count} messages, {len(both)} rules that both have", flush=True)
    for (name, is_ours), where in sorted(rules.items()):
        side = f"{name} {'ours' if is_ours else 'theirs'}"
        reason = known.pop(side, None)
        unsaid += [f"{side}: {one}" for one in where] if reason is None else []
        print(f"        {side:34} {len(where):3}  {reason or where}", flush=True)
    if sides:
        print("        scores of ours and theirs; their points are those without the network and without learning, as spamd"
              " runs here,\n        ours about those with both: MPART_ALT_DIFF alone has 2.2 in place of 0.7", flush=True)
    for message, ours, theirs, names in sides:
        print(f"        {ours:5.1f} {theirs:5.1f}  {message[:70]}  {', '.join(names)[:150]}", flush=True)
    check("each message of the corpus is what our tests say", unbuilt == [], unbuilt)
    check("each disagreement about a rule has its reason", unsaid == [], unsaid)
    check("no reason is left over", not whole or set(known) == set(), sorted(known))
    check("few messages are on the other side of the threshold, and none of them is spam by ours alone",
          len(sides) <= count // 10 and all(ours < theirs for _, ours, theirs, _ in sides), sides)


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


def start_rspamd():
    """Debian's rspamd with all its modules. Most of its start goes into the list of public suffixes: 35 s of 37, measured
    on two cores; a few of them are enough here. Nobody answers its questions of the DNS."""
    (folder / "suffixes").write_text("test\neu\ncom\n")
    (folder / "rspamd.conf").write_text(f"""
        .include "$CONFDIR/common.conf"
        options {{
            .include "$CONFDIR/options.inc"
            .include(priority=10) "{folder}/options.inc"
        }}
        logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "warning"; }}
        worker "normal" {{ bind_socket = "127.0.0.1:{rspamd_port}"; count = 1; mime = true; }}
    """)
    (folder / "options.inc").write_text(f"""
        pidfile = "{folder}/rspamd.pid";
        dns {{ nameserver = ["127.0.0.1:{dns_port}"]; timeout = 0.05s; retransmits = 1; }}
        tempdir = "{folder}";
        control_socket = "{folder}/rspamd.sock mode=0600";
        hs_cache_dir = "{folder}/";
        disable_hyperscan = true;
        url_tld = "{folder}/suffixes";
        lang_detection {{ enabled = false; }}
    """)
    return subprocess.Popen(["rspamd", "-f", "-i", "-c", str(folder / "rspamd.conf"), f"--var=DBDIR={folder}/"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


spamd = subprocess.Popen(["spamd", "-L", "-x", "-i", "127.0.0.1", "-p", str(spam_port), "-u", "nobody", "-m", str(CHILDREN),
                          f"--min-children={CHILDREN}", f"--max-spare={CHILDREN}", f"--syslog={folder}/spamd.log"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
rspamd = start_rspamd()
try:
    files()
    origin()
    golden()
    sarif()
    junit()
    check("spamd starts", wait_for(lambda: listens(spam_port), 60), (folder / "spamd.log"))
    check("rspamd starts", wait_for(lambda: listens(rspamd_port), 60), (folder / "rspamd.log"))
    filters()
finally:
    for filter in (spamd, rspamd):
        filter.terminate()
        filter.wait(20)
    shutil.rmtree(folder, ignore_errors=True)
finish()
