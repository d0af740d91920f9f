"""Sessions that change one mailbox at random, each believing only what it is told.

A session keeps a list of UIDs and flags from untagged responses alone. At the end, after a NOOP,
every list has to be what a new session reads.
"""

import random
import re
import socket
import threading


class Session:
    """A client that keeps its own picture of the mailbox."""

    def __init__(self, port, user, password, seed, qresync):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rb")
        self.random = random.Random(seed)
        self.tags = 0
        self.rows = []  # [uid or None, flags or None]
        self.file.readline()
        self.say(f'LOGIN "{user}" "{password}"')
        if qresync:
            self.say("ENABLE QRESYNC")
        self.say("SELECT Stress")
        self.learn()

    def line(self):
        """A response with its literals."""
        line = self.file.readline()
        while (found := re.search(rb"\{(\d+)\}\r\n$", line)) is not None:
            line += self.file.read(int(found[1])) + self.file.readline()
        if not line:
            raise RuntimeError("the server hung up")
        return line

    def take(self, line):
        """Puts an untagged response into the picture."""
        if found := re.match(rb"\* (\d+) EXISTS", line):
            self.rows += [[None, None] for _ in range(int(found[1]) - len(self.rows))]
        elif found := re.match(rb"\* (\d+) EXPUNGE", line):
            del self.rows[int(found[1]) - 1]
        elif found := re.match(rb"\* VANISHED ([\d:,]+)", line):
            gone = set()
            for piece in found[1].split(b","):
                first, _, last = piece.partition(b":")
                gone |= set(range(int(first), int(last or first) + 1))
            known = {row[0] for row in self.rows}
            self.rows = [row for row in self.rows if row[0] not in gone]
            # The others are among the rows whose UIDs were not told yet; which, is all the same.
            for _ in gone - known:
                self.rows.remove(next(row for row in self.rows if row[0] is None))
        elif found := re.match(rb"\* (\d+) FETCH \((.*)\)\r\n", line, re.S):
            row = self.rows[int(found[1]) - 1]
            if uid := re.search(rb"UID (\d+)", found[2]):
                if row[0] not in (None, int(uid[1])):
                    raise RuntimeError(f"a UID changed: {row} {line!r}")
                row[0] = int(uid[1])
            if flags := re.search(rb"FLAGS \(([^)]*)\)", found[2]):
                row[1] = frozenset(flags[1].split()) - {b"\\Recent"}

    def say(self, command, literal=None):
        """A command to its end; what is told meanwhile goes into the picture."""
        self.tags += 1
        tag = b"t%d " % self.tags
        self.socket.sendall(tag + command.encode() + b"\r\n")
        while not (line := self.line()).startswith(tag):
            if line.startswith(b"+") and literal is not None:
                self.socket.sendall(literal + b"\r\n")
            self.take(line)
        return line

    def learn(self):
        """Asks for the UIDs that are not known yet, as clients do after EXISTS."""
        unknown = [n for n, row in enumerate(self.rows) if None in row]
        if unknown:
            # News of a later row may have come before; so from the first that is not known.
            known = max((row[0] for row in self.rows[:unknown[0]]), default=0)
            self.say(f"UID FETCH {known + 1}:* (UID FLAGS)")

    def idle(self):
        self.tags += 1
        tag = b"t%d " % self.tags
        self.socket.sendall(tag + b"IDLE\r\n")
        while not (line := self.line()).startswith(b"+"):
            self.take(line)
        self.socket.sendall(b"DONE\r\n")
        while not (line := self.line()).startswith(tag):
            self.take(line)

    def step(self):
        """One thing at random."""
        seqs = [n for n in range(1, len(self.rows) + 1)]
        some = str(self.random.choice(seqs)) if seqs else None
        what = self.random.randrange(9)
        body = b"Subject: x\r\n\r\nx\r\n"
        if what <= 1 or some is None:
            self.say(f"APPEND Stress {{{len(body)}}}", body)
        elif what == 2:
            flag = self.random.choice(["\\Seen", "\\Flagged", "\\Answered", "$A", "$B"])
            self.say(f"STORE {some} {self.random.choice('+-')}FLAGS ({flag})")
        elif what == 3:
            self.say(f"STORE {some} +FLAGS.SILENT (\\Draft)")
            self.say(f"FETCH {some} (FLAGS)")
        elif what == 4:
            self.say(f"STORE {some} +FLAGS (\\Deleted)")
            self.say("EXPUNGE")
        elif what == 5:
            self.say(f"MOVE {some} Other")
        elif what == 6:
            self.idle()
        elif what == 7:
            self.say(f"FETCH {some} (FLAGS BODY.PEEK[])")
        else:
            self.say("NOOP")
        self.learn()

    def picture(self):
        self.say("NOOP")
        self.learn()
        return [(uid, flags) for uid, flags in self.rows]


def stress(port, user, password, sessions, rounds):
    """Runs it; gives each session's picture, and what a new session reads."""
    first = socket.create_connection(("127.0.0.1", port), 30)
    file = first.makefile("rb")
    for line in [f'a LOGIN "{user}" "{password}"', "b CREATE Stress", "c CREATE Other", "d LOGOUT"]:
        first.sendall(line.encode() + b"\r\n")
        while not file.readline().startswith(line[:2].encode()):
            pass
    crowd = [Session(port, user, password, seed, seed % 2) for seed in range(sessions)]
    broken = []

    def live(session):
        try:
            for _ in range(rounds):
                session.step()
        except Exception as error:  # Told as a picture that is wrong.
            broken.append(repr(error))

    threads = [threading.Thread(target=live, args=(session,)) for session in crowd]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if broken:
        return broken, None
    told = [session.picture() for session in crowd]
    return told, Session(port, user, password, 99, False).picture()
