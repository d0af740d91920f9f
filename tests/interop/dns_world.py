"""A DNS of our own, inside the namespace: nsd with zones signed here, and a validating unbound.

    dns = Dns(folder)
    dns.zone("example", "remote A 127.0.0.2")           signed, with a DS at its parent
    dns.zone("plain.example", "@ TXT x", signed=False)  an insecure delegation
    dns.zone("bad.example", "www A 127.0.0.2", bogus=["www"])
    dns.zone("old.example", "@ A 127.0.0.2", expired=True)
    dns.broken("broken.example")                        SERVFAIL
    dns.silent("silent.example")                        questions that nobody answers
    dns.start()

The root zone is there from the start, and each zone is delegated by the nearest one above it. The
text of a zone is a master file without SOA and NS; names in it are relative. A zone may be given
anew while the servers run: nothing is cached. `RESOLVER` is unbound, which trusts the key of our
root and no other; nothing here touches the machine's own resolv.conf.
"""

import atexit
import base64
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from harness import Wire, check, wait_for

RESOLVER = "127.0.0.53"
SERVER = "127.0.0.54"
SILENT = "127.0.0.55"
NAME_SERVER = "ns.servers."

NSD = """server:
  ip-address: {server}@53
  do-ip6: no
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  database: ""
  xfrdfile: "{folder}/xfrd.state"
  pidfile: "{folder}/nsd.pid"
  logfile: "{folder}/nsd.log"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

UNBOUND = """server:
  interface: {resolver}
  port: 53
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  logfile: "{folder}/unbound.log"
  use-syslog: no
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  root-hints: "{folder}/hints"
  trust-anchor-file: "{folder}/anchor"
  module-config: "validator iterator"
  qname-minimisation: no
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  infra-host-ttl: 1
  infra-cache-max-rtt: 1000
  val-bogus-ttl: 0
  val-override-date: 0
  aggressive-nsec: no
  val-log-level: 2
{own}
remote-control:
  control-enable: no
"""

# unbound answers these itself unless it is told not to; here they are zones like any other.
OWN = ["127.in-addr.arpa.", "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.",
       "113.0.203.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "test.", "invalid."]


def text(value):
    """The data of a TXT record of any length, in pieces of 255 octets."""
    pieces = [value[at:at + 255] for at in range(0, len(value), 255)] or [""]
    quoted = (piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces)
    return " ".join(f'"{piece}"' for piece in quoted)


def reverse(address):
    """The name below which the PTR record of an IPv4 address stands."""
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


class Zone:
    """One zone as it was asked for."""

    def __init__(self, name, records, signed, bogus, expired):
        self.name = name.strip(".")
        self.records = records
        self.signed = signed
        self.bogus = bogus
        self.expired = expired
        self.served_at = SERVER
        self.ds = []

    @property
    def origin(self):
        return f"{self.name}."

    def absolute(self, owner):
        """A name of the zone's text in full."""
        if owner.endswith("."):
            return owner
        return self.origin if owner == "@" else f"{owner}.{self.name}".rstrip(".") + "."


