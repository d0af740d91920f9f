#!/usr/bin/env python3
"""The clients of other mail catchers, unchanged, against the sandbox: from npm and from PyPI.

Mailtrap's clients fix their host and ask over TLS: its name leads here by a file of hosts that this
script alone sees, and a small server with a certificate of a test CA takes off TLS. That file needs
the namespace that run.py makes.
"""

import base64
import datetime
import email.message
import json
import os
import pathlib
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import sink
from harness import BINARY, ROOT, check, finish, free_ports, wait_for

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "target/python"))
HOSTS = ["mailtrap.io", "sandbox.api.mailtrap.io", "send.api.mailtrap.io"]
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmM"
       "IQAAAABJRU5ErkJggg==")

smtp, http_port = free_ports(2)
base = f"http://127.0.0.1:{http_port}"
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-clients-test-"))
screen = open(folder / "screen", "wb")
names = [part for name in HOSTS for part in ("--host", name)]
server = subprocess.Popen(
    [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{http_port}", *names,
     "--release-to", "d.example", "--release-via", f"127.0.0.1:{sink.sink('real')}"],
    stdout=screen, stderr=screen, env={**os.environ, "TMPDIR": str(folder)})


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


def ask(path, method="GET", body=None, headers=None):
    """One request; gives code and octets."""
    octets = json.dumps(body).encode() if body is not None else None
    given = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(base + path, octets, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def get(path):
    code, octets = ask(path)
    return json.loads(octets) if code == 200 else {"code": code, "body": octets.decode()}


def node(script, *arguments, **environment):
    """What a script of ours for Node prints."""
    done = subprocess.run(
        ["node", str(HERE / "node" / f"{script}.js"), *map(str, arguments)], capture_output=True,
        text=True, timeout=60, env={**os.environ, "NODE_PATH": str(ROOT / "target/npm/node_modules"),
                                    "PNG": PNG, **environment})
    if not check(f"{script}.js ends", done.returncode == 0, done.stderr + done.stdout):
        return None
    return json.loads(done.stdout)


def send(subject, user=None, html=True, attached=True, to="ann@example.com"):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Cc"] = "App <app@shop.example>", to, "c@c.example"
    message["Reply-To"], message["Subject"] = "r@shop.example", subject
    message["Delivered-To"] = to
    message["Date"] = datetime.datetime(2026, 11, 2, 10, tzinfo=datetime.timezone.utc)
    message["Message-ID"] = f"<{abs(hash(subject))}@shop.example>"
    message.set_content(f"Text: grün. {subject}")
    if html:
        message.add_alternative(f"<p>HTML: grün. {subject}</p>", subtype="html")
    if attached:
        message.add_attachment(b"Hello attached", "application", "octet-stream", filename="a.bin")
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        if user:
            client.login(user, "x")
        client.send_message(message, "app@shop.example", [to, "c@c.example", "hidden@d.example"])


def released(subject, count=1):
    """Whether a message of that subject came to its real recipient, so often."""
    return wait_for(lambda: len(sink.got.get(("real", subject), [])) == count)


def mailpit():
    got = node("mailpit", base)
    if not got:
        return
    check("mailpit-api sends and waits", got["waitForMessage"]["Subject"] == "By the client", got)
    check("it waits for many", got["waitForMessages"]["messages_count"] == 1, got["waitForMessages"])
    check("it reads the server", got["info"]["Messages"] == 1 and got["info"]["Tags"] ==
          {"first": 1, "second": 1}, got["info"])
    check("and what it may do", got["configuration"]["SpamAssassin"] is True, got["configuration"])
    message = got["message"]
    check("it reads a message", message["HTML"].startswith("<p style") and message["Text"].strip() ==
          "Text of it" and message["Bcc"][0]["Address"] == "hidden@d.example"
          and message["ReplyTo"][0]["Address"] == "reply@a.example", message)
    check("its header", got["headers"]["X-Test"] == ["yes"], got["headers"])
    check("its attachment", got["attachment"] == PNG, got["attachment"])
    check("its thumbnail", got["thumb"][0] == "image/jpeg" and got["thumb"][1] > 300, got["thumb"])
    check("its source", "Subject: By the client" in got["source"], got["source"])
    check("it lists", got["list"]["messages"][0]["Attachments"] == 1, got["list"])
    check("it marks and finds", got["unread"] == "ok" and got["search"]["messages_count"] == 1, got["search"])
    check("its HTML check", any(one["Slug"] == "css-display-grid" for one in got["html"]["Warnings"]))
    check("its link check", got["links"] == {"Errors": 1, "Links": [{"URL": "http://127.0.0.1:9/",
          "StatusCode": 451, "Status": "Unavailable For Legal Reasons"}]}, got["links"])
    check("its spam check", got["spam"]["Rules"], got["spam"])
    check("its tags", got["tags"] == ["first", "second"] and got["tagged"]["messages_count"] == 1
          and got["noTags"] == [], got["tags"])
    check("its chaos", got["setChaos"]["Sender"] == {"ErrorCode": 451, "Probability": 100}
          and got["resetChaos"] == got["chaos"], got["setChaos"])
    check("its release", got["release"] == "ok" and released("By the client"), got["release"])
    relay = got["configuration"]["MessageRelay"]
    check("to whom it may be", relay["Enabled"] and relay["AllowedRecipients"] == r"(^|@)(d\.example)$", relay)
    code, octets = ask("/api/v1/message/latest/release", "POST", {"To": ["real@d.example"]})
    check("what is not there is not released", code == 404, octets)
    check("its rendered HTML and text", "HTML of it" in got["viewHtml"]
          and got["viewText"].strip() == "Text of it", got["viewHtml"])
    check("it deletes", got["deleteSearch"] == "ok" and got["after"]["total"] == 0
          and got["deleteAll"] == "ok", got["after"])
    send("For one inbox", user="mine")
    only = node("mailpit", f"{base}/mailpit/mine")
    check("below a prefix it sees one inbox", only and only["list"]["total"] == 2, only and only["list"])

    ask("/api/inboxes", "POST", {"name": "held"})
    token = json.loads(ask("/api/inboxes/held/tokens", "POST", {"label": "ci"})[1])["token"]
    held = node("mailpit", base, "anyone", token)
    check("with a token it sees the inbox of that alone", held and held["list"]["total"] == 1
          and held["release"] == "ok" and get("/api/inboxes/held")["messages"] == 0, held and held["list"])
    bearer = {"Authorization": f"Bearer {token}"}
    check("another inbox is not there for it", ask("/api/v1/messages?inbox=mine", headers=bearer)[0] == 404
          and ask("/mailhog/mine/api/v2/messages", headers=bearer)[0] == 404
          and ask("/api/inboxes/mine/messages", headers={"Api-Token": token})[0] == 404)
    check("nor is the page", ask("/inbox/held", headers=bearer)[0] == 403)

    import mailpit.client.api as api
    client = api.API(base)
    send("By PyPI")
    listed = client.get_messages()
    check("mailpit-api-client lists", [one.subject for one in listed.messages] == ["By PyPI"], listed)
    got = client.get_message(listed.messages[0].id)
    check("it reads a message", "grün" in got.html and got.cc[0].address == "c@c.example", got)
    check("its attachment", client.get_message_attachment(got.id, got.attachments[0].part_id)
          == "Hello attached")
    check("its header", client.get_message_headers(got.id).delivered_to == ["ann@example.com"])
    client.put_messages([got.id], "Read", True)
    check("it marks", get("/api/v1/messages")["unread"] == 0)
    send("Stays")
    client.delete_messages([got.id])
    check("it deletes what it names", [one.subject for one in client.get_messages().messages] == ["Stays"])
    client.delete_messages([])
    check("and all", client.get_messages().total == 0)


def mailhog():
    # Its client looks for texts and files in the first level of parts alone.
    for user in [None, "hog"]:
        send("First", user, html=False)
        send("Second", user, attached=False)
    for what, arguments in [("by its own paths", []), ("below a prefix", ["/mailhog/hog/api"])]:
        got = node("mailhog", http_port, *arguments)
        if not got:
            return
        check(f"mailhog lists {what}", got["all"] == {"total": 2, "count": 2, "start": 0}, got["all"])
        first = got["messages"][0]
        check("it reads a message", first["subject"] == "Second" and first["text"].strip() ==
              "Text: grün. Second" and "grün" in first["html"] and first["cc"] == "c@c.example"
              and first["replyTo"] == "r@shop.example" and first["helo"], first)
        check("its recipients", first["recipients"] ==
              ["ann@example.com", "c@c.example", "hidden@d.example"], first)
        files = got["messages"][1]["attachments"]
        check("its attachment", files == [
            {"name": "a.bin", "type": "application/octet-stream", "body": "Hello attached"}], files)
        check("it pages", [one["subject"] for one in got["second"]] == ["First"], got["second"])
        check("it searches", got["from"]["subject"] == got["to"]["subject"] ==
              got["containing"]["subject"] == "Second" and got["none"]["total"] == 0, got)
        hogs = 1 if what == "by its own paths" else 2
        check("it releases, by our own way", got["release"] == 200 and released("Second", hogs), got["release"])
        check("it deletes", (got["deleted"], got["left"], got["emptied"], got["empty"])
              == (200, 1, 200, 0), got)
    send("For version 1", user="hog")
    one = get("/mailhog/hog/api/v1/messages")
    check("the list of version 1", len(one) == 1 and one[0]["Content"]["Headers"]["Subject"] ==
          ["For version 1"] and len(one[0]["MIME"]["Parts"]) == 2, one)
    code, octets = ask(f"/mailhog/hog/api/v1/messages/{one[0]['ID']}/mime/part/1/download")
    check("a part of it, as it was sent", base64.b64decode(octets) == b"Hello attached", octets)
    code, octets = ask(f"/mailhog/hog/api/v1/messages/{one[0]['ID']}/download")
    check("all of it", b"Subject: For version 1" in octets, octets[:200])
    place = f"/mailhog/hog/api/v1/messages/{one[0]['ID']}/release"
    code, octets = ask(place, "POST", {"Host": "127.0.0.1", "Port": str(smtp), "Email": "a@evil.example"})
    check("it is released to nobody else", code == 403 and b"sandbox.release.to" in octets, octets)
    jim("/mailhog/hog")
    stream = urllib.request.urlopen(f"{base}/mailhog/hog/api/v1/events", timeout=20)
    send("Told", user="hog")
    line = stream.readline()
    while not line.startswith(b"data:"):
        line = stream.readline()
    check("its events", json.loads(line[5:])["Content"]["Headers"]["Subject"] == ["Told"], line[:300])
    stream.close()


def jim(prefix):
    """MailHog's monkey: it comes, is told of, bites, changes and goes."""
    place = f"{prefix}/api/v2/jim"
    check("Jim is not there at first", ask(place)[0] == 404 and ask(place, "DELETE")[0] == 404)
    check("he comes", ask(place, "POST")[0] == 201 and get(place)["AcceptChance"] == 0.99, get(place))
    wanted = {"AcceptChance": 1, "DisconnectChance": 0, "LinkSpeedAffect": 0, "LinkSpeedMin": 2000,
              "LinkSpeedMax": 9000, "RejectSenderChance": 1, "RejectRecipientChance": 0.25,
              "RejectAuthChance": 0}
    check("he changes", ask(place, "PUT", wanted)[0] == 200 and get(place) == wanted, get(place))
    check("and no chance is over 1", ask(place, "PUT", {"AcceptChance": 2})[0] == 400)
    try:
        send("Bitten", user="hog")
        bitten = None
    except smtplib.SMTPSenderRefused as error:
        bitten = error.smtp_code
    check("he bites", bitten == 550, bitten)
    check("he goes", ask(place, "DELETE")[0] == 200 and ask(place)[0] == 404)


def socket_of(path, meanwhile=None, until=b"Over a socket"):
    """What a WebSocket tells up to a text; a message is sent meanwhile."""
    with socket.create_connection(("127.0.0.1", http_port), 20) as raw:
        key = base64.b64encode(b"0" * 16).decode()
        raw.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{http_port}\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += raw.recv(4096)
        (meanwhile or (lambda: send("Over a socket", user="catch")))()
        while until not in got:
            more = raw.recv(65536)
            if not more:
                break
            got += more
        return got


def others():
    send("Caught", user="catch")
    listed = get("/mailcatcher/catch/messages")
    check("MailCatcher's list", len(listed) == 1 and listed[0]["sender"] == "<app@shop.example>"
          and listed[0]["subject"] == "Caught" and isinstance(listed[0]["id"], int), listed)
    place = f"/mailcatcher/catch/messages/{listed[0]['id']}"
    whole = get(f"{place}.json")
    check("its message", whole["formats"] == ["source", "html", "plain"]
          and whole["attachments"][0]["filename"] == "a.bin", whole)
    check("its text", "grün" in ask(f"{place}.plain")[1].decode())
    check("its HTML", "grün" in ask(f"{place}.html")[1].decode())
    check("its source", b"Subject: Caught" in ask(f"{place}.source")[1])
    check("its file", ask(f"{place}.eml")[1] == ask(f"{place}.source")[1])
    href = whole["attachments"][0]["href"]
    check("its attachment", ask(f"/mailcatcher/catch{href}")[1] == b"Hello attached", href)
    told = socket_of("/mailcatcher/catch/messages")
    check("its events", b'"type":"add"' in told and b"Over a socket" in told, told)
    place_of = get("/mailpit/catch/api/v1/messages")["messages"][0]["ID"]
    refused = []
    told = socket_of("/mailpit/catch/api/events", lambda: refused.append(ask(
        f"/mailpit/catch/api/v1/message/{place_of}/release", "POST", {"To": ["a@evil.example"]})), b"evil")
    check("a release that is not done is told", refused[0][0] == 403 and b'"Type":"error"' in told
          and b'"Level":"error"' in told, (refused, told))
    check("MailHog's socket", b'"Raw"' in socket_of("/mailhog/catch/api/v2/websocket"))
    check("it deletes one", ask(place, "DELETE")[0] == 204 and len(get("/mailcatcher/catch/messages")) == 2)
    check("and all", ask("/mailcatcher/catch/messages", "DELETE")[0] == 204
          and get("/mailcatcher/catch/messages") == [])

    for subject in ["One", "Two"]:
        send(subject, user="dev")
    for prefix in ["/maildev/dev/api", "/maildev/dev"]:
        listed = get(f"{prefix}/email")
        check("MailDev's list", [one["subject"] for one in listed] == ["One", "Two"], listed)
        found = get(f"{prefix}/email?from.address=SHOP&subject=two")
        check("its filters", [one["subject"] for one in found] == ["Two"], found)
        summed = get(f"{prefix}/email/summary?limit=1&search=grün".replace("ü", "%C3%BC"))
        check("its summaries", summed["total"] == 2 and summed["items"][0]["subject"] == "Two", summed)
        one = get(f"{prefix}/email/{listed[0]['id']}")
        check("its message", one["html"] and one["calculatedBcc"][0]["address"] == "hidden@d.example"
              and one["headers"]["reply-to"] == "r@shop.example", one)
        name = one["attachments"][0]["generatedFileName"]
        place = f"{prefix}/email/{one['id']}"
        check("its attachment", ask(f"{place}/attachment/{name}")[1] == b"Hello attached", name)
        check("its HTML and source", "grün" in ask(f"{place}/html")[1].decode()
              and b"Subject: One" in ask(f"{place}/source")[1])
    code, octets = ask(f"{place}/relay/real@d.example", "POST")
    check("it relays", code == 200 and json.loads(octets) is True and released("One"), octets)
    code, octets = ask(f"{place}/relay", "POST")
    check("not to all whom it was for", code == 403 and b"ann@example.com" in octets, octets)
    check("it says that it may", get("/maildev/dev/api/config")["isOutgoingEnabled"] is True)
    check("it marks all", json.loads(ask("/maildev/dev/api/email/read-all", "PATCH")[1]) == 1)
    gone = json.loads(ask("/maildev/dev/api/email/delete", "POST", {"ids": [one["id"], "none"]})[1])
    check("it deletes some", gone == {"deleted": [one["id"]], "notFound": ["none"]}, gone)
    check("and all", ask("/maildev/dev/email/all", "DELETE")[0] == 200 and get("/maildev/dev/email") == [])


def certify():
    """A CA, and a certificate of it for the names of Mailtrap."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-out", "own.csr",
            "-subj", "/CN=mailtrap.io")
    (folder / "own.ext").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in HOSTS))
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "own.pem", "-days", "2", "-extfile", "own.ext")


def take_off_tls():
    """Takes connections on 443, and passes what is in them on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "own.key")
    listener = socket.create_server(("127.0.0.1", 443))

    def pump(source, target):
        try:
            while octets := source.recv(65536):
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def one(raw):
        try:
            client = context.wrap_socket(raw, server_side=True)
            inner = socket.create_connection(("127.0.0.1", http_port))
        except OSError:
            return
        threading.Thread(target=pump, args=(inner, client), daemon=True).start()
        pump(client, inner)

    def run():
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=one, args=(raw,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()


def hosts():
    """Has the names of Mailtrap lead here, for this namespace alone."""
    own = folder / "hosts"
    own.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in HOSTS))
    return subprocess.run(["mount", "--bind", str(own), "/etc/hosts"], capture_output=True).returncode == 0


