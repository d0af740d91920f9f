"""Mail moved over IMAP: from another Mailwright, from Dovecot, and from servers that mean no good."""

import datetime
import imaplib
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from harness import PASSWORD, Server, check, finish, free_ports, message, wait_for

ANN, BEN, CYD, DAN, EVE = (f"{name}@home.example" for name in ["ann", "ben", "cyd", "dan", "eve"])
MANY = 10_000
ELSEWHERE = "10.9.9.9" if os.geteuid() == 0 else None
work = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-moving-"))
work.chmod(0o755)
imap, old_imap, old_imaps = free_ports(3)
server = Server(extra=f"""
[listeners.imap]
role = "imap"
addresses = ["127.0.0.1:{imap}"]
[mailboxes]
sessions_per_account_max = 100
""").accounts(ANN, BEN, CYD, DAN, EVE)

DOVECOT = """base_dir = {work}/run
state_dir = {work}/state
log_path = {work}/log
protocols = imap
listen = *
ssl = yes
ssl_cert = <{work}/cert.pem
ssl_key = <{work}/key.pem
disable_plaintext_auth = yes
auth_mechanisms = plain login scram-sha-256
mail_location = maildir:{work}/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={work}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
namespace inbox {{
  inbox = yes
  prefix = INBOX.
  separator = .
  mailbox Papierkorb {{
    special_use = \\Trash
    auto = create
  }}
  mailbox Alles {{
    special_use = \\All
    auto = create
  }}
}}
"""


def moved(source, account, *options, text=PASSWORD + "\n", right=True):
    """Runs an import; gives what it printed and what it complained of."""
    done = subprocess.run(server.line("import", account, source, "--password-stdin", *options),
                          input=text, capture_output=True, text=True, timeout=120)
    check(f"import {source} {' '.join(map(str, options))} ends {'well' if right else 'badly'}",
          (done.returncode == 0) == right, done.stdout + done.stderr)
    return done.stdout.strip(), done.stderr


def rows(account, folder=None):
    found = server.json("message", "list", account)
    return [row for row in found if folder in (None, row["folder"])]


def listed(account):
    """As rows, once all are rendered: a list shows the subject of a message a moment after it came."""
    wait_for(lambda: all(row["subject"] for row in rows(account)), 30, 0.2)
    return rows(account)


def seen(account):
    """What can be compared of an account: bytes, folder, flags and date of each message."""
    return sorted((row["folder"], row["received"], tuple(sorted(row["flags"])), server.raw(row))
                  for row in rows(account))


def client(port, user=ANN):
    one = imaplib.IMAP4("127.0.0.1", port)
    one.login(user, PASSWORD)
    return one


def own():
    """From an account to another of the same server, which is to both an IMAP server as others."""
    ours = client(imap)
    for wire in ["Entw&APw-rfe", "Work/2024/v1.2", "R&-D", '"two words"', "&2D3cNA-"]:
        ours.create(wire)
    for number, (wire, flags) in enumerate([
            ("INBOX", "\\Seen"), ("INBOX", "\\Flagged $Label1"), ("Entw&APw-rfe", "\\Draft"),
            ("Work/2024/v1.2", "\\Answered \\Seen"), ("R&-D", ""), ('"two words"', "\\Deleted"),
            ("&2D3cNA-", "$Junk"), ("Sent", "\\Seen"), ("Trash", "")]):
        date = f'"{number + 1:02}-Feb-2021 03:04:05 +0100"'
        body = "\r\n".join(["x" * 70] * (number * 40)) + "\r\n"
        ours.append(wire, f"({flags})", date, message(f"own-{number}", body=body))
    ours.logout()
    source = f"imap://{ANN.replace('@', '%40')}@127.0.0.1:{imap}"
    check("own: all come", moved(source, BEN)[0] == "9 messages imported, 0 were there before")
    want, got = seen(ANN), seen(BEN)
    check("own: bytes, folders, flags and dates are the same", want == got, (want[:2], got[:2]))
    check("own: once only", moved(source, BEN)[0] == "0 messages imported, 9 were there before")
    moved(source, CYD, "--folder", "Old/Ann")
    folders = {row["folder"] for row in rows(CYD)}
    check("own: below a folder", folders == {
        "Old/Ann", "Old/Ann/Entw\u00fcrfe", "Old/Ann/Work/2024/v1.2", "Old/Ann/R&D",
        "Old/Ann/two words", "Old/Ann/\U0001f434", "Old/Ann/Sent", "Old/Ann/Trash"}, folders)
    said = moved(source, BEN, text="wrong\n", right=False)[1]
    check("own: a wrong password is told", "refuses the login" in said, said)
    said = moved("imap://ann@127.0.0.1:1", BEN, right=False)[1]
    check("own: a closed port is told", "cannot reach" in said, said)


