"""The command line as scripts use it: with the server running and without, and its JSON fields."""

import fcntl
import json
import sqlite3
import subprocess
import threading

from harness import BINARY, PASSWORD, Server, check, finish, refused, wait_for, message
import smtplib

server = Server(extra='[relay]\nport = 1\n[dns]\nservers = ["127.0.0.1:1"]\ntimeout = "1s"\n')


def fields(rows, names):
    return rows and all(set(names) <= set(row) for row in rows)


def domains():
    """The domain names that `domain list` prints."""
    return [line.split()[0] for line in server.run("domain", "list").stdout.splitlines() if line]


try:
    server.accounts("ann@home.example")
    check("commands work without a server", "home.example" in domains())
    loose = [str(path) for path in [server.data, *server.data.rglob("*")]
             if path.lstat().st_mode & 0o077]
    check("nothing in the data folder is for others", not loose, loose)
    server.start()
    server.accounts("bea@second.example")
    check("commands work while it runs, at once", "second.example" in domains())
    rows = server.json("account", "list")
    check("accounts have address and created", fields(rows, ["address", "created"]), rows)
    names = {row["address"] for row in rows}
    check("both accounts are there", {"ann@home.example", "bea@second.example"} <= names, names)

    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", ["bea@second.example"], message("one"))
    rows = server.with_subject("bea@second.example", "one")
    wanted = ["id", "folder", "from", "to", "subject", "size", "received", "flags"]
    if check("messages have their fields", fields(rows, wanted), rows):
        raw = server.raw(rows[0])
        check("a copy ends with the bytes that were sent", raw.endswith(message("one")), raw)
        check("size is that of the copy", rows[0]["size"] == len(raw), (rows[0], len(raw)))
        folder = server.json("message", "list", "bea@second.example", "--folder", "INBOX")
        check("a folder can be named", len(folder) == 1, folder)

    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login("ann@home.example", PASSWORD)
        to = ["eve@elsewhere.example"]
        client.sendmail("ann@home.example", to, message("two", "ann@home.example"))
    rows = server.json("queue", "list")
    wanted = ["id", "message", "recipient", "state", "due", "attempts", "last_reply"]
    if check("the queue's rows have their fields", fields(rows, wanted), rows):
        row = str(rows[0]["id"])
        tried = wait_for(lambda: server.json("queue", "list")[0]["attempts"] >= 1)
        check("a temporary failure of DNS defers", tried, server.json("queue", "list"))
        check("queue show explains", "elsewhere.example" in server.run("queue", "show", row).stdout)
        server.run("queue", "hold", row)
        held = server.json("queue", "list")
        check("queue hold holds", held and "h" in held[0]["state"][:1], held)
        counts = server.json("events", "--hours", "2")
        check("events are counted by hour and kind", fields(counts, ["hour", "kind", "count"])
              and any(one["kind"] == "held" and one["count"] == 1 for one in counts), counts)
        check("queue release", server.run("queue", "release", row).returncode == 0)
        check("queue retry", server.run("queue", "retry", row).returncode == 0)
        done = wait_for(lambda: server.run("queue", "delete", row).returncode == 0, 10)
        check("queue delete", done and not server.json("queue", "list"))

    done = server.run("sendmail", "-i", "-f", "ann@home.example", "bea@second.example",
                      text="Subject: three\n\nline\n.\nafter the dot\n")
    check("sendmail takes a message", done.returncode == 0, done.stderr)
    rows = server.with_subject("bea@second.example", "three")
    check("and it arrives whole", rows and b"after the dot" in server.raw(rows[0]), rows)
    done = server.run("sendmail", "-t", "-i", "-f", "ann@home.example",
                      text="To: bea@second.example\nBcc: ann@home.example\nSubject: four\n\nx\n")
    check("sendmail -t reads the recipients", done.returncode == 0, done.stderr)
    rows = server.with_subject("ann@home.example", "four")
    check("Bcc gets a copy, without the field", rows and b"bcc" not in server.raw(rows[0]).lower())
    check("so does To", len(server.with_subject("bea@second.example", "four")) == 1)

    # A hash from elsewhere opens the account, and is replaced by ours at the first login.
    made = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", PASSWORD],
                          capture_output=True, text=True).stdout.strip()
    done = server.run("account", "add", "old@home.example", "--password-stdin", "--hash",
                      text="{SHA512-CRYPT}" + made + "\n")
    check("account add --hash takes a hash from elsewhere", done.returncode == 0, done.stderr)
    done = server.run("account", "add", "bad@home.example", "--password-stdin", "--hash",
                      text="{MD5}1B2M2Y8AsgTpgAmY7PhCfg==\n")
    check("but none of a kind that is not known", done.returncode and done.stderr, done)

    def stored():
        with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
            return [row[0] for row in rows.execute("SELECT hash FROM credential")]
    check("it is kept as it came", any("$6$" in one for one in stored()), stored())
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        check("the old password opens it", client.login("old@home.example", PASSWORD)[0] == 235)
    check("and becomes argon2id", wait_for(
        lambda: all("argon2id" in one for one in stored()), 10), stored())
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        check("which opens it as well", client.login("old@home.example", PASSWORD)[0] == 235)
    done = server.run("account", "password", "old@home.example", "--password-stdin", text="new one\n")
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        check("a new password takes effect at once", refused(
            client.login, "old@home.example", PASSWORD) == 535 and done.returncode == 0)

    for name, line in [("an unknown account", ("message", "list", "nobody@home.example")),
                       ("a domain that is none", ("domain", "add", "not a domain")),
                       ("an id that is none", ("queue", "show", "0000000000000")),
                       ("a folder that is none",
                        ("message", "list", "bea@second.example", "--folder", "Nope")),
                       ("an account twice", ("account", "add", "ann@home.example")),
                       ("a command that is none", ("quue", "list"))]:
        done = server.run(*line)
        check(f"{name}: an error on stderr, non-zero", done.returncode and done.stderr, done)

    other = subprocess.run(server.line("serve"), capture_output=True, text=True, timeout=20)
    check("a second server is refused the data", other.returncode != 0 and other.stderr, other)

    check("it stops with 0", server.stop() == 0)
    rows = server.messages("bea@second.example")
    check("mail can be listed after the stop", len(rows) == 3, rows)
    check("domain remove", server.run("domain", "add", "third.example").returncode == 0
          and server.run("domain", "remove", "third.example").returncode == 0
          and "third.example" not in domains())

    with open(server.data / "lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        free = threading.Timer(0.5, lambda: fcntl.flock(held, fcntl.LOCK_UN))
        free.start()
        server.start()
        free.join()
    wait_for(lambda: server.log.read_text().count("Server started.") == 2)
    check("a server waits for a command that has the folder", "home.example" in domains())
    check("and stops with 0", server.stop() == 0)

    check("config check is content", server.run("config", "check").returncode == 0)
    shown = server.run("config", "show").stdout
    check("config show shows what is in force", str(server.mta) in shown, shown)
    check("config docs is the reference", "`message_size_max`" in server.run("config", "docs").stdout)
    broken = server.data.with_suffix(".broken.toml")
    broken.write_text('[server]\nhostnam = "x"\n')
    done = subprocess.run([str(BINARY), "--config", str(broken), "config", "check"],
                          capture_output=True, text=True)
    for part in [broken.name, "2", "hostnam", "did you mean `hostname`"]:
        check(f"an error of the file names {part}", done.returncode and part in done.stderr, done)
    broken.unlink()

    def checked(text, *options):
        return subprocess.run([str(BINARY), "check", "-", *options], input=text,
                              capture_output=True, text=True)

    page = ("From: ann@home.example\nSubject: Hi\nMIME-Version: 1.0\nContent-Type: text/html\n\n"
            "<style>p{display:grid}</style><p>x <a href='http://localhost/'>y</a>\n")
    done = checked(page, "--fail-on", "links.broken>0", "--json")
    found = json.loads(done.stdout)[0]
    check("check fails on what it was told to", done.returncode == 1 and found["failures"], done)
    grid = [one for one in found["features"] if one["slug"] == "css-display-grid"]
    check("check names a feature with its line", grid and grid[0]["places"][0][0] == 1, found)
    check("check names the rule of a missing date",
          "MISSING_DATE" in [rule["name"] for rule in found["spam"]], found)
    check("check is content without a condition", checked(page).returncode == 0)
    done = checked(page, "--fail-on", "htm<90")
    check("a condition nobody counts is told", done.returncode == 2 and "htm" in done.stderr, done)
finally:
    server.remove()
finish()