def mailtrap():
    if os.geteuid() != 0 or not hosts():
        print("skipped  Mailtrap's clients: a file of hosts of our own needs root", flush=True)
        return
    certify()
    take_off_tls()
    got = node("mailtrap", 2854291, "any token", NODE_EXTRA_CA_CERTS=str(folder / "ca.pem"))
    if got:
        check("mailtrap sends", got["sent"]["success"] and len(got["sent"]["message_ids"]) == 1, got["sent"])
        check("a batch, with what failed", [one["success"] for one in got["batch"]["responses"]]
              == [True, False], got["batch"])
        one = got["one"]
        check("it lists and finds", len(got["list"]) == 2 and len(got["search"]) == 1
              and got["before"] == [] and one["inbox_id"] == 2854291, got["list"])
        check("it reads a message", one["subject"] == "By the client" and one["to_name"] == "Bob"
              and not one["is_read"] and one["html_body_size"] > 10, one)
        check("it marks", got["read"]["is_read"] is True, got["read"])
        check("its spam report", got["spam"]["report"]["Details"], got["spam"])
        rules = [fault["rule_name"] for fault in got["analysis"]["report"]["errors"]]
        check("its HTML report", any("grid" in rule for rule in rules), rules)
        check("its bodies", got["text"].strip() == "Text of it" and "HTML of it" in got["html"]
              and got["source"].startswith("<p style") and got["raw"] == got["eml"]
              and "X-MT-Custom-Variables" in got["raw"], got["raw"])
        check("its header", got["headers"]["headers"]["x_mt_category"] == "Tests", got["headers"])
        check("its attachment", got["attachment"]["filename"] == "a.txt"
              and got["attachment"]["attachment_size"] == 5, got["attachments"])
        check("it forwards", "waits" in got["forward"].get("message", "") and released("By the client", 4),
              got["forward"])
        check("its templates", got["templateRead"]["body_text"] == "Dear {{name}}"
              and [one["id"] for one in got["templates"]] == [got["template"]["id"]]
              and got["noTemplates"] == [] and "not known" in got["wrongTemplate"], got["templates"])
        check("a message by a template", got["filled"] == [
            "Hi <Ann>", "<p>&lt;Ann&gt; <b>x</b> <b>y</b></p>", "Dear <Ann>"], got["filled"])
        check("its projects", got["renamed"]["name"] == "Another name"
              and len(got["projects"]) == 2 and got["inProject"]["inboxes"][0]["name"] == "An inbox"
              and got["removed"] == {"id": got["project"]["id"]}, got["projects"])
        check("its inboxes", got["updated"]["name"] == "Changed" and got["updated"]["email_username"]
              == "my-own" and got["password"]["password"] and got["password"]["password"]
              != got["inbox"]["password"] and not got["toggled"]["email_username_enabled"]
              and got["address"]["email_username"] != "my-own", got["updated"])
        check("they go with their project", "no inbox" in got["gone"], got["gone"])
        check("it deletes, and cleans", got["deleted"]["id"] == one["id"]
              and got["allRead"]["emails_unread_count"] == 0 and got["cleaned"]["emails_count"] == 0,
              got["cleaned"])
    mailtrap_python()