class Dns:
    """nsd and unbound; both end with the namespace, or with `stop`."""

    def __init__(self, folder=None):
        made = folder or tempfile.mkdtemp(prefix="mailwright-dns-")
        self.folder = pathlib.Path(made) / "dns"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.zones = {}
        self.nsd = self.unbound = None
        self.deaf = []
        self.serial = int(time.time())
        self.zone("", f"{NAME_SERVER} A {SERVER}\nsilent.servers. A {SILENT}")
        atexit.register(self.stop)

    def zone(self, name, records="", signed=True, bogus=(), expired=False):
        """Adds a zone, or gives it anew."""
        zone = Zone(name, records, signed, [*bogus], expired)
        self.zones[zone.name] = zone
        self.refresh()
        return zone

    def broken(self, name):
        """A zone that its server knows of and cannot load: SERVFAIL."""
        zone = Zone(name, None, False, [], False)
        self.zones[zone.name] = zone
        self.refresh()

    def silent(self, name):
        """A zone whose server takes questions and never says anything."""
        zone = Zone(name, None, False, [], False)
        zone.served_at = SILENT
        self.zones[zone.name] = zone
        self.refresh()

    def start(self):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            deaf = socket.socket(socket.AF_INET, kind)
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            deaf.bind((SILENT, 53))
            self.deaf.append(deaf)
        self.deaf[1].listen(64)
        self.write()
        (self.folder / "hints").write_text(
            f". 3600 NS {NAME_SERVER}\n{NAME_SERVER} 3600 A {SERVER}\n")
        own = "\n".join(f'  local-zone: "{name}" nodefault' for name in OWN)
        (self.folder / "unbound.conf").write_text(
            UNBOUND.format(folder=self.folder, resolver=RESOLVER, own=own))
        self.nsd = self.spawn("nsd", ["nsd", "-d", "-c", self.folder / "nsd.conf"], SERVER)
        self.start_resolver()
        return self

    def start_resolver(self):
        line = ["unbound", "-d", "-c", self.folder / "unbound.conf"]
        self.unbound = self.spawn("unbound", line, RESOLVER)

    def spawn(self, name, line, address):
        with open(self.folder / f"{name}.out", "ab") as out:
            process = subprocess.Popen(line, stdout=out, stderr=out, start_new_session=True)

        def answers():
            try:
                Wire(53, address, greet=False).close()
                return True
            except OSError:
                return False

        if not check(f"{name} answers", wait_for(answers, 15), self.logs()):
            sys.exit(1)
        return process

    def logs(self):
        """What the servers said, for a failed check."""
        files = sorted(self.folder.glob("*.out")) + sorted(self.folder.glob("*.log"))
        return "\n".join(file.read_text(errors="replace")[-1500:] for file in files)

    def stop(self):
        for process in (self.nsd, self.unbound):
            if process and process.poll() is None:
                end(process)
        for deaf in self.deaf:
            deaf.close()
        self.nsd = self.unbound = None
        self.deaf = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self, frozen=True):
        """Makes the resolver say nothing at all, or go on."""
        self.unbound.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def blackout(self, dark=True):
        """Makes the name servers say nothing at all, or go on: the resolver answers SERVFAIL."""
        os.killpg(self.nsd.pid, signal.SIGSTOP if dark else signal.SIGCONT)
        if not dark:
            self.restart_resolver()

    def restart_resolver(self):
        """For a minute, whatever it is told, unbound remembers that the root's key was not had."""
        end(self.unbound)
        self.start_resolver()

    def refresh(self):
        """Takes changes over while the servers run."""
        if self.nsd is None:
            return
        self.write()
        # nsd adds no zones of its configuration while it runs, and starts in a few milliseconds.
        end(self.nsd)
        self.nsd = self.spawn("nsd", ["nsd", "-d", "-c", self.folder / "nsd.conf"], SERVER)
        # The resolver may have found nobody there meanwhile.
        if not wait_for(lambda: f" {self.serial} " in self.ask(".", "SOA"), 5):
            self.restart_resolver()
            wait_for(lambda: f" {self.serial} " in self.ask(".", "SOA"), 10)

    def write(self):
        """Writes all zones, the deepest first: a parent has the DS records of its children."""
        self.serial += 1
        conf = NSD.format(folder=self.folder, server=SERVER)
        for zone in sorted(self.zones.values(), key=lambda zone: -len(labels(zone.name))):
            if zone.served_at == SERVER:
                conf += f'zone:\n  name: "{zone.origin}"\n  zonefile: "{self.file(zone).name}"\n'
            if zone.records is not None:
                self.write_zone(zone)
        (self.folder / "nsd.conf").write_text(conf)

    def file(self, zone):
        return self.folder / f"{zone.name or 'root'}.zone"

    def write_zone(self, zone):
        lines = [f"$ORIGIN {zone.origin}", "$TTL 60",
                 f"@ SOA {NAME_SERVER} root.servers. {self.serial} 3600 600 86400 60",
                 f"@ NS {NAME_SERVER}"]
        for child in self.children(zone):
            server = NAME_SERVER if child.served_at == SERVER else "silent.servers."
            lines.append(f"{child.origin} NS {server}")
            lines += child.ds
        (self.file(zone)).write_text("\n".join([*lines, zone.records, ""]))
        if zone.signed:
            self.sign(zone)

    def children(self, zone):
        def parent(name):
            above = labels(name)[1:]
            while ".".join(above) not in self.zones:
                above = above[1:]
            return ".".join(above)

        return [child for child in self.zones.values()
                if child.name and parent(child.name) == zone.name]

    def sign(self, zone):
        base = self.folder / f"key-{zone.name or 'root'}"
        if not base.with_name(base.name + ".key").exists():
            made = self.tool("ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k",
                             zone.origin).strip()
            for end in (".key", ".private"):
                source = self.folder / (made + end)
                source.rename(base.with_name(base.name + end))
            for other in self.folder.glob(made + ".*"):
                other.unlink()
        zone.ds = [self.tool("ldns-key2ds", "-n", "-2", f"{base}.key").strip()]
        if not zone.name:
            shutil.copy(f"{base}.key", self.folder / "anchor")
        # The resolver overlooks a day.
        when = time.time() + (-3 * 86400 if zone.expired else 7 * 86400)
        dates = [time.strftime("%Y%m%d%H%M%S", time.gmtime(at)) for at in (when - 14 * 86400, when)]
        plain = self.file(zone)
        self.tool("ldns-signzone", "-o", zone.origin, "-i", dates[0], "-e", dates[1],
                  "-f", f"{plain}.signed", str(plain), str(base))
        signed = pathlib.Path(f"{plain}.signed").read_text()
        bad = {zone.absolute(owner).lower() for owner in zone.bogus}
        plain.write_text("\n".join(damaged(line, bad) for line in signed.splitlines()) + "\n")

    def tool(self, *line):
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{line}: {done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, name, kind, *more):
        """What unbound says, as drill prints it."""
        line = ["drill", "-D", *more, name, f"@{RESOLVER}", kind]
        return subprocess.run(line, capture_output=True, text=True).stdout

    def status(self, name, kind="A"):
        """The response code, with `+ad` where the answer was validated."""
        said = self.ask(name, kind)
        code = said.split("rcode: ", 1)[-1].split(",", 1)[0]
        flags = said.split("flags: ", 1)[-1].split(";", 1)[0].split()
        return code + ("+ad" if "ad" in flags else "")


