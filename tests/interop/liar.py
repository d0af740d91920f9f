"""A name server between us and the DNS that tells lies, as whoever sits on the wire can.

It asks the real resolver, signatures and all, unchecked, and changes what comes back where a
question matches one of `lies`: a function of the answer, by the name that is asked for.
"""

import socket
import sys
import threading

from dns_world import RESOLVER
from harness import ROOT

sys.path.insert(0, str(ROOT / "target/python"))
import dns.flags  # noqa: E402
import dns.message  # noqa: E402
import dns.query  # noqa: E402
import dns.rdatatype  # noqa: E402
import dns.rrset  # noqa: E402

ADDRESS = "127.0.0.57"


class Liar:
    """Answers on port 53 of its address, over UDP."""

    def __init__(self, lies):
        self.lies = lies
        self.told = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            wire, peer = self.socket.recvfrom(65535)
            threading.Thread(target=self.answer, args=(wire, peer), daemon=True).start()

    def answer(self, wire, peer):
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        query.flags |= dns.flags.CD
        reply, _ = dns.query.udp_with_fallback(query, RESOLVER, timeout=5)
        lie = self.lies.get((str(asked.name).lower().rstrip("."),
                             dns.rdatatype.to_text(asked.rdtype)))
        if lie:
            self.told.append(str(asked.name))
            lie(reply)
        # A resolver that is believed would say that it has looked.
        reply.flags |= dns.flags.AD
        self.socket.sendto(reply.to_wire(max_size=65535), peer)


def rows(text):
    """Records as in a zone file, one a line, all of one owner and type."""
    owner, ttl, cls, kind, data = text.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl), cls, kind, data)
