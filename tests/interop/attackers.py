"""Attackers: password guesses, blocks over a restart, and what the audit log has of it all."""

import base64
import imaplib
import poplib
import smtplib
import socket
import subprocess

from harness import PASSWORD, Server, check, finish, free_ports, message, wait_for

ANN = "ann@home.example"
EVIL = "127.0.0.66"
imap, pop3 = free_ports(2)
server = Server(extra=f"""
[auth]
never_block = ["127.0.0.1/32"]
block_after = 5
block_sites = 2
throttle_after = 1000
[listeners.imap]
role = "imap"
addresses = ["127.0.0.1:{imap}"]
[listeners.pop3]
role = "pop3"
addresses = ["127.0.0.1:{pop3}"]
""").accounts(ANN)


def greets(port, source):
    """What a port says to a client at `source`; empty when it hangs up."""
    one = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    try:
        return one.makefile("rb").readline()
    except OSError:
        return b""
    finally:
        one.close()


def guess(source, times):
    """Guesses a password, two to a session."""
    for _ in range(times):
        try:
            with smtplib.SMTP("127.0.0.1", server.msa, source_address=(source, 0)) as client:
                client.ehlo()
                token = base64.b64encode(f"\0{ANN}\0wrong".encode()).decode()
                client.docmd("AUTH", f"PLAIN {token}")
        except (OSError, smtplib.SMTPException):
            return


def kinds(kind=None):
    more = ["--kind", kind] if kind else []
    return server.json("audit", "list", *more)


def blocked():
    return {row["network"]: row for row in server.json("block", "list")}


try:
    server.start()
    for _ in range(3):
        with smtplib.SMTP("127.0.0.1", server.msa) as client:
            client.login(ANN, PASSWORD)
            client.sendmail(ANN, [ANN], message("hello", ANN, ANN))
    rows = kinds("login")
    check("a login is told once an hour", len(rows) == 1 and rows[0]["who"] == ANN
          and rows[0]["peer"] == "127.0.0.1", rows)
    rows = kinds("admin")
    check("so is what was done before", any("Domain" in row["detail"] and "home.example" in
                                            row["detail"] for row in rows), rows)
    check("with no password in it", PASSWORD not in str(rows), rows)
    guess(EVIL, 4)
    check("a few guesses block nobody", blocked() == {} and greets(server.msa, EVIL), blocked())
    guess(EVIL, 4)
    found = blocked()
    check("more do", list(found) == [f"{EVIL}/32"] and found[f"{EVIL}/32"]["automatic"], found)
    for name, port in [("msa", server.msa), ("mta", server.mta), ("imap", imap), ("pop3", pop3)]:
        check(f"{name} says nothing to it", greets(port, EVIL) == b"")
        check(f"{name} greets others", greets(port, "127.0.0.1") != b"")
    with imaplib.IMAP4("127.0.0.1", imap) as client:
        check("whose passwords still work", client.login(ANN, PASSWORD)[0] == "OK")
    guess("127.0.0.1", 12)
    check("networks that are exempt are never blocked", list(blocked()) == [f"{EVIL}/32"], blocked())
    rows = kinds("login_failed")
    check("guesses are told, fewer and fewer", [row["detail"].split()[1] for row in rows
          if row["peer"] == EVIL] == ["4", "2", "1"], rows)
    check("and blocks", [row["peer"] for row in kinds("blocked")] == [f"{EVIL}/32"], kinds())
    check("it stops", server.stop() == 0)
    server.start()
    check("a block survives a restart", greets(server.msa, EVIL) == b"")
    guess("127.0.0.67", 8)
    check("two addresses of a network block it", "127.0.0.0/24" in blocked(), blocked())
    check("others of it are shut out, too", greets(server.mta, "127.0.0.99") == b"")
    for network in blocked():
        done = server.run("block", "remove", network)
        check(f"{network} is released", done.returncode == 0, done.stderr)
    check("and may come again", greets(server.msa, EVIL) != b"")
    done = server.run("block", "add", "127.0.0.128/25", "--hours", "2", "--reason", "a test")
    check("a network is blocked by hand", done.returncode == 0, done.stderr)
    check("all of it", greets(server.mta, "127.0.0.200") == b"")
    check("and no more", greets(server.mta, "127.0.0.100") != b"")
    for line in [["block", "add", "nonsense"], ["block", "remove", "192.0.2.1"]]:
        done = server.run(*line)
        check(f"{line} is refused", done.returncode == 1 and done.stderr, done)
    swaks = subprocess.run(["swaks", "--server", f"127.0.0.1:{server.msa}", "--from", ANN, "--to",
                            ANN, "--auth", "PLAIN", "--auth-user", ANN, "--auth-password", PASSWORD,
                            "--local-interface", "127.0.0.200"], capture_output=True, text=True)
    check("swaks gets nowhere from there", swaks.returncode != 0, swaks.stdout[-600:])
    pop = poplib.POP3("127.0.0.1", pop3)
    pop.user(ANN)
    check("others read on", pop.pass_(PASSWORD).startswith(b"+OK"))
    pop.quit()
    check("what was done is told", wait_for(lambda: any("127.0.0.128/25" in row["detail"] for row in
                                                        kinds("admin"))), kinds("admin"))
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
finish()