def end(process):
    """Ends a server with its children, which have its sockets."""
    def is_gone():
        try:
            # Where this script is the first process, its server's orphans are left to it.
            while os.waitpid(-process.pid, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(is_gone, 5, 0.005)


def labels(name):
    return [label for label in name.split(".") if label]


def damaged(line, owners):
    """A line of a signed zone; its signature is wrong where the owner is one of `owners`."""
    fields = line.split()
    if len(fields) < 5 or fields[3] != "RRSIG" or fields[0].lower() not in owners:
        return line
    octets = bytearray(base64.b64decode(fields[-1]))
    octets[0] ^= 1
    return " ".join([*fields[:-1], base64.b64encode(octets).decode()])


def main():
    """Tries the world itself."""
    from harness import finish

    dns = Dns()
    dns.zone("example", "www A 127.0.0.2\nalias CNAME www\n" + f"long TXT {text('x' * 3000)}")
    dns.zone("plain.example", "www A 127.0.0.2", signed=False)
    dns.zone("bad.example", "www A 127.0.0.2\nwell A 127.0.0.3", bogus=["www"])
    dns.zone("old.example", "www A 127.0.0.2", expired=True)
    dns.broken("broken.example")
    dns.silent("silent.example")
    dns.zone("2.0.192.in-addr.arpa", "7 PTR host.example.")
    dns.start()
    for name, kind, expected in [
        ("www.example", "A", "NOERROR+ad"), ("alias.example", "A", "NOERROR+ad"),
        ("example", "A", "NOERROR+ad"), ("no.example", "A", "NXDOMAIN+ad"),
        ("long.example", "TXT", "NOERROR+ad"), ("www.plain.example", "A", "NOERROR"),
        ("www.bad.example", "A", "SERVFAIL"), ("well.bad.example", "A", "NOERROR+ad"),
        ("www.old.example", "A", "SERVFAIL"), ("www.broken.example", "A", "SERVFAIL"),
        ("7.2.0.192.in-addr.arpa", "PTR", "NOERROR+ad"),
    ]:
        said = dns.status(name, kind)
        check(f"{name} {kind}: {expected}", said == expected, (said, dns.ask(name, kind)))
    check("a long record comes whole", dns.ask("long.example", "TXT").count("x") >= 3000)
    asked = time.monotonic()
    dns.ask("www.silent.example", "A", "-t")
    waited = time.monotonic() - asked
    check("a silent server makes the question wait", waited > 0.5, waited)
    dns.zone("example", "www A 127.0.0.9")
    check("a zone may be given anew", "127.0.0.9" in dns.ask("www.example", "A"))
    check("which takes away what it had", dns.status("alias.example") == "NXDOMAIN+ad")
    dns.stop()
    finish()


if __name__ == "__main__":
    from world import needs_namespace
    needs_namespace()
    main()
