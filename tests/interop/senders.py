#!/usr/bin/env python3
"""Programs that send, against the sandbox: PHP's mail() through `mailwright sendmail`, cron's way of it, nodemailer,
smtplib, swaks and msmtp; read back over HTTP and with imaplib. The example of the guide for pytest runs, too."""

import email.message
import imaplib
import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from harness import BINARY, ROOT, check, finish, free_ports, wait_for

sys.path.insert(0, str(ROOT / "target/python"))
smtp, web, imap = free_ports(3)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-senders-test-"))
own = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
screen = open(folder / "screen", "wb")
server = subprocess.Popen(
    [str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{web}", "--imap", f"127.0.0.1:{imap}"],
    stdout=screen, stderr=screen, env=own)


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


def caught(subject, inbox="default"):
    """The message with that subject, whole; waits for it."""
    query = urllib.parse.urlencode({"query": f'subject:"{subject}"', "timeout": 20})
    with urllib.request.urlopen(f"http://127.0.0.1:{web}/api/inboxes/{inbox}/wait?{query}", timeout=30) as answer:
        return json.loads(answer.read())["message"]


def run(*line, text=None, **variables):
    return subprocess.run(list(map(str, line)), input=text, capture_output=True, text=True, timeout=60,
                          env={**own, **variables})


def php():
    path = f"{BINARY} sendmail -S 127.0.0.1:{smtp} -t -i"
    code = ('exit(mail("Bob <bob@client.example>", "By PHP", "Hello\\n.\\nWorld\\n", "From: shop@shop.example\\r\\n'
            'Cc: carl@client.example\\r\\nBcc: hidden@client.example", "-fbounce@shop.example") ? 0 : 1);')
    done = run("php", "-n", "-d", f"sendmail_path={path}", "-r", code)
    check("PHP's mail() sends", done.returncode == 0, done.stderr + done.stdout)
    message = caught("By PHP")
    check("with the sender of -f, and every recipient", message["envelope"] == {"from": "bounce@shop.example",
          "to": ["bob@client.example", "carl@client.example", "hidden@client.example"]}, message["envelope"])
    check("a lone dot is part of it", message["text"].split() == ["Hello", ".", "World"], message["text"])
    check("who is hidden stays so", not any(name.lower() == "bcc" for name, _ in message["headers"]), message["headers"])
    done = run("php", "-n", "-d", f"sendmail_path={path}", "-r", 'exit(mail("no address", "x", "y") ? 0 : 1);')
    check("PHP is told of a message that cannot be sent", done.returncode == 1, done.stdout)


def cron():
    (folder / "sendmail").symlink_to(BINARY)
    text = "From: root@host.example (Cron Daemon)\nTo: ann@client.example\nSubject: Cron job\n\nout\n"
    done = run(folder / "sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root@host.example",
               text=text, MAILWRIGHT_SENDMAIL_SMTP=f"127.0.0.1:{smtp}")
    check("cron's sendmail sends", done.returncode == 0, done.stderr)
    check("as it says", caught("Cron job")["envelope"] == {"from": "root@host.example", "to": ["ann@client.example"]})
    done = run(folder / "sendmail", "-t", text=text, MAILWRIGHT_SENDMAIL_SMTP="127.0.0.1:1")
    check("a server that is not there is told", done.returncode == 1 and "127.0.0.1:1" in done.stderr, done.stderr)
    done = run(folder / "sendmail", "-S", f"127.0.0.1:{smtp}", "-f", "a@a.example", "reject+550-5.1.1@client.example",
               text="Subject: no\n\nx\n")
    check("so is a recipient that is refused", done.returncode == 1 and "550" in done.stderr, done.stderr)


def others():
    script = f"""
const mailer = require("nodemailer").createTransport({{ host: "127.0.0.1", port: {smtp}, ignoreTLS: true,
  auth: {{ user: "node", pass: "x" }} }});
mailer.sendMail({{ from: "app@shop.example", to: ["bob@client.example"], subject: "By nodemailer", text: "T",
  html: "<b>H</b>", attachments: [{{ filename: "a.txt", content: "attached" }}] }})
  .then((sent) => console.log(sent.response), (error) => {{ console.error(error); process.exit(1); }});
"""
    done = run("node", "-e", script, NODE_PATH=str(ROOT / "target/npm/node_modules"))
    check("nodemailer sends", done.returncode == 0 and done.stdout.startswith("250"), done.stderr)
    message = caught("By nodemailer", "node")
    check("all parts are there", (message["text"].strip(), message["html"], message["attachments"][0]["name"]) ==
          ("T", "<b>H</b>", "a.txt"), message)
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@shop.example", "bob@client.example", "By smtplib"
    mail.set_content("grün")
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        client.send_message(mail)
    check("smtplib sends", caught("By smtplib")["text"].strip() == "grün")
    done = run("swaks", "--server", f"127.0.0.1:{smtp}", "--to", "bob@client.example", "--from", "app@shop.example",
               "--header", "Subject: By swaks", "--auth-user", "swaks", "--auth-password", "x")
    check("swaks sends", done.returncode == 0 and caught("By swaks", "swaks")["username"] == "swaks", done.stdout)
    done = run("msmtp", "--host=127.0.0.1", f"--port={smtp}", "--from=app@shop.example", "bob@client.example",
               text="Subject: By msmtp\n\nx\n")
    check("msmtp sends", done.returncode == 0 and caught("By msmtp")["envelope"]["from"] == "app@shop.example", done.stderr)


def read():
    client = imaplib.IMAP4("127.0.0.1", imap)
    client.login("node", "any")
    client.select("INBOX")
    _, found = client.search(None, "SUBJECT", "nodemailer")
    check("imaplib finds it in its inbox", found[0] == b"1", found)
    _, whole = client.fetch(b"1", "(BODY.PEEK[])")
    check("and reads it", b"Subject: By nodemailer" in whole[0][1], whole)
    client.logout()


def guide():
    """What the guide has for pytest runs as it stands there."""
    text = (ROOT / "docs/guide/testing.md").read_text()
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.S)
    check("the guide has an example", [name for name, _ in blocks] == ["conftest.py", "test_mail.py"], blocks)
    for name, code in blocks:
        (folder / name).write_text(code)
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder / "test_mail.py",
               PYTHONPATH=str(ROOT / "target/python"), MAILWRIGHT=str(BINARY))
    check("pytest runs it", done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr)


try:
    check("it listens", wait_for(lambda: all(map(listens, (smtp, web, imap))), 20), (folder / "screen").read_text())
    php()
    cron()
    others()
    read()
    guide()
finally:
    server.terminate()
    server.wait(20)
    shutil.rmtree(folder, ignore_errors=True)
finish()