def mailtrap_python():
    os.environ["REQUESTS_CA_BUNDLE"] = str(folder / "ca.pem")
    import mailtrap as mt
    from mailtrap.models.inboxes import CreateInboxParams, UpdateInboxParams
    from mailtrap.models.messages import UpdateEmailMessageParams
    from mailtrap.models.projects import ProjectParams
    client = mt.MailtrapClient(token="any", sandbox=True, inbox_id="2854291", account_id="4711")
    answer = client.send(mt.Mail(
        sender=mt.Address(email="ann@a.example", name="Ann"), to=[mt.Address(email="bob@b.example")],
        subject="By Python", text="Text", html="<p style='display:grid'>x</p>",
        attachments=[mt.Attachment(content=base64.b64encode(b"hello"), filename="a.txt",
                                   mimetype="text/plain", disposition=mt.Disposition.ATTACHMENT)]))
    check("mailtrap for Python sends", answer["success"], answer)
    api = client.testing_api
    listed = api.messages.get_list(2854291)
    check("it lists", [one.subject for one in listed] == ["By Python"], listed)
    one = api.messages.show_message(2854291, listed[0].id)
    check("it reads a message", one.to_email == "bob@b.example", one)
    read = api.messages.update(2854291, one.id, UpdateEmailMessageParams(is_read=True))
    check("it marks", read.is_read is True, read)
    check("its reports", api.messages.get_spam_report(2854291, one.id).details
          and api.messages.get_html_analysis(2854291, one.id).errors)
    check("its bodies", api.messages.get_text_message(2854291, one.id).strip() == "Text"
          and "display:grid" in api.messages.get_html_source(2854291, one.id)
          and "Subject: By Python" in api.messages.get_raw_message(2854291, one.id)
          and api.messages.get_message_as_eml(2854291, one.id)
          and "x</p>" in api.messages.get_html_message(2854291, one.id))
    check("its header", api.messages.get_mail_headers(2854291, one.id)["subject"] == "By Python")
    check("it forwards", "waits" in api.messages.forward(2854291, one.id, "real@d.example").message
          and released("By Python"))
    try:
        refused = api.messages.forward(2854291, one.id, "real@evil.example").message
    except mt.APIError as error:
        refused = str(error)
    check("not to everybody", "sandbox.release.to" in refused, refused)
    files = api.attachments.get_list(2854291, one.id)
    check("its attachment", api.attachments.get(2854291, one.id, files[0].id).filename == "a.txt", files)
    project = api.projects.create(ProjectParams(name="Py project"))
    inbox = api.inboxes.create(project.id, CreateInboxParams(name="Py inbox"))
    check("an inbox of a project", inbox.project_id == project.id and inbox.password, inbox)
    changed = api.inboxes.update(inbox.id, UpdateInboxParams(email_username="MyTests"))
    to = f"{changed.email_username}@{changed.email_domain}"
    send("By address", to=to)
    check("its address leads to it", [one.subject for one in api.messages.get_list(inbox.id)] == ["By address"]
          and to.startswith("mytests@"), to)
    api.inboxes.enable_email_address(inbox.id)
    send("Switched off", to=to)
    check("until it is switched off", len(api.messages.get_list(inbox.id)) == 1)
    api.inboxes.enable_email_address(inbox.id)
    changed = api.inboxes.update(inbox.id, UpdateInboxParams(name="Other name"))
    check("changes", changed.name == "Other name", changed)
    check("and is listed", inbox.id in [one.id for one in api.inboxes.get_list()])
    check("with its project", api.projects.get_by_id(project.id).inboxes[0].id == inbox.id)
    for call in ["mark_as_read", "reset_credentials", "enable_email_address", "reset_email_username",
                 "clean", "get_by_id", "delete"]:
        check(f"it answers {call}", getattr(api.inboxes, call)(inbox.id).id == inbox.id)
    check("it removes a project", api.projects.delete(project.id).id == project.id)
    check("it deletes", api.messages.delete(2854291, one.id).id == one.id
          and api.messages.get_list(2854291) == [])
    try:
        api.messages.show_message(2854291, one.id)
        missing = ""
    except mt.APIError as error:
        missing = str(error)
    check("what is missing is said", "no such message" in missing, missing)
    token = json.loads(ask("/api/inboxes/2854291/tokens", "POST", {"label": "ci"})[1])["token"]
    held = mt.MailtrapClient(token=token, sandbox=True, inbox_id="2854291", account_id="4711")
    held.send(mt.Mail(sender=mt.Address(email="a@a.example"), to=[mt.Address(email="b@b.example")],
                      subject="By token", text="x"))
    check("a token opens its inbox", [one.subject for one in held.testing_api.messages.get_list(2854291)]
          == ["By token"] and [one.id for one in held.testing_api.inboxes.get_list()] == [2854291])
    try:
        other = str(held.testing_api.messages.get_list(1))
    except mt.APIError as error:
        other = str(error)
    check("and no other", "no inbox" in other, other)
    held.testing_api.inboxes.clean(2854291)
    # The new dialect, without an account.
    client.send(mt.Mail(sender=mt.Address(email="a@a.example"), to=[mt.Address(email="b@b.example")],
                        subject="New words", text="x"))
    listed = get("/api/sandboxes/2854291/messages")
    check("sandboxes are inboxes by another name", listed[0]["sandbox_id"] == 2854291
          and listed[0]["html_path"].startswith("/api/sandboxes/2854291/messages/"), listed)
    code, octets = ask("/api/projects/1/sandboxes", "POST", {"sandbox": {"name": "newer"}})
    check("they are made", code == 200 and json.loads(octets)["name"] == "newer", octets)
    check("and told of in projects", "newer" in [one["name"] for one in get("/api/projects/1")["sandboxes"]])


try:
    check("it listens", wait_for(lambda: listens(smtp) and listens(http_port), 20, 0.01),
          (folder / "screen").read_text())
    mailpit()
    mailhog()
    others()
    mailtrap()
finally:
    server.kill()
    server.wait()
    subprocess.run(["umount", "/etc/hosts"], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
finish()
