"""IMAP with imaplib and curl: mail is delivered, appended, found, changed, filed, and told at once."""

import imaplib
import smtplib
import subprocess
import time

from harness import PASSWORD, Server, check, finish, free_ports, message, wait_for

ANN = "ann@home.example"
(imap,) = free_ports(1)
server = Server(extra=f"""
[listeners.imap]
role = "imap"
addresses = ["127.0.0.1:{imap}"]
[mailboxes]
sessions_per_account_max = 4
""").accounts(ANN)
TEXT = b"From: bob@client.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nA first line.\r\n"


def login():
    client = imaplib.IMAP4("127.0.0.1", imap, timeout=30)
    client.login(ANN, PASSWORD)
    return client


try:
    server.start()
    client = login()
    names = [line.decode() for line in client.list()[1]]
    check("the folders are listed with their uses", any("\\Sent" in name for name in names), names)
    answer = client.append("INBOX", "(\\Flagged work)", None, TEXT)
    check("a message is appended", answer[0] == "OK" and b"APPENDUID" in answer[1][0], answer)
    with smtplib.LMTP("127.0.0.1", server.lmtp) as lmtp:
        lmtp.sendmail("bob@client.example", [ANN], message("second", to=ANN, body="Hello.\r\n"))
    check("both are there", client.select("INBOX")[1] == [b"2"], client.untagged_responses)
    fetched = client.fetch("1", "(BODY.PEEK[])")[1]
    check("the bytes are those that were appended", fetched[0][1] == TEXT, fetched)
    shown = client.fetch("2", "(ENVELOPE BODYSTRUCTURE PREVIEW)")[1]
    check("a delivered message is rendered", b'"second"' in shown[0] and b"Hello." in shown[0], shown)
    for query, found in [('TEXT "rst li"', b"1"), ("KEYWORD work", b"1"), ("SUBJECT second", b"2"),
                         ("NOT FLAGGED", b"2"), ('FROM "bob"', b"1 2")]:
        check(f"a search finds {query}", client.search(None, query)[1] == [found], query)
    client.literal = "GR\u00dcSSE".encode()
    check("a search folds case", client.search("UTF-8", "SUBJECT")[1] == [b"1"], "")

    watcher = login()
    watcher.select("INBOX")
    watcher.send(b"w IDLE\r\n")
    watcher.readline()
    client.append("INBOX", None, None, TEXT)
    begin = time.monotonic()
    told = watcher.readline()
    waited = time.monotonic() - begin
    check("a waiting session is told at once", told == b"* 3 EXISTS\r\n" and waited < 0.1, (told, waited))

    client.store("1:2", "+FLAGS", "(\\Deleted)")
    check("a copy keeps its place", b"COPYUID" in client.copy("1", "Archive")[1][0], "")
    check("an expunge removes both", client.expunge()[1] == [b"2", b"1"], "")
    check("the archive has one", client.status("Archive", "(MESSAGES)")[1] == [b"Archive (MESSAGES 1)"], "")
    check("a folder is made with its parent", client.create("a/b")[0] == "OK", "")
    check("a parent is not deleted", client.delete("a")[0] == "NO", "")
    check("INBOX is not deleted", client.delete("INBOX")[0] == "NO", "")

    others = [login(), login()]
    refused = ""
    try:
        login()
    except imaplib.IMAP4.error as error:
        refused = str(error)
    check("a session too many is told so", "UNAVAILABLE" in refused, refused)
    check("the first session lives on", client.noop()[0] == "OK", "")
    others[0].logout()

    def admitted():
        try:
            return login()
        except imaplib.IMAP4.error:
            return None

    check("a place is free again", wait_for(admitted, 10), "")
    others[1].logout()

    seen = subprocess.run(["curl", "-sS", "--user", f"{ANN}:{PASSWORD}",
                           f"imap://127.0.0.1:{imap}/Archive;MAILINDEX=1"], capture_output=True)
    check("curl reads the message", seen.stdout == TEXT, (seen.stdout, seen.stderr))
    check("it stops with 0", server.stop() == 0)
finally:
    server.kill()
finish()