def dovecot():
    certificates()
    for name in ["run", "state", "mail"]:
        (work / name).mkdir()
    (work / "conf").write_text(DOVECOT.format(work=work, password=PASSWORD.replace(" ", "-"),
                                              imap=old_imap, imaps=old_imaps))
    box = work / "mail" / "old"
    for folder, count in [("", MANY), (".Entw&APw-rfe", 2), (".Work.2024", 3), (".Papierkorb", 1),
                          (".Empty", 0)]:
        for part in ["cur", "new", "tmp"]:
            (box / folder / part).mkdir(parents=True)
        for number in range(count):
            subject = f"{folder or 'inbox'}-{number}"
            letters = ["", "S", "FS", "RSa"][number % 4]
            path = box / folder / "cur" / f"{1_600_000_000 + number}.M{number}.h:2,{letters}"
            path.write_bytes(message(subject, body="Line.\r\n" * (number % 50))
                             .replace(b"\r\n", b"\n"))
            os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
    (box / "dovecot-keywords").write_text("0 $Label1\n")
    subprocess.run(["chown", "-R", "mail:mail", work / "mail"], check=True)
    process = subprocess.Popen(["dovecot", "-F", "-c", work / "conf"])
    if not wait_for(lambda: connects(old_imap), 20):
        raise SystemExit(f"Dovecot does not start: {(work / 'log').read_text()}")
    return process


