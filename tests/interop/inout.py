"""Messages in and out, with python's mailbox module as the other program; backup and restore."""

import json
import mailbox
import os
import pathlib
import pty
import shutil
import smtplib
import sqlite3
import ssl
import subprocess
import tarfile
import tempfile
import threading

from harness import PASSWORD, Server, check, finish, message, wait_for

ANN, BEN, CYD, DAN = (f"{name}@home.example" for name in ["ann", "ben", "cyd", "dan"])
work = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-inout-"))
server = Server().accounts(ANN, BEN, CYD, DAN)
unverified = ssl.create_default_context()
unverified.check_hostname = False
unverified.verify_mode = ssl.CERT_NONE

BODIES = [
    "Hello.\n",
    "\nFrom here on it is dark.\n\nFrom there too.\n",
    ">From one\n>>From two\n",
    "8-bit: \u00fc\n",
    "no end",
    "",
]


def text(number):
    body = BODIES[number % len(BODIES)]
    return (f"From: bob@client.example\nTo: {ANN}\nSubject: number {number}\n"
            f"Date: Tue, 24 Nov 2026 06:00:{number:02} +0000\n\n{body}").encode()


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def imported(*arguments, account=ANN):
    """Runs an import; gives what it printed."""
    done = server.run("import", account, *map(str, arguments))
    check(f"import {arguments}", done.returncode == 0, done.stdout + done.stderr)
    return done.stdout.strip()


def stored(account, folder="INBOX"):
    """The messages of a folder as rows with their bytes."""
    rows = server.json("message", "list", account, "--folder", folder)
    return [(row, server.raw(row)) for row in rows]


def is_sound(name, where=None):
    done = (where or server).run("doctor", "store", "--json")
    report = json.loads(done.stdout) if done.stdout else {}
    check(f"doctor store is content {name}",
          done.returncode == 0 and report.get("findings") == [], done.stdout + done.stderr)
    return report


def from_mbox():
    path = work / "old.mbox"
    box = mailbox.mbox(path)
    for number in range(12):
        one = mailbox.mboxMessage(text(number))
        one.set_from("bob@client.example Tue Nov 24 05:00:%02d 2026" % number)
        if number == 1:
            one.set_flags("RFA")
        box.add(one)
    box.flush()
    check("mbox: all come", imported(path) == "12 messages imported, 0 were there before")
    got = stored(ANN)
    # The module quotes `From ` in a body, and nothing else: one level of `>` goes.
    for number, (row, raw) in enumerate(got):
        want = crlf(text(number)).replace(b">From one", b"From one").replace(b">>From", b">From")
        want = want if want.endswith(b"\r\n") else want + b"\r\n"
        check(f"mbox: message {number}", raw == want, (raw, want))
        check(f"mbox: date {number}", row["received"].startswith(f"2026-11-24T05:00:{number:02}"),
              row)
    check("mbox: flags", sorted(got[1][0]["flags"]) == ["\\Answered", "\\Flagged", "\\Seen"], got[1])
    check("mbox: once only", imported(path) == "0 messages imported, 12 were there before")
    check("mbox: still 12", len(stored(ANN)) == 12)
    # mboxcl2: the length says where a body ends. A line that begins a message may be odd.
    odd = work / "odd.mbox"
    body = b"\nFrom nobody Tue Nov 24 05:00:00 2026\n\nSubject: not one\n"
    odd.write_bytes(b"From x Tue Nov 24 05:00:00 2026\nSubject: cl2\nContent-Length: %d\n\n%s\n"
                    % (len(body), body) + b"From ???\nSubject: odd\n\nbody\n")
    check("mboxcl2 and odd: two", imported(odd, "--folder", "Odd/Box").startswith("2 messages"))
    got = stored(ANN, "Odd/Box")
    check("mboxcl2: the body is whole", len(got) == 2 and got[0][1].endswith(crlf(body)), got)
    check("an odd line begins a message", got[-1][1] == b"Subject: odd\r\n\r\nbody\r\n", got)


