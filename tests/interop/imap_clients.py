"""IMAP with clients that people have: imaplib, IMAPClient, curl, mbsync, offlineimap, fetchmail,
getmail, neomutt."""

import email
import imaplib
import os
import pathlib
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from harness import PASSWORD, ROOT, Server, check, finish, free_ports, message, wait_for

sys.path.insert(0, str(ROOT / "target/python"))
import imapclient  # noqa: E402

ANN = "ann@home.example"
BEN = "ben@home.example"
CAT = "cat@home.example"
imap, imaps = free_ports(2)
server = Server(extra=f"""
[listeners.imap]
role = "imap"
addresses = ["127.0.0.1:{imap}"]
[listeners.imaps]
role = "imap"
addresses = ["127.0.0.1:{imaps}"]
implicit_tls = true
""").accounts(ANN, BEN, CAT)
unverified = ssl.create_default_context()
unverified.check_hostname = False
unverified.verify_mode = ssl.CERT_NONE
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-clients-"))


def deliver(subject, body="Hello.\r\n", to=ANN):
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        client.sendmail("bob@client.example", [to], message(subject, to=to, body=body))


def login(user=ANN, secure=False):
    if secure:
        client = imaplib.IMAP4_SSL("127.0.0.1", imaps, ssl_context=unverified)
    else:
        client = imaplib.IMAP4("127.0.0.1", imap)
    client.login(user, PASSWORD)
    return client


def run(line, **options):
    """Runs a client; gives its status and all it said."""
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          **options)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def uids(client, question="ALL"):
    return client.uid("SEARCH", None, question)[1][0].split()


def with_imaplib():
    for subject in ["one", "two", "three"]:
        deliver(subject)
    client = login()
    check("SELECT counts", client.select()[1] == [b"3"])
    check("SEARCH by subject", client.search(None, "SUBJECT", "two")[1] == [b"2"])
    check("SEARCH within a word", client.search(None, "TEXT", "hre")[1] == [b"3"])
    raw = client.fetch("1", "(RFC822)")[1][0][1]
    stored = server.raw(server.with_subject(ANN, "one")[0])
    check("FETCH gives the bytes of the copy", raw == stored, (raw, stored))
    flags = client.fetch("1", "(FLAGS)")[1][0]
    check("RFC822 sets \\Seen", b"\\Seen" in flags, flags)
    client.store("2", "+FLAGS", "(\\Flagged $Label1)")
    flags = client.fetch("2", "(FLAGS)")[1][0]
    check("STORE sets a flag and a keyword", b"$Label1" in flags and b"\\Flagged" in flags, flags)
    answer = client.append("Drafts", "(\\Draft)", '"01-Jan-2020 00:00:00 +0000"',
                           message("draft"))
    check("APPEND tells the UID", b"APPENDUID" in answer[1][0], answer)
    check("MOVE", client.uid("MOVE", uids(client)[2].decode(), "Archive")[0] == "OK")
    check("what is moved is gone", len(uids(client)) == 2)
    client.store("1", "+FLAGS", "\\Deleted")
    check("EXPUNGE", client.expunge()[1][-1] == b"1")
    names = [line.decode().split()[-1].strip('"') for line in client.list()[1]]
    check("the folders for special use are there",
          {"INBOX", "Sent", "Drafts", "Junk", "Trash", "Archive"} <= set(names), names)
    client.create("Clients/M&APw-ller")
    names = b" ".join(client.list()[1])
    check("a name in modified UTF-7", b"Clients/M&APw-ller" in names, names)
    check("a name that is not is refused, no more",
          client.create("bad&name")[0] == "NO" and client.noop()[0] == "OK")
    client.logout()
    secure = login(secure=True)
    check("implicit TLS", secure.select("Archive")[1] == [b"1"])
    secure.logout()
    plain = imaplib.IMAP4("127.0.0.1", imap)
    plain.starttls(unverified)
    plain.login(ANN, PASSWORD)
    check("STARTTLS", plain.select()[0] == "OK")
    plain.logout()
    wrong = imaplib.IMAP4("127.0.0.1", imap)
    try:
        wrong.login(ANN, "wrong")
        check("a wrong password is refused", False)
    except imaplib.IMAP4.error as error:
        check("a wrong password is refused", "AUTHENTICATIONFAILED" in str(error), error)


