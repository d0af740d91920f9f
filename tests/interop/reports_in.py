"""Reports of other servers: packed by Python, sent to port 25, read with `mailwright report`."""

import email.message
import email.policy
import gzip
import io
import json
import smtplib
import zipfile

from dns_world import RESOLVER, Dns
from harness import Server, check, finish, free_ports, message, wait_for
from world import needs_namespace

needs_namespace()
ANN = "dmarc@home.example"
RIGHT, WRONG = "127.0.0.30", "127.0.0.31"
world = Dns()
world.zone("receiver.example", "\n".join([
    f'@ TXT "v=spf1 ip4:{RIGHT} -all"', '_dmarc TXT "v=DMARC1; p=none"']), signed=False)
server = Server(ports=(25, *free_ports(5)), extra=f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "1s"
attempts = 1
[verification]
skip_from = []
""").accounts(ANN)


def xml(number, domain="home.example", rows=1):
    record = """<record><row><source_ip>192.0.2.{0}</source_ip><count>{1}</count>
<policy_evaluated><disposition>none</disposition><dkim>{2}</dkim><spf>fail</spf></policy_evaluated>
</row><identifiers><header_from>home.example</header_from></identifiers><auth_results>
<spf><domain>bounce.example</domain><result>pass</result></spf></auth_results></record>"""
    body = "".join(record.format(n, 10 + n, "pass" if n % 2 else "fail") for n in range(rows))
    return f"""<?xml version="1.0"?><feedback><report_metadata><org_name>Receiver Inc.</org_name>
<email>noreply@receiver.example</email><report_id>{number}</report_id><date_range>
<begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><p>reject</p><pct>100</pct></policy_published>{body}
</feedback>""".encode()


def tls(number):
    return json.dumps({
        "organization-name": "Sender Inc.", "contact-info": "mailto:tls@receiver.example",
        "date-range": {"start-datetime": "2026-11-01T00:00:00Z",
                       "end-datetime": "2026-11-01T23:59:59Z"}, "report-id": number,
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": "home.example",
                       "policy-string": ["version: STSv1", "mode: enforce"],
                       "mx-host": ["mx.home.example"]},
            "summary": {"total-successful-session-count": 12, "total-failure-session-count": 3},
            "failure-details": [{
                "result-type": "certificate-expired", "sending-mta-ip": "192.0.2.9",
                "receiving-mx-hostname": "mx.home.example", "receiving-ip": "192.0.2.1",
                "failed-session-count": 3}]}]}).encode()


def zipped(*files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            archive.writestr(name, text)
    return packed.getvalue()


def send(subject, file, kind, name, *, source=RIGHT, **fields):
    """Sends a report as servers do: a text and an attachment, or the attachment alone."""
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "noreply@receiver.example", ANN, subject
    mail["Date"], mail["Message-ID"] = "Mon, 23 Nov 2026 10:00:00 +0000", f"<{name}@receiver.example>"
    for field, value in fields.items():
        mail[field.replace("_", "-")] = value
    mail.set_content("This is a report.")
    mail.add_attachment(file, *kind.split("/"), filename=name)
    with smtplib.SMTP("127.0.0.1", 25, source_address=(source, 0)) as client:
        client.sendmail("noreply@receiver.example", [ANN], mail.as_bytes(policy=email.policy.SMTP))


def reports():
    return server.json("report", "list")


def with_number(number):
    wait_for(lambda: any(row["number"] == number for row in reports()))
    rows = [row for row in reports() if row["number"] == number]
    check(f"{number}: it is kept once", len(rows) == 1, rows)
    return rows[0] if rows else {}


def what_arrives():
    subject = "Report Domain: home.example Submitter: receiver.example Report-ID: <{}>"
    send(subject.format("gz"), gzip.compress(xml("gz", rows=3)), "application/gzip", "r.xml.gz")
    row = with_number("gz")
    check("what passed and failed is counted", (row["passed"], row["failed"]) == (11, 22), row)
    check("who sent it is proven", row["author"] == "receiver.example" and row["proven"], row)
    send(subject.format("zip"), zipped(("r.xml", xml("zip"))), "application/zip", "r.zip",
         source=WRONG)
    row = with_number("zip")
    check("who only says so is not", not row["proven"], row)
    send(subject.format("odd"), xml("odd"), "application/octet-stream", "r.bin")
    with_number("odd")
    send("Report Domain: home.example Submitter: receiver.example Report-ID: <tls>",
         gzip.compress(tls("tls")), "application/tlsrpt+gzip", "r.json.gz",
         TLS_Report_Domain="home.example", TLS_Report_Submitter="receiver.example")
    row = with_number("tls")
    check("sessions are counted", (row["kind"], row["passed"], row["failed"]) == ("tls", 12, 3), row)
    send(subject.format("sub"), xml("sub", domain="shop.home.example"), "text/xml", "r.xml")
    check("a subdomain is ours, too", with_number("sub").get("domain") == "shop.home.example")
    check("each is in the mailbox as well", len(server.messages(ANN)) == 5)


def what_is_shown():
    number = next(row["id"] for row in reports() if row["number"] == "gz")
    shown = server.run("report", "show", str(number)).stdout
    lines = [line for line in shown.splitlines() if "192.0.2." in line]
    check("what failed comes first", "failed" in lines[0] and len(lines) == 3, shown)
    check("it says who sent and why it passed", "spf=pass mfrom=bounce.example" in lines[0], shown)
    check("and whether that is proven", "proven by DMARC" in shown, shown)
    whole = server.json("report", "show", str(number))[0]
    check("as JSON", whole["content"]["dmarc"]["rows"][0]["ip"] == "192.0.2.0", whole)
    number = next(row["id"] for row in reports() if row["number"] == "tls")
    shown = server.run("report", "show", str(number)).stdout
    check("how sessions failed", "3 certificate-expired" in shown, shown)
    some = server.json("report", "list", "--kind", "tls", "--domain", "HOME.example")
    check("the list is narrowed", [row["number"] for row in some] == ["tls"], some)
    for wrong in [("report", "show", "4711"), ("report", "list", "--kind", "spf")]:
        done = server.run(*wrong)
        check(f"{wrong[-1]}: an error", done.returncode == 1 and done.stderr, done)


def what_is_hostile():
    subject = "Report Domain: home.example"
    before = len(reports())
    send(subject, gzip.compress(b" " * (64 << 20)), "application/gzip", "bomb.gz")
    send(subject, zipped(("a", b"<" * (64 << 20))), "application/zip", "bomb.zip")
    send(subject, xml("foreign", domain="elsewhere.example"), "text/xml", "foreign.xml")
    send(subject, xml("gz", rows=2), "text/xml", "again.xml")
    send(subject, xml("broken")[:300], "text/xml", "broken.xml")
    send(subject, b"no archive", "application/zip", "no.zip")
    send(subject, xml("after"), "text/xml", "after.xml")
    with_number("after")
    check("nothing else was kept", len(reports()) == before + 1, reports())
    check("the first of two with a name stays", with_number("gz")["failed"] == 22)
    check("every message was taken", len(server.messages(ANN)) == 12)


def what_is_imported():
    done = server.run("report", "import", text=xml("by hand").decode())
    check("a file is imported", done.returncode == 0 and "home.example: kept" in done.stdout, done)
    check("from whom is not known", with_number("by hand")["author"] == "")
    again = server.run("report", "import", text=xml("by hand").decode())
    check("once", "there already" in again.stdout, again)
    for name, text in [("text", "hello"), ("another domain's", xml("x", "else.example").decode())]:
        done = server.run("report", "import", text=text)
        check(f"{name}: an error", done.returncode == 1 and done.stderr, done)


def a_crash():
    """A report that was accepted is read after a crash, also one that nobody had looked at."""
    send("Report Domain: home.example", xml("crash"), "text/xml", "crash.xml")
    server.kill()
    server.start()
    with_number("crash")


try:
    world.start()
    server.start()
    what_arrives()
    what_is_shown()
    what_is_hostile()
    what_is_imported()
    a_crash()
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
    world.stop()
finish()
