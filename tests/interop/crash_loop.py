"""kill -9 at random moments under load: what was acknowledged ends in exactly one copy.

Four clients send all the time: to a local account, to two of them, through an alias and over LMTP.
The server is killed after a random time and started again, over and over on the same data. In the
end each acknowledged message is once in each mailbox it was for.
"""

import collections
import random
import socket
import sys
import threading
import time

from harness import Server, Wire, check, finish, message, wait_for

ROUNDS = 500 if "--long" in sys.argv else 50
SEED = random.randrange(1 << 32)
KINDS = {
    "one": ["ann@home.example"],
    "two": ["ann@home.example", "ben@home.example"],
    "alias": ["all@home.example"],
    "lmtp": ["ben@home.example"],
}
ENDS = {
    "one": ["ann@home.example"],
    "two": ["ann@home.example", "ben@home.example"],
    "alias": ["ann@home.example", "ben@home.example"],
    "lmtp": ["ben@home.example"],
}
server = Server().accounts("ann@home.example", "ben@home.example")
acknowledged = []
stopping = threading.Event()


def session(kind, numbers):
    """Sends until the connection breaks."""
    wire = Wire(server.lmtp if kind == "lmtp" else server.mta)
    try:
        wire.say("LHLO client.example" if kind == "lmtp" else "EHLO client.example")
        while not stopping.is_set():
            subject = f"{kind}-{next(numbers)}"
            wire.say("MAIL FROM:<bob@client.example>")
            for recipient in KINDS[kind]:
                if not wire.say(f"RCPT TO:<{recipient}>").startswith("250"):
                    return
            if not wire.say("DATA").startswith("354"):
                return
            wire.send(message(subject, body="x" * random.choice([100, 4000, 30_000]) + "\r\n") + b".\r\n")
            if not wire.reply().startswith("250"):
                return
            acknowledged.append(subject)
    finally:
        wire.close()


def client(kind):
    """Connects again and again."""
    numbers = iter(range(1 << 30))
    while not stopping.is_set():
        try:
            session(kind, numbers)
        except (OSError, socket.timeout):
            pass
        stopping.wait(0.005)


def copies():
    """How often each subject is in each mailbox."""
    return {
        address: collections.Counter(one["subject"] for one in server.messages(address))
        for address in ["ann@home.example", "ben@home.example"]
    }


try:
    print(f"seed {SEED}")
    random.seed(SEED)
    added = server.run("alias", "add", "all@home.example", "ann@home.example", "ben@home.example")
    check("alias add", added.returncode == 0, added.stderr)
    server.start()
    threads = [threading.Thread(target=client, args=(kind,), daemon=True) for kind in KINDS]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        time.sleep(random.uniform(0.02, 0.6))
        server.kill()
        server.start()
    stopping.set()
    for thread in threads:
        thread.join(30)
    check("the queue empties", wait_for(lambda: server.json("queue", "list") == [], 120),
          server.json("queue", "list")[:5])
    found = copies()
    wanted = [(one, address) for one in acknowledged for address in ENDS[one.split("-")[0]]]
    lost = [pair for pair in wanted if not found[pair[1]][pair[0]]]
    twice = [(address, one) for address, count in found.items() for one in count if count[one] > 1]
    print(f"{ROUNDS} rounds, {len(acknowledged)} messages acknowledged")
    check("enough was acknowledged to mean something", len(acknowledged) > 2 * ROUNDS)
    check("nothing acknowledged is lost", not lost, lost[:5])
    check("nothing is twice in a mailbox", not twice, twice[:5])
    check("it never panicked", "panicked" not in server.log.read_text(errors="replace"))
    check("it stops with 0", server.stop() == 0)
finally:
    stopping.set()
    server.remove()
finish()