def with_imapclient():
    client = imapclient.IMAPClient("127.0.0.1", imap, ssl=False)
    client.login(BEN, PASSWORD)
    client.select_folder("INBOX")
    client.idle()
    begin = time.monotonic()
    deliver("pushed", to=BEN)
    said = client.idle_check(timeout=10)
    took = time.monotonic() - begin
    check("IDLE tells of a delivery", (1, b"EXISTS") in said, said)
    print(f"        after {1000 * took:.0f} ms, the delivery included")
    client.idle_done()
    rich = email.message.EmailMessage()
    rich["From"], rich["To"] = "Caf\xe9 <bob@client.example>", BEN
    rich["Subject"] = "Gr\xfc\xdfe"
    rich.set_content("Ein Text.\n")
    rich.add_alternative("<p>Ein <b>T&auml;xt</b>.</p>", subtype="html")
    rich.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="r\xe9sum\xe9.pdf")
    client.append("INBOX", rich.as_bytes(policy=email.policy.SMTP), flags=["$Work"])
    uid = client.search(["SUBJECT", "gr\xfcsse"], charset="UTF-8")
    check("SEARCH folds case", len(uid) == 1, uid)
    check("SEARCH reads HTML as text", client.search(["BODY", "T\xe4xt"], "UTF-8") == uid)
    data = client.fetch(uid, ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "BODY[2]"])[uid[0]]
    envelope, structure = data[b"ENVELOPE"], data[b"BODYSTRUCTURE"]
    check("ENVELOPE", envelope.to[0].mailbox == b"ben", envelope)
    check("BODYSTRUCTURE has both parts", structure.is_multipart and len(structure[0]) == 2,
          structure)
    check("BODY[2] is the attachment", data[b"BODY[2]"].strip() == b"JVBERg==", data)
    check("a keyword came along", b"$Work" in data[b"FLAGS"], data)
    check("SORT", client.sort(["REVERSE ARRIVAL"])[0] == uid[0])
    check("THREAD", len(client.thread()) == 2)
    usage = client.folder_status("INBOX", ["MESSAGES", "UNSEEN", "UIDNEXT", "HIGHESTMODSEQ"])
    check("STATUS", usage[b"MESSAGES"] == 2, usage)
    client.logout()


def with_curl():
    end = [f"imaps://127.0.0.1:{imaps}/INBOX", "-k", "-u", f"{BEN}:{PASSWORD}", "-sS"]
    status, text = run(["curl", *end, "-X", "SEARCH SUBJECT pushed"])
    check("curl searches", status == 0 and "SEARCH 1" in text, text)
    end[0] += ";MAILINDEX=1"
    status, text = run(["curl", *end])
    check("curl reads a message", status == 0 and "Subject: pushed" in text, text)
    end[0] = f"imaps://127.0.0.1:{imaps}/INBOX"
    given = folder / "curl.eml"
    given.write_bytes(message("from-curl"))
    status, text = run(["curl", *end, "-T", str(given)])
    check("curl appends", status == 0 and len(server.with_subject(BEN, "from-curl")) == 1, text)


