"""Times, binary bodies, long lines, forwards and reports, with Postfix as the other server."""

import base64
import smtplib
import time

from harness import PASSWORD, Server, Wire, check, ehlo_keywords, finish, message, wait_for
from world import RESOLVER, World

ANN = "ann@home.example"
EVA = "eva@remote.example"
world = World()
server = Server(extra=f"""
[dns]
servers = ["{RESOLVER}:53"]
timeout = "2s"
attempts = 1
[intake]
deliver_by_min = "1s"
hold_max = "1h"
[queue]
retry_first = "1s"
[relay]
connect_timeout = "2s"
""")


def submit(subject, to, mail=(), rcpt=(), body="Hello.\r\n", sender=ANN, text=None):
    """Sends as Ann; gives what the server said at the end."""
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        client.ehlo()
        code, reply = client.mail(sender, list(mail))
        if code != 250:
            return code, reply
        for one in [to] if isinstance(to, str) else to:
            code, reply = client.rcpt(one, list(rcpt))
            if code != 250:
                return code, reply
        return client.data(text or message(subject, sender, "x@y.example", body))


def from_outside(subject, sender, to, rcpt=""):
    """Sends as a stranger, to the MTA listener."""
    wire = Wire(server.mta)
    wire.say("EHLO client.example")
    replies = [wire.say(f"MAIL FROM:<{sender}>"), wire.say(f"RCPT TO:<{to}>{rcpt}")]
    replies.append(wire.say("DATA"))
    wire.send(message(subject, sender, to) + b".\r\n")
    replies.append(wire.reply())
    wire.close()
    return replies


def report(to, *lines, seconds=40):
    """Waits for a report in an account here that has all of these lines."""
    wanted = [line.lower().encode() for line in lines]

    def found():
        raws = [server.raw(one) for one in server.messages(to)]
        return [raw for raw in raws if all(line in raw.lower() for line in wanted)]

    return wait_for(found, seconds)


def keywords():
    wire = Wire(server.msa)
    msa = wire.say("EHLO client.example")
    wire.close()
    wire = Wire(server.mta)
    mta = wire.say("EHLO client.example")
    wire.close()
    both = {"DELIVERBY", "BINARYMIME", "CHUNKING", "LIMITS", "DSN", "MT-PRIORITY"}
    check("both offer times, binary bodies and limits",
          both <= ehlo_keywords(msa) and both <= ehlo_keywords(mta), msa + mta)
    check("holding is for our own users", "FUTURERELEASE" in ehlo_keywords(msa)
          and "FUTURERELEASE" not in ehlo_keywords(mta), msa + mta)
    check("the limit of messages is told", " MAILMAX=" in mta, mta)


def held():
    begin = time.time()
    code, reply = submit("held", ANN, mail=["HOLDFOR=4"])
    check("HOLDFOR is taken", code == 250, reply)
    rows = server.json("queue", "list")
    check("what is held is in the queue", len(rows) == 1 and rows[0]["attempts"] == 0, rows)
    found = server.with_subject(ANN, "held", 30)
    check("and arrives when it is released", found and time.time() - begin >= 3.5, found)
    check("not longer than is offered", submit("x", ANN, mail=["HOLDFOR=3601"])[0] == 501)
    late = submit("x", ANN, mail=["HOLDFOR=60", "BY=30;R"])
    check("not until it has to be back", late[0] == 501, late)


def times():
    submit("by-return", "x@down.example", mail=["BY=3;R"])
    found = report(ANN, "final-recipient: rfc822;x@down.example", "status: 5.4.7")
    check("a message to be back in time comes back", found, server.json("queue", "list"))
    submit("by-plain", "dan@remote.example", mail=["BY=600;R"])
    found = report(ANN, "final-recipient: rfc822;dan@remote.example", "status: 5.4.7")
    check("also from a server that keeps no time", found, world.postfix_log())
    submit("by-notify", "dan@remote.example", mail=["BY=600;NT"])
    check("to which others go", len(world.with_subject("dan", "by-notify")) == 1)
    found = report(ANN, "final-recipient: rfc822;dan@remote.example", "action: relayed")
    check("and who traces is told", found)


def bodies():
    mime = (b"MIME-Version: 1.0\r\nSubject: binary\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n\x00\x01\n\r\xff")
    wire = Wire(server.msa)
    wire.say("EHLO client.example")
    login = base64.b64encode(f"\0{ANN}\0{PASSWORD}".encode()).decode()
    wire.say(f"AUTH PLAIN {login}")
    wire.say(f"MAIL FROM:<{ANN}> BODY=BINARYMIME")
    wire.say("RCPT TO:<dan@remote.example>")
    wire.say(f"RCPT TO:<{ANN}>")
    wire.send(f"BDAT {len(mime)} LAST\r\n".encode() + mime)
    reply = wire.reply()
    wire.close()
    check("a binary message is taken", reply.startswith("250"), reply)
    copies = world.with_subject("dan", "binary")
    check("it goes to Postfix in base64", copies and b"base64" in copies[0]
          and b"AAEKDf8=" in copies[0], copies)
    mine = server.with_subject(ANN, "binary")
    check("and is kept as it is", mine and server.raw(mine[0]).endswith(mime[-5:]))
    long = "word " * 600
    submit("long", ["dan@remote.example", ANN], body=long + "\r\n")
    copies = world.with_subject("dan", "long")
    right = copies and b"quoted-printable" in copies[0] and max(map(len, copies[0].split(b"\n"))) < 999
    check("long lines go in quoted-printable", right, copies)
    mine = server.with_subject(ANN, "long")
    check("and are kept as they are", mine and (long + "\r\n").encode() in server.raw(mine[0]))
    signed = b"DKIM-Signature: v=1\r\nSubject: signed\r\n\r\n" + long.encode() + b"\r\n"
    submit("signed", "dan@remote.example", text=signed)
    found = report(ANN, "final-recipient: rfc822;dan@remote.example", "status: 5.6.3")
    check("what is signed comes back instead", found)


