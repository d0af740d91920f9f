"""A server that takes any message and keeps its octets."""

import socketserver
import threading

# What came, by the name of the sink and the subject; and under which reverse-paths.
got = {}
paths = {}


class Sink(socketserver.StreamRequestHandler):
    """Takes any message, by DATA or BDAT, and keeps its octets under its subject."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 sink.example ESMTP")
        chunks = b""
        for line in self.rfile:
            verb = line.split()[0].upper().decode() if line.split() else ""
            if verb == "EHLO":
                lines = ["sink.example", "SIZE 50000000", *self.server.keywords]
                for one in lines[:-1]:
                    self.say(f"250-{one}")
                self.say(f"250 {lines[-1]}")
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                for text in self.rfile:
                    if text == b".\r\n":
                        break
                    lines.append(text[1:] if text.startswith(b".") else text)
                self.keep(b"".join(lines))
            elif verb == "BDAT":
                words = line.split()
                chunks += self.rfile.read(int(words[1]))
                if len(words) > 2:
                    self.keep(chunks)
                    chunks = b""
                else:
                    self.say("250 2.0.0 chunk")
            elif verb == "MAIL":
                self.path = line.decode().partition("<")[2].partition(">")[0]
                self.say("250 2.0.0 ok")
            elif verb == "QUIT":
                return self.say("221 2.0.0 bye")
            else:
                self.say("250 2.0.0 ok")

    def keep(self, body):
        subject = next(line for line in body.split(b"\r\n") if line.lower().startswith(b"subject:"))
        key = (self.server.name, subject.split(b":", 1)[1].strip().decode())
        paths.setdefault(key, []).append(self.path)
        got.setdefault(key, []).append(body)
        self.say("250 2.0.0 taken")


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def sink(name, *keywords):
    server = Threads(("127.0.0.1", 0), Sink)
    server.name, server.keywords = name, keywords
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