def with_mbsync():
    home = folder / "mbsync"
    mail = home / "mail"
    mail.mkdir(parents=True)
    (home / "rc").write_text(f"""
IMAPAccount home
Host 127.0.0.1
Port {imap}
User {CAT}
Pass "{PASSWORD}"
SSLType None
AuthMechs LOGIN

IMAPStore there
Account home

MaildirStore here
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :there:
Near :here:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")

    def sync():
        status, text = run(["mbsync", "-c", str(home / "rc"), "-a"])
        return check("mbsync ends well", status == 0, text)

    def local(box="INBOX"):
        """Subject and flags of each message of the Maildir."""
        files = [*mail.glob(f"{box}/cur/*"), *mail.glob(f"{box}/new/*")]
        return {email.message_from_bytes(one.read_bytes())["Subject"]:
                "".join(sorted(one.name.partition(":2,")[2])) for one in files}

    for number in range(50):
        deliver(f"sync-{number}", to=CAT)
    sync()
    check("mbsync fetches all", len(local()) == 50, len(local()))
    client = login(CAT)
    client.select()
    client.store("1:10", "+FLAGS", "\\Flagged")
    client.store("11:20", "+FLAGS", "\\Deleted")
    client.expunge()
    # Changes on the other side meanwhile.
    for one in [*mail.glob("INBOX/cur/*"), *mail.glob("INBOX/new/*")]:
        subject = email.message_from_bytes(one.read_bytes())["Subject"]
        number = int(subject.split("-")[1])
        if number in range(30, 35):
            one.unlink()
        elif number in range(35, 40):
            one.rename(mail / "INBOX/cur" / (one.name.partition(":")[0] + ":2,S"))
    (mail / "INBOX/cur/1234567.new.here:2,S").write_bytes(
        message("written-here").replace(b"\r\n", b"\n"))
    deliver("arrived-meanwhile", to=CAT)
    sync()
    sync()
    client.noop()
    data = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    marks = {"\\Flagged": "F", "\\Seen": "S", "\\Deleted": "T", "\\Answered": "R", "\\Draft": "D"}
    remote = {}
    for entry in data:
        if isinstance(entry, tuple):
            subject = email.message_from_bytes(entry[1])["Subject"]
            flags = re.findall(rb"\\\w+", entry[0])
            remote[subject] = "".join(
                sorted(marks[f.decode()] for f in flags if f.decode() in marks))
    check("both sides are equal", remote == local(), (sorted(remote.items()),
                                                     sorted(local().items())))
    check("what was expunged here or there is gone", len(remote) == 37, len(remote))
    check("what was written here is there", remote.get("written-here") == "S", remote)
    client.logout()


def with_offlineimap():
    home = folder / "offlineimap"
    home.mkdir()
    (home / "rc").write_text(f"""
[general]
metadata = {home}/state
accounts = home
ui = quiet
[Account home]
localrepository = here
remoterepository = there
[Repository here]
type = Maildir
localfolders = {home}/mail
[Repository there]
type = IMAP
remotehost = 127.0.0.1
remoteport = {imap}
remoteuser = {CAT}
remotepass = {PASSWORD}
ssl = no
starttls = no
folderfilter = lambda name: name == "INBOX"
""")
    status, text = run(["offlineimap", "-o", "-c", str(home / "rc")])
    count = len([*home.glob("mail/INBOX/cur/*"), *home.glob("mail/INBOX/new/*")])
    check("offlineimap fetches all", status == 0 and count == 37, (status, count, text))


def with_fetchmail():
    box = folder / "fetched"
    rc = folder / "fetchmailrc"
    rc.write_text(f"""poll 127.0.0.1 service {imap} protocol imap username "{BEN}" \
password "{PASSWORD}" sslproto '' keep fetchall mda "cat >> {box}"
""")
    rc.chmod(0o600)
    status, text = run(["fetchmail", "--nodetach", "--nosyslog", "-f", str(rc)],
                       env={**os.environ, "HOME": str(folder), "FETCHMAILHOME": str(folder),
                            "FETCHMAILUSER": "root"})
    check("fetchmail fetches", status == 0 and b"Subject: pushed" in box.read_bytes(), text)


class Deaf(Exception):
    """getmail waits for a child of its own whose end it has overheard."""


def with_getmail():
    """It remembers what it fetched by UID: a second run brings what is new alone."""
    for number in range(8):
        try:
            return getmail_fetches(folder / f"getmail-{number}", f"for-getmail-{number}")
        except Deaf:
            pass
    check("getmail hears its own children", False)


def getmail_fetches(box, subject):
    home = box.with_suffix(".home")
    for part in ["cur", "new", "tmp"]:
        (box / part).mkdir(parents=True)
    user = ""
    if os.geteuid() == 0:
        # It delivers nothing as root.
        user = "user = nobody"
        subprocess.run(["chown", "-R", "nobody", box], check=True)
        folder.chmod(0o711)
    home.mkdir(mode=0o700)
    (home / "getmailrc").write_text(f"""[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {imap}
username = {BEN}
password = {PASSWORD}
mailboxes = ("INBOX", "Archive")
timeout = 5
[destination]
type = Maildir
path = {box}/
{user}
[options]
read_all = false
delivered_to = false
received = false
""")

    def essence(raw):
        """What getmail leaves as it is: it writes Return-Path and its own field into the header."""
        head, body = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)
        return re.findall(rb"^(?:From|To|Subject|Message-ID):.*", head, re.M), body

    def fetch():
        status, text = run(["getmail", "--getmaildir", str(home), "--rcfile", "getmailrc"])
        if "waiting child pid" in text:
            raise Deaf
        return status, text, sorted(essence(one.read_bytes()) for one in (box / "new").iterdir())

    status, text, first = fetch()
    want = sorted(essence(server.raw(one)) for one in server.messages(BEN)
                  if one["folder"] in ("INBOX", "Archive"))
    check("getmail fetches all", status == 0 and first == want and len(want) > 1,
          [pair for pair in zip(first, want) if pair[0] != pair[1]])
    deliver(subject, to=BEN)
    server.with_subject(BEN, subject)
    status, text, second = fetch()
    check("getmail fetches what is new, and that alone",
          status == 0 and len(second) == len(first) + 1
          and any(f"Subject: {subject}".encode() in fields for fields, _ in second),
          (text, len(second)))


def with_neomutt():
    rc = folder / "muttrc"
    rc.write_text(f"""set folder="imap://127.0.0.1:{imap}/"
set spoolfile="+INBOX"
set imap_user="{BEN}"
set imap_pass="{PASSWORD}"
set ssl_starttls=no
set ssl_force_tls=no
set header_cache=
set confirmappend=no
set delete=yes
set move=no
set quit=yes
""")
    line = ["neomutt", "-n", "-F", str(rc), "-e",
            "push '<tag-pattern>~s pushed<enter><tag-prefix><copy-message>+Archive<enter><quit>'"]
    tty = ["script", "-qec", " ".join(f"'{a}'" if "'" not in a else f'"{a}"' for a in line),
           "/dev/null"]
    status, text = run(tty, env={**os.environ, "TERM": "xterm", "HOME": str(folder)},
                       stdin=subprocess.DEVNULL)
    there = [one for one in server.messages(BEN)
             if one["subject"] == "pushed" and one["folder"] == "Archive"]
    check("neomutt copies a message", len(there) == 1, (status, text[-500:]))


def together():
    """Many sessions on one mailbox: what each was told makes the same picture."""
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    from imap_picture import stress

    told, truth = stress(imap, BEN, PASSWORD, sessions=8, rounds=60)
    for number, picture in enumerate(told):
        check(f"session {number} saw what the server has", picture == truth, (picture, truth))


try:
    server.start()
    with_imaplib()
    with_imapclient()
    with_curl()
    with_mbsync()
    with_offlineimap()
    with_fetchmail()
    with_getmail()
    with_neomutt()
    together()
    check("it stops with 0", server.stop() == 0)
    said = server.log.read_text()
    check("nothing in the log is an error", '"level":"ERROR"' not in said, said[-2000:])
finally:
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)
finish()
