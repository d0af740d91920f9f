"""Mailwright relaying to Mailwright, and routes: smarthost with a password, LMTP, a backup server."""

import smtplib

from harness import PASSWORD, Server, check, finish, free_ports, message, unfolded, wait_for

ANN = "ann@home.example"
far = Server(hostname="mx.far.example").accounts("dan@far.example", "hub@hub.example")
closed = free_ports(1)[0]
near = Server(extra=f"""
[dns]
servers = ["127.0.0.1:{closed}"]
timeout = "500ms"
attempts = 1
[queue]
retry_first = "1s"
[routes."far.example"]
hosts = [{{ host = "127.0.0.1", port = {far.mta} }}]
[routes."lmtp.far.example"]
hosts = [{{ host = "127.0.0.1", port = {far.lmtp}, protocol = "lmtp" }}]
[routes."backup.far.example"]
hosts = [{{ host = "127.0.0.1", port = {closed} }}]
backup = [{{ host = "127.0.0.1", port = {far.mta} }}]
[routes."hub.example"]
hosts = [{{ host = "127.0.0.1", port = {far.msa}, user = "hub@hub.example", password = "{PASSWORD}" }}]
[routes."secure.example"]
hosts = [{{ host = "127.0.0.1", port = {far.mta}, tls = "verified" }}]
""").accounts(ANN, "hub@home.example")


def submit(subject, *recipients, mail=()):
    with smtplib.SMTP("127.0.0.1", near.msa) as client:
        client.login(ANN, PASSWORD)
        text = message(subject, ANN, recipients[0])
        client.sendmail(ANN, list(recipients), text, list(mail))


try:
    far.accounts("dan@lmtp.far.example", "dan@backup.far.example", "dan@secure.example")
    near.start()
    submit("early", "dan@far.example")
    tried = wait_for(lambda: [row for row in near.json("queue", "list") if row["attempts"]], 20)
    check("a server that is down defers", tried, near.json("queue", "list"))
    near.kill()
    far.start()
    near.start()
    rows = far.with_subject("dan@far.example", "early", 30)
    check("and gets it later, across a kill", len(rows) == 1, near.json("queue", "list"))
    for name, to in [("lmtp", "dan@lmtp.far.example"), ("backup", "dan@backup.far.example")]:
        submit(name, to)
        rows = far.with_subject(to, name, 30)
        if check(f"route: {name}", len(rows) == 1, near.json("queue", "list")):
            raw = far.raw(rows[0])
            check(f"{name}: two Received", len(unfolded(raw, "Received")) == 2, raw)
    submit("urgent", "dan@far.example", mail=["MT-PRIORITY=3"])
    rows = far.with_subject("dan@far.example", "urgent", 30)
    received = unfolded(far.raw(rows[0]), "Received") if rows else []
    check("a priority is kept", len(received) == 2 and "PRIORITY 3" in received[1], received)
    check("and told to the next server, where we are a stranger and get none",
          len(received) == 2 and "PRIORITY 0" in received[0], received)
    submit("reuse", "dan@far.example")
    check("the queue empties", wait_for(lambda: near.json("queue", "list") == [], 30),
          near.json("queue", "list"))
    submit("secure", "dan@secure.example")
    tried = wait_for(lambda: [row for row in near.json("queue", "list") if row["attempts"]], 20)
    check("a certificate that nobody vouches for is not enough where it must be verified", tried)
    check("and nothing was sent", not far.messages("dan@secure.example"))
    submit("hub", "hub@hub.example")
    shown = wait_for(lambda: [row for row in near.json("queue", "list")
                              if row["recipient"] == "hub@hub.example" and row["attempts"]]
                     or far.messages("hub@hub.example") or near.messages(ANN), 20)
    log = far.log.read_text()
    check("a smarthost gets the login", shown and "hub@hub.example" in log, log[-800:])
    for one in [near, far]:
        check("it stops with 0", one.stop() == 0)
        check("it never panicked", "panicked" not in one.log.read_text())
finally:
    near.remove()
    far.remove()
finish()