def from_maildir():
    path = work / "maildir"
    box = mailbox.Maildir(path)
    for number in range(6):
        one = mailbox.MaildirMessage(text(number))
        one.set_date(1_700_000_000 + number)
        one.set_flags(["", "S", "FS", "RS", "DT", "P"][number])
        if number:
            one.set_subdir("cur")
        box.add(one)
    sub = box.add_folder("Work.2024")
    sub.add(mailbox.MaildirMessage(text(7)))
    check("Maildir: all come", imported(path, account=BEN).startswith("7 messages imported, 0 "))
    got = {raw: row for row, raw in stored(BEN)}
    names = [[], ["\\Seen"], ["\\Flagged", "\\Seen"], ["\\Answered", "\\Seen"],
             ["\\Deleted", "\\Draft"], ["$Forwarded"]]
    for number in range(6):
        row = got.get(crlf(text(number)))
        check(f"Maildir: message {number}", row is not None, list(got))
        if row:
            check(f"Maildir: flags {number}", sorted(row["flags"]) == names[number], row)
            check(f"Maildir: date {number}", row["received"].startswith("2023-11-14T22:13:2"), row)
    check("Maildir: a subfolder", [raw for _, raw in stored(BEN, "Work/2024")] == [crlf(text(7))])
    check("Maildir: once only", imported(path, account=BEN).startswith("0 messages imported, 7 "))


