"""The door for strangers: lists in the DNS, greylisting and rates; and what an account may send."""

import smtplib
import subprocess

from dns_world import RESOLVER, Dns
from harness import PASSWORD, Server, check, finish, message, unfolded, wait_for

ANN = "ann@home.example"
world = Dns()


def listed(zone, *entries):
    """A zone in which these last octets of 127.0.0.x have these answers."""
    lines = [f"{octet}.0.0.127 A {answer}" for octet, answer in entries]
    world.zone(zone, "\n".join(lines), signed=False)


listed("bad.example", (20, "127.0.0.2"), (21, "127.0.0.10"), (22, "127.255.255.254"),
       (26, "127.0.0.2"))
listed("tag.example", (23, "127.0.0.3"))
listed("score.example", (24, "127.0.0.3"), (25, "127.0.0.3"))
listed("more.example", (25, "127.0.0.4"))
listed("good.example", (26, "127.0.5.1"))
world.broken("broken.example")
world.silent("silent.example")
world.zone("home.example", "@ MX 10 mx\nmx A 127.0.0.1", signed=False)
LISTS = "\n".join(f"""[[door.lists]]
zone = "{zone}"
action = "{action}"
{more}""" for zone, action, more in [
    ("bad.example", "reject", 'answers = ["127.0.0.2/32"]'), ("tag.example", "tag", ""),
    ("score.example", "score", "score = 2"), ("more.example", "score", "score = 3"),
    ("good.example", "allow", ""), ("broken.example", "reject", ""), ("silent.example", "reject", ""),
])
DNS = f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "5s"
attempts = 1
"""
lists = Server(extra=f'{DNS}[door]\nlist_timeout = "500ms"\n{LISTS}').accounts(ANN)
grey = Server(extra=f"""{DNS}
[door]
greylist = true
greylist_wait = "1s"
sender_per_hour = 6
[[door.lists]]
zone = "good.example"
action = "allow"
[submission]
recipients_per_hour = 4
[queue]
retry_first = "1m"
""").accounts(ANN)


def send(server, source, subject, sender="bob@far.example", to=ANN):
    """Sends as a stranger at an address; gives code and text of the first refusal, or of the end."""
    with smtplib.SMTP("127.0.0.1", server.mta, source_address=(source, 0)) as client:
        client.ehlo("client.example")
        for code, text in (client.mail(sender), client.rcpt(to)):
            if code != 250:
                return code, text.decode()
        code, text = client.data(message(subject, sender, to))
        return code, text.decode()


def marks(server, subject):
    rows = server.with_subject(ANN, subject)
    return unfolded(server.raw(rows[0]), "X-Mailwright-Listed") if rows else None


def the_lists():
    for octet, name, wanted in [
        (19, "a stranger on no list", 250), (20, "one on a list", 550),
        (21, "one whose answer does not count", 250), (22, "an error of a list", 250),
        (23, "one that is marked", 250), (24, "one with a small score", 250),
        (25, "one with too much", 550), (26, "one that another list vouches for", 250),
    ]:
        code, text = send(lists, f"127.0.0.{octet}", f"list {octet}")
        check(f"{name}: {wanted}", code == wanted, (code, text))
        if wanted == 550:
            right = text.startswith("5.7.1") and ("bad.example" in text or "more.example" in text)
            check(f"{name}: is told which", right, text)
    code, text = send(lists, "127.0.0.20", "sorry", to="postmaster@home.example")
    check("who is listed reaches the postmaster", code == 250, (code, text))
    check("a mark is in the message", marks(lists, "list 23") == ["tag.example=127.0.0.3"],
          marks(lists, "list 23"))
    check("a score, too", marks(lists, "list 24") == ["score.example=127.0.0.3"],
          marks(lists, "list 24"))
    check("and none where nothing is", marks(lists, "list 26") == [], marks(lists, "list 26"))
    with smtplib.SMTP("127.0.0.1", lists.msa, source_address=("127.0.0.20", 0)) as client:
        client.login(ANN, PASSWORD)
        check("our own users are not asked for", client.sendmail(ANN, [ANN], message("own", ANN, ANN))
              == {})
    log = lists.log.read_text()
    check("a list that refuses to answer is told of", "refuses to answer us" in log)
    check("and one that does not answer", log.count("does not answer") >= 2)
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{lists.mta}", "--from", "b@far.example",
                           "--to", ANN, "--local-interface", "127.0.0.20"],
                          capture_output=True, text=True)
    check("swaks sees it as well", "550 5.7.1" in done.stdout, done.stdout[-600:])


def the_greylist():
    code, text = send(grey, "127.0.0.30", "grey")
    check("who writes for the first time waits", code == 450 and text.startswith("4.7.1"), text)
    check("a list vouches for another", send(grey, "127.0.0.26", "vouched")[0] == 250)
    code = wait_for(lambda: send(grey, "127.0.0.30", "grey")[0] == 250, 10, 1.1)
    check("and is let in when it comes again", code)
    check("and from then on", send(grey, "127.0.0.30", "again", "bob@far.example")[0] == 250)
    check("another sender waits", send(grey, "127.0.0.30", "x", "eve@far.example")[0] == 450)
    codes = [send(grey, "127.0.0.26", f"much {n}", "much@far.example") for n in range(8)]
    check("a sender has a rate", [code for code, _ in codes] == [250] * 6 + [450] * 2, codes)
    check("and is told of it", "Too much mail" in codes[-1][1], codes[-1])


def the_limit():
    with smtplib.SMTP("127.0.0.1", grey.msa) as client:
        client.login(ANN, PASSWORD)
        others = [f"r{n}@nowhere.example" for n in range(6)]
        refused = client.sendmail(ANN, others, message("bulk", ANN, others[0]))
        check("an account has a limit of recipients", sorted(refused) == others[4:], refused)
        right = all(code == 450 and text.startswith(b"4.7.1") for code, text in refused.values())
        check("past it there is 450 4.7.1", right, refused)
        try:
            client.sendmail(ANN, ["x@nowhere.example"], message("more", ANN))
            check("it may send no more", False)
        except smtplib.SMTPRecipientsRefused:
            check("it may send no more", True)
    rows = grey.json("audit", "list", "--kind", "over_limit")
    check("the audit log has it once", len(rows) == 1 and rows[0]["who"] == ANN, rows)
    rows = grey.with_subject(ANN, f"{ANN} sends more than it may")
    check("the postmaster is told", len(rows) == 1, grey.messages(ANN))


try:
    world.start()
    lists.start()
    grey.start()
    the_lists()
    the_greylist()
    the_limit()
    for one in [lists, grey]:
        check("it stops with 0", one.stop() == 0)
        check("it never panicked", "panicked" not in one.log.read_text())
finally:
    lists.remove()
    grey.remove()
finish()
