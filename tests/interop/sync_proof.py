"""For each 250 after a message, the syncs came first: strace shows it, and eatmydata turns it red.

For each final 250 there has to be, between the last bytes that came from that client and the reply,
a completed sync of the segment and, after it, one of the database's WAL; and nothing may have been
written to either between its sync and the reply that belongs to this message alone. With one client
at a time, that is plain order in the trace.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from harness import Server, Wire, check, finish, message, wait_for

ANN = "ann@home.example"
MESSAGES = 20


def trace(wrapper):
    """Sends messages one after another to a traced server; gives the trace's lines."""
    server = Server().accounts(ANN)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-trace-"))
    calls = "fsync,fdatasync,write,pwrite64,writev,pwritev,sendto,sendmsg,recvfrom,read,openat"
    line = ["strace", "-f", "-yy", "-s", "64", "-e", f"trace={calls}", "-o", str(folder / "trace")]
    try:
        server.start([*line, *wrapper])
        wire = Wire(server.mta)
        wire.say("EHLO client.example")
        replies = []
        for number in range(MESSAGES):
            wire.say("MAIL FROM:<bob@client.example>")
            wire.say(f"RCPT TO:<{ANN}>")
            wire.say("DATA")
            wire.send(message(f"sync-{number}") + b".\r\n")
            replies.append(wire.reply())
        wire.close()
        wire = Wire(server.lmtp)
        wire.say("LHLO client.example")
        wire.say("MAIL FROM:<bob@client.example>")
        wire.say(f"RCPT TO:<{ANN}>")
        wire.say("DATA")
        wire.send(message("sync-lmtp") + b".\r\n")
        replies.append(wire.reply())
        wire.close()
        # A traced child is told by its own signal; strace passes its end on.
        children = subprocess.run(["pgrep", "-P", str(server.process.pid)],
                                  capture_output=True, text=True).stdout.split()
        for child in children:
            os.kill(int(child), 15)
        server.process.wait(30)
        return (folder / "trace").read_text(errors="replace").splitlines(), replies
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def joined(lines):
    """Completed calls in the order in which they completed; unfinished halves are put together."""
    waiting = {}
    for line in lines:
        process, _, call = line.strip().partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            waiting[process] = call[: -len("<unfinished ...>")]
        elif "resumed>" in call:
            yield waiting.pop(process, "") + call.split("resumed>", 1)[1]
        else:
            yield call


def unproven(lines):
    """How many final replies there were, and which of them had no syncs before them."""
    segment = wal = False
    inside = False
    final, bare = 0, []
    for call in joined(lines):
        name = call.split("(", 1)[0]
        if name in ("fsync", "fdatasync") and call.rstrip().endswith("= 0"):
            where = re.search(r"<([^>]*)>", call)
            path = where[1] if where else ""
            if "-wal" in path:
                wal = segment
            elif "/" in path and not path.endswith((".db", ".sqlite", ".sqlite3")):
                segment = True
                wal = False
        elif "TCP:" in call and name in ("sendto", "sendmsg", "write", "writev"):
            if re.search(r'"354 ', call):
                inside, segment, wal = True, False, False
            elif inside and re.search(r'"250 ', call):
                final += 1
                inside = False
                if not (segment and wal):
                    bare.append(call)
            elif inside and re.search(r'"[45]\d\d ', call):
                inside = False
    return final, bare


lines, replies = trace([])
check("every message is taken", all(one.startswith("250") for one in replies), replies)
# The folder lies in one that is there; its own name has to stay, too.
above = [call for call in joined(lines) if call.startswith("fsync(")
         and f"<{tempfile.gettempdir()}>" in call and call.rstrip().endswith("= 0")]
check("the data folder's own name is synced", above)
final, bare = unproven(lines)
check("the trace shows every reply", final == len(replies), (final, len(replies)))
check("each 250 comes after the syncs of segment and WAL", final and not bare, bare[:3])

library = next(pathlib.Path("/usr/lib").rglob("libeatmydata.so*"), None)
if check("eatmydata is installed", library):
    lines, replies = trace(["-E", f"LD_PRELOAD={library}"])
    final, bare = unproven(lines)
    check("with syncs switched off this proof fails", len(bare) == final == len(replies),
          (len(bare), final))
finish()