def priorities():
    wire = Wire(server.mta)
    said = wire.say("EHLO client.example")
    wire.say("MAIL FROM:<bob@client.example> MT-PRIORITY=7")
    wire.say(f"RCPT TO:<{ANN}>")
    wire.say("DATA")
    wire.send(message("urged") + b".\r\n")
    reply = wire.reply()
    wire.close()
    check("MT-PRIORITY is offered", "MT-PRIORITY" in ehlo_keywords(said), said)
    check("a stranger's mail is never urgent, which it is told", reply.startswith("250 2.3.6 0 "),
          reply)
    code, reply = submit("urgent", "dan@remote.example", mail=["MT-PRIORITY=7"])
    check("our users' may be", code == 250 and reply.startswith(b"2.0.0"), reply)
    copies = world.with_subject("dan", "urgent")
    check("a server without the extension finds it in the header", copies
          and b"\nMT-Priority: 7\n" in copies[0].replace(b"\r\n", b"\n"), copies)
    code, reply = submit("wrong", ANN, mail=["MT-PRIORITY=12"])
    check("there are no others", code == 501, reply)


def forwards():
    replies = from_outside("forward", EVA, "away@home.example")
    check("a forward is taken", replies[-1].startswith("250"), replies)
    copies = world.with_subject("dan", "forward")
    path = copies and copies[0].split(b"\n")[0]
    check("its reverse-path is ours", copies and b"SRS0=" in path and b"home.example" in path
          and b"=remote.example=eva@" in path, copies)
    address = path.decode().split("<")[-1].split(">")[0] if path else "x@home.example"
    replies = from_outside("back", "", address)
    check("what comes to it is taken", replies[1].startswith("250"), replies)
    check("and finds back", len(world.with_subject("eva", "back")) == 1)
    forged = address.replace("=eva@", "=dan@")
    replies = from_outside("forged", "", forged)
    check("a forged one is refused", replies[1].startswith("550"), replies)
    from_outside("lost", EVA, "lost@home.example")
    found = wait_for(lambda: [c for c in world.copies("eva") if b"nobody@remote.example" in c], 40)
    check("a failure behind a forward is told the first sender", found, world.postfix_log())


def reports():
    submit("expand", "team@home.example", rcpt=["NOTIFY=SUCCESS,FAILURE"], mail=["ENVID=E7"])
    found = report(ANN, "action: expanded", "final-recipient: rfc822;team@home.example",
                   "original-envelope-id: e7")
    check("an alias of several says that it was expanded", found)
    check("all of them get it", len(world.with_subject("dan", "expand")) == 1
          and server.with_subject(ANN, "expand"))
    submit("listed", "list@home.example", rcpt=["NOTIFY=SUCCESS"])
    found = report(ANN, "action: delivered", "final-recipient: rfc822;list@home.example")
    check("a list says that it has the message", found)
    copies = world.with_subject("dan", "listed")
    check("and sends it under its own name", copies and b"<postmaster@home.example>"
          in copies[0].split(b"\n")[0], copies)


def ids():
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        client.mail(ANN)
        client.rcpt(ANN)
        said = client.data(message("named", ANN, ANN))[1].decode()
    mine = server.with_subject(ANN, "named")
    name = said.split()[-1]
    check("Received has the id that was told", mine and f"id {name}".encode()
          in server.raw(mine[0]).replace(b"\r\n\t", b" ").replace(b"\r\n ", b" "), said)


def overload():
    """A door with most of its places taken waits a second, and forgives one error."""
    house = Server(extra="""
[timeouts]
overload = "1s"
""")
    text = house.config.read_text()
    house.config.write_text(text.replace("[limits]", "[limits]\nsessions_max = 10"))
    house.accounts(ANN).start()
    calm = Wire(house.mta)
    crowd = [Wire(house.mta) for _ in range(9)]
    hasty = crowd[-1]
    first = hasty.say("NONSENSE")
    second = hasty.send("NONSENSE\r\n") or hasty.reply() + hasty.reply()
    check("one error is forgiven under overload", first.startswith("500") and "421" in second,
          first + second)
    begin = time.monotonic()
    said = crowd[-2].reply()
    check("and a silent client has a second", said.startswith("421")
          and time.monotonic() - begin < 10, said)
    for one in [calm, *crowd]:
        one.close()
    check("afterwards all is as before", wait_for(lambda: calm_again(house), 10))
    check("the house stops with 0", house.stop() == 0)
    house.remove()


def calm_again(house):
    """Whether a new session has its errors forgiven."""
    try:
        wire = Wire(house.mta)
        wire.say("NONSENSE")
        answer = wire.say("NONSENSE")
        wire.close()
    except OSError:
        return False  # Still too many: it was hung up on.
    return answer.startswith("500")


try:
    world.start_dns()
    world.start_postfix()
    server.accounts(ANN)
    for line in [["away@home.example", "--kind", "forward", "dan@remote.example"],
                 ["lost@home.example", "--kind", "forward", "nobody@remote.example"],
                 ["team@home.example", ANN, "dan@remote.example"],
                 ["list@home.example", "--kind", "list", ANN, "dan@remote.example"]]:
        done = server.run("alias", "add", *line)
        check(f"alias {line[0]}", done.returncode == 0, done.stderr)
    server.start()
    for part in [keywords, held, times, bodies, priorities, forwards, reports, ids, overload]:
        part()
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
    world.stop()
finish()