def goes_on():
    """An import that is killed in the middle goes on where it was; a terminal sees a bar."""
    path = work / "long.mbox"
    path.write_bytes(b"".join(b"From x Tue Nov 24 05:00:00 2026\nSubject: %d\n\n%s\n\n"
                              % (number, b"x" * 2000) for number in range(3000)))
    running = subprocess.Popen(server.line("import", CYD, str(path), "--folder", "Long"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = ["message", "list", CYD, "--folder", "Long"]
    wait_for(lambda: server.run(*rows).stdout.count("\n") > 10, pause=0.01)
    running.kill()
    running.wait()
    there, here = pty.openpty()
    done = subprocess.run(server.line("import", CYD, str(path), "--folder", "Long"), stderr=here,
                          stdout=subprocess.PIPE, timeout=120)
    os.close(here)
    shown = os.read(there, 1 << 16)
    os.close(there)
    check("the second run ends well", done.returncode == 0, done.stdout)
    check("a bar is shown", b"[#" in shown and b"%" in shown, shown)
    # The server may still have been at the first run's last messages, so their order may differ.
    subjects = sorted((row["subject"] for row in server.json(*rows)), key=int)
    check("each message is there once", subjects == [str(n) for n in range(3000)],
          (len(subjects), done.stdout))


def from_eml():
    folder = work / "eml" / "Trips"
    folder.mkdir(parents=True)
    (folder.parent / "one.eml").write_bytes(crlf(text(0)))
    (folder / "two.eml").write_bytes(text(3))
    check("eml: both", imported(work / "eml", account=CYD).startswith("2 messages imported"))
    got = stored(CYD)
    check("eml: the bytes", [raw for _, raw in got] == [crlf(text(0))], got)
    check("eml: the date", got and got[0][0]["received"].startswith("2026-11-24T06:00:00"), got)
    check("eml: a folder", [raw for _, raw in stored(CYD, "Trips")] == [crlf(text(3))])


def exported(account, kind):
    target = work / f"{account}-{kind}"
    done = server.run("export", account, str(target), "--format", kind)
    check(f"export {kind}", done.returncode == 0, done.stdout + done.stderr)
    return target


def out():
    target = exported(BEN, "maildir")
    box = mailbox.Maildir(target, create=False)
    want = {raw: row for row, raw in stored(BEN)}
    got = {box.get_bytes(key): box[key] for key in box.keys()}
    check("Maildir out: the bytes", set(got) == set(want), (set(got), set(want)))
    for raw, row in want.items():
        letters = "".join(sorted(letter for letter, flag in [
            ("D", "\\Draft"), ("F", "\\Flagged"), ("P", "$Forwarded"), ("R", "\\Answered"),
            ("S", "\\Seen"), ("T", "\\Deleted")] if flag in row["flags"]))
        check("Maildir out: flags", raw in got and got[raw].get_flags() == letters, row)
        check("Maildir out: date", raw in got and 1_700_000_000 <= got[raw].get_date() < 1_700_000_006)
    check("Maildir out: subfolders", "Work.2024" in box.list_folders(), box.list_folders())
    target = exported(ANN, "mbox")
    box = mailbox.mbox(target / "INBOX.mbox", create=False)
    check("mbox out: all", len(box) == 12, len(box))
    check("mbox out: flags", sorted(box[1].get_flags()) == sorted("ROAF"), box[1].get_flags())
    check("mbox out: date", "Tue Nov 24 05:00:03 2026" in box[3].get_from(), box[3].get_from())
    check("mbox in again: all new for another", imported(target, account=DAN).startswith("14 "))
    same = [raw for _, raw in stored(DAN)] == [raw for _, raw in stored(ANN)]
    check("mbox out and in: the same bytes", same)
    flags = [[row["flags"] for row, _ in stored(account)] for account in (ANN, DAN)]
    check("mbox out and in: the same flags", flags[0] == flags[1], flags)
    target = exported(CYD, "eml")
    files = sorted(target.rglob("*.eml"))
    check("eml out", [one.read_bytes() for one in files] == [crlf(text(0)), crlf(text(3))], files)
    done = server.run("export", CYD, str(target))
    check("what is there is not written over", done.returncode == 1, done.stderr)
    done = server.run("import", "no@home.example", str(target))
    check("an unknown account is told", done.returncode == 1 and "no account" in done.stderr, done)


def restored(source, *options):
    """A server whose data come from a backup."""
    data = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-restored-"))
    other = Server(data=data)
    done = other.run("restore", str(source), *options)
    check(f"restore {source.name}", done.returncode == 0, done.stdout + done.stderr)
    return other


def arrives():
    """Mail that came over the wire, for one and for several, and mail that stays queued."""
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        client.sendmail("bob@client.example", [BEN], message("by-wire"))
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", [BEN, CYD], message("by-wire"))
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.starttls(context=unverified)
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["x@nowhere.invalid", DAN], message("by-msa", ANN))
    check("mail arrives", len(server.with_subject(BEN, "by-wire", count=2)) == 2)
    server.with_subject(DAN, "by-msa")


def backups():
    arrives()
    is_sound("before")
    (work / "load").mkdir()
    stop, added = threading.Event(), []

    def load():
        while not stop.is_set():
            one = work / "load" / f"{len(added)}.eml"
            one.write_bytes(text(len(added)))
            done = server.run("import", DAN, str(one), "--folder", "Load")
            if done.returncode == 0:
                added.append(crlf(text(len(added))))

    runner = threading.Thread(target=load)
    runner.start()
    before = len(added)
    try:
        for target in [work / "backup", work / "backup.tar"]:
            before = len(added)
            done = server.run("backup", str(target))
            check(f"backup {target.name}", done.returncode == 0, done.stdout + done.stderr)
    finally:
        stop.set()
        runner.join()
    done = server.run("backup", str(work / "backup"))
    check("a backup is not written over", done.returncode == 1, done.stderr)
    with tarfile.open(work / "backup.tar") as archive:
        names = archive.getnames()
    check("tar reads it", "mailwright.db" in names, names)
    inbox = stored(ANN)
    for source in [work / "backup", work / "backup.tar"]:
        other = restored(source)
        report = is_sound(f"after restore of {source.name}", other)
        check("there is mail in it", report.get("messages", 0) >= 30, report)
        rows = other.json("message", "list", ANN, "--folder", "INBOX")
        check("the same bytes", [other.raw(row) for row in rows] == [raw for _, raw in inbox])
        done = other.run("restore", str(source))
        check("a full folder is not restored to", done.returncode == 1, done.stderr)
        other.remove()
    rows = restored(work / "backup.tar", "--same-uids").json("message", "list", DAN)
    check("what was acknowledged before is in it",
          len([row for row in rows if row["folder"] == "Load"]) >= before, (len(rows), before))


def mends():
    server.stop()
    line = ["UPDATE mailbox SET total = 99 WHERE name = 'INBOX'", "UPDATE body SET refs = 7"]
    with sqlite3.connect(server.data / "mailwright.db") as database:
        for sql in line:
            database.execute(sql)
    done = server.run("doctor", "store")
    check("doctor tells wrong counters", done.returncode == 1 and "counters: folder INBOX"
          in done.stdout and "uses: body" in done.stdout, done.stdout[:500] + done.stderr)
    done = server.run("doctor", "store", "--mend")
    check("doctor mends them", done.returncode == 0 and "(mended)" in done.stdout,
          done.stdout[:500] + done.stderr)
    is_sound("after mending")


# Without a server first, then through one that runs.
from_mbox()
server.start()
from_maildir()
from_eml()
out()
goes_on()
backups()
mends()
server.remove()
shutil.rmtree(work, ignore_errors=True)
finish()