def certificates():
    """An authority, and a certificate of it for localhost."""
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.9.9.9"
    (work / "names").write_text(names)
    for line in [
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Old CA",
             "-keyout", "ca.key", "-out", "ca.pem"],
            ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem",
             "-out", "request"],
            ["x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
             "-CAcreateserial", "-extfile", "names", "-out", "cert.pem"]]:
        subprocess.run(["openssl", *line], check=True, capture_output=True, cwd=work)


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Cut:
    """Stands between, and cuts each connection after some octets from the server."""

    def __init__(self, port, octets):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target, self.octets = port, octets
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            ours, _ = self.listener.accept()
            theirs = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.up, args=(ours, theirs), daemon=True).start()
            threading.Thread(target=self.down, args=(ours, theirs), daemon=True).start()

    def up(self, ours, theirs):
        try:
            while data := ours.recv(65536):
                theirs.sendall(data)
        except OSError:
            pass

    def down(self, ours, theirs):
        left = self.octets
        try:
            while left > 0 and (data := theirs.recv(min(left, 65536))):
                ours.sendall(data)
                left -= len(data)
        except OSError:
            pass
        for one in [ours, theirs]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def from_dovecot():
    secret = PASSWORD.replace(" ", "-") + "\n"
    authority = ["--authority", work / "ca.pem"]
    source = f"imaps://old@localhost:{old_imaps}"
    said = moved(source, DAN, text=secret, right=False)[1]
    check("a certificate that nobody vouches for is not believed",
          "no secure connection" in said and not rows(DAN), said)
    # Cut off again and again, it goes on where it was.
    cut = Cut(old_imaps, 1_000_000)
    rounds = 0
    broken = f"imaps://old@localhost:{cut.port}"
    for rounds in range(1, 40):
        done = subprocess.run(server.line("import", DAN, broken, "--password-stdin",
                                          *map(str, authority)),
                              input=secret, capture_output=True, text=True, timeout=60)
        if done.returncode == 0 or rounds == 3:
            break
        check(f"cut off, round {rounds}", "goes on where it was" in done.stderr, done.stderr)
        check(f"what came before counts, round {rounds}",
              int(done.stdout.split()[0]) > 0, done.stdout)
    before = len(rows(DAN))
    check("cut off before the end", 0 < before < MANY, before)
    begun = time.monotonic()
    out, err = moved(source, DAN, *authority, text=secret)
    took = time.monotonic() - begun
    new, known = map(int, re.match(r"(\d+) messages imported, (\d+) were", out).groups())
    check("the rest comes, and nothing twice", new + known == MANY + 6 and known == before,
          (out, before))
    print(f"        {new} messages in {took:.1f} s", flush=True)
    check("a folder that shows others is left out and told", "Alles" in err, err)
    found = listed(DAN)
    folders = {row["folder"] for row in found}
    check("folders: names, levels, and the trash is the trash", folders == {
        "INBOX", "Entw\u00fcrfe", "Work/2024", "Trash"}, folders)
    inbox = {row["subject"]: row for row in found if row["folder"] == "INBOX"}
    check("each message is there", len(inbox) == MANY, len(inbox))
    right = wrong = 0
    for number in range(0, MANY, 97):
        row = inbox[f"inbox-{number}"]
        flags = [[], ["\\Seen"], ["\\Flagged", "\\Seen"], ["$Label1", "\\Answered", "\\Seen"]]
        moment = datetime.datetime.fromtimestamp(1_600_000_000 + number, datetime.timezone.utc)
        same = (sorted(row["flags"]) == flags[number % 4]
                and row["received"].startswith(moment.strftime("%Y-%m-%dT%H:%M:%S"))
                and (number % 970 or server.raw(row) == message(
                    f"inbox-{number}", body="Line.\r\n" * (number % 50))))
        right, wrong = right + bool(same), wrong or (not same and row)
    check("flags, dates and bytes", not wrong and right > 100, wrong)
    names = {name for name in folder_names(DAN)}
    check("an empty folder is made too", "Empty" in names, names)
    # What is thrown away here stays away, unless it is wanted; what is new there comes.
    ours = client(imap, DAN)
    ours.select("Work/2024")
    ours.store("1:2", "+FLAGS", "\\Deleted")
    ours.expunge()
    ours.logout()
    context = ssl.create_default_context(cafile=work / "ca.pem")
    theirs = imaplib.IMAP4_SSL("localhost", old_imaps, ssl_context=context)
    theirs.login("old", secret.strip())
    theirs.append("INBOX.Work.2024", "", None, message("late"))
    theirs.logout()
    out, _ = moved(f"{source}/Work/2024", DAN, *authority, text=secret)
    check("what was thrown away stays away", out == "1 messages imported, 3 were there before", out)
    out, _ = moved(f"{source}/INBOX.Work.2024", DAN, *authority, "--again", text=secret)
    check("it comes back when it is wanted", out == "2 messages imported, 2 were there before", out)
    # STARTTLS, and what is not secured.
    start = f"imap://old@localhost:{old_imap}/Entw%C3%BCrfe"
    out, _ = moved(start, EVE, *authority, text=secret)
    check("STARTTLS, one folder", out.startswith("2 messages imported"), out)
    if ELSEWHERE:
        start = f"imap://old@{ELSEWHERE}:{old_imap}/Entw%C3%BCrfe"
        said = moved(start, EVE, text=secret, right=False)[1]
        check("STARTTLS: the certificate counts too", "no secure connection" in said, said)
        out, _ = moved(start, EVE, *authority, text=secret)
        check("STARTTLS to another machine", out.startswith("2 messages imported"), out)
    check("doctor store is content", server.run("doctor", "store").returncode == 0)


def folder_names(account):
    ours = client(imap, account)
    names = [line.decode().split(' "/" ')[1].strip('"') for line in ours.list()[1]]
    ours.logout()
    return names


class Fake:
    """A server that says what a test wants."""

    def __init__(self, script, host="127.0.0.1"):
        self.listener = socket.create_server((host, 0))
        self.host, self.port = self.listener.getsockname()
        self.script, self.heard = script, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            one, _ = self.listener.accept()
            try:
                self.talk(one)
            except OSError:
                pass
            one.close()

    def talk(self, one):
        file = one.makefile("rb")
        one.sendall(b"* OK [CAPABILITY IMAP4rev1] fake\r\n")
        while line := file.readline():
            self.heard.append(line)
            tag, verb = line.split()[0], line.split()[1].upper()
            if verb == b"UID":
                verb = b"UID " + line.split()[2].upper()
            for piece in self.script.get(verb, [b""]):
                one.sendall(piece)
            one.sendall(tag + b" OK done\r\n")


def hostile():
    listed = {b"LIST": [b'* LIST () "/" INBOX\r\n'],
              b"STATUS": [b"* STATUS INBOX (MESSAGES 2)\r\n"],
              b"EXAMINE": [b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"],
              b"FETCH": [b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 3)\r\n"
                         b"* 2 FETCH (UID 2 FLAGS () RFC822.SIZE 3)\r\n"]}

    def against(name, script, want, right=False):
        fake = Fake({**listed, **script})
        out, err = moved(f"imap://x@127.0.0.1:{fake.port}", EVE, "--folder", f"Fake/{name}",
                         right=right)
        check(f"{name}: told", want in out + err, out + err)
        return fake

    fake = against("plain", {b"UID FETCH": [b"* 1 FETCH (UID 1 BODY[] {3}\r\na\r\n)\r\n",
                                            b"* 2 FETCH (BODY[] \"b\" UID 2)\r\n"]},
                   "2 messages imported", right=True)
    check("plain: LOGIN where there is no other way, on this machine",
          any(b"LOGIN" in line for line in fake.heard), fake.heard)
    check("plain: nothing is changed there", not any(
        word in line for line in fake.heard for word in [b"SELECT", b"STORE", b"EXPUNGE"]))
    against("endless", {b"FETCH": [b"* 1 FETCH (X "] + [b"y" * 65536] * 40}, "more than is allowed")
    against("huge", {b"UID FETCH": [b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n"]},
            "more than is allowed")
    against("flood", {b"FETCH": [b"* 1 RECENT\r\n" * 1000] * 100}, "more than is allowed")
    against("nested", {b"FETCH": [b"* 1 FETCH (X " + b"(" * 5000 + b"\r\n"]}, "makes no sense")
    against("folders", {b"LIST": [b'* LIST () "/" f%d\r\n' % n for n in range(10_001)]},
            "too many folders")
    against("short", {b"UID FETCH": [b"* 1 FETCH (UID 1 BODY[] {3}\r\na\r\n)\r\n"]},
            "1 messages imported, 0 were there before, 1 left out")
    against("other", {b"UID FETCH": [b"* 9 FETCH (UID 9 BODY[] {3}\r\na\r\n)\r\n"] * 100},
            "2 left out")
    against("bye", {b"EXAMINE": [b"* BYE enough\r\n"]}, "enough")
    # A password is not for everybody on the way.
    if not ELSEWHERE:
        return
    fake = Fake({}, host=ELSEWHERE)
    said = moved(f"imap://x@{ELSEWHERE}:{fake.port}", EVE, right=False)[1]
    check("no password goes out in the open", "does not secure" in said
          and not any(b"LOGIN" in line for line in fake.heard), (said, fake.heard))


if ELSEWHERE:
    # An address that is not this machine's loopback, in a namespace of our own.
    subprocess.run(["ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo"], check=True)
server.start()
own()
process = dovecot()
try:
    from_dovecot()
finally:
    process.terminate()
    process.wait(20)
hostile()
server.remove()
shutil.rmtree(work, ignore_errors=True)
finish()
