"""The rest of the world, inside the namespace: DNS, and Postfix as the remote server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from dns_world import RESOLVER, Dns
from harness import Wire, check, wait_for

REMOTE = "127.0.0.2"

ZONE = """home MX 10 mx.home
mx.home A 127.0.0.1
remote MX 10 mx.remote
mx.remote A 127.0.0.2
implicit A 127.0.0.2
null MX 0 .
prefer MX 10 down
prefer MX 20 mx.remote
down A 127.0.0.3
alias CNAME remote
dangling MX 10 nowhere
second MX 10 mx.second
mx.second A 127.0.0.4
loop MX 10 mx.home
"""

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mx.remote.example
mydestination =
inet_interfaces = 127.0.0.2
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtp_host_lookup = dns
virtual_mailbox_domains = remote.example, implicit.example, prefer.example, alias.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {{dan@remote.example=dan/}}, {{eva@remote.example=eva/}},
  {{late@remote.example=late/}}, {{dan@implicit.example=implicit/}},
  {{dan@prefer.example=prefer/}}, {{dan@alias.example=alias/}} }}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_transport = virtual
smtpd_recipient_restrictions =
  check_recipient_access inline:{{ {{late@remote.example=450 4.2.0 Not now}} }},
  reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_received_header = yes
message_size_limit = 20000000
"""

MASTER_CF = """smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def needs_namespace():
    """Ends the script, aloud, where ports 25 and 53 are not its own."""
    mine = pathlib.Path("/proc/net/dev").read_text()
    interfaces = re.findall(r"^\s*([\w.-]+):", mine, re.M)
    if os.geteuid() != 0 or interfaces != ["lo"]:
        print("skipped: this needs a network namespace; run it through run.py as root")
        sys.exit(1)


def without(settings, others):
    """Settings of Postfix less those that others set: it warns of each that is set twice."""
    names = set(re.findall(r"^(\w+) *=", others, re.M))
    each = re.split(r"^(?=\S)", settings, flags=re.M)
    return "".join(one for one in each if one.split("=")[0].strip() not in names)


class World:
    """DNS servers and Postfix; all end with the namespace."""

    def __init__(self):
        needs_namespace()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-world-"))
        self.folder.chmod(0o755)
        self.dns = Dns(self.folder)
        # Postfix wants its address on an interface; 127/8 alone is not enough for it.
        subprocess.run(["ip", "address", "add", f"{REMOTE}/8", "dev", "lo"], check=True)

    def start_dns(self):
        self.dns.zone("example", ZONE)
        self.dns.broken("broken.example")
        self.dns.start()

    def start_postfix(self, main="", master=""):
        """Starts it, with more lines for its two files; later ones count."""
        for name in ["queue", "data", "mail", "etc"]:
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", 65534, 65534)
        if not (self.folder / "cert.pem").exists():
            self.make_certificate()
        ours = MAIN_CF.format(folder=self.folder)
        (self.folder / "etc/main.cf").write_text(without(ours, main) + main)
        # Its log daemon logs into the queue that it reads itself: a full one stops everything.
        pathlib.Path("/proc/sys/net/unix/max_dgram_qlen").write_text("512")
        (self.folder / "etc/master.cf").write_text(MASTER_CF + master)
        # Postfix asks resolv.conf and /etc; those are this namespace's own.
        (self.folder / "resolv.conf").write_text(
            f"nameserver {RESOLVER}\noptions trust-ad edns0\n")
        subprocess.run(["mount", "--bind", self.folder / "resolv.conf", "/etc/resolv.conf"],
                       check=True)
        done = subprocess.run(["postfix", "-c", self.folder / "etc", "start"],
                              capture_output=True, text=True)
        up = wait_for(self.greets, 20)
        if not check("Postfix greets", up, done.stderr + self.postfix_log()):
            sys.exit(1)

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
                        "-subj", "/CN=mx.remote.example", "-keyout", self.folder / "key.pem",
                        "-out", self.folder / "cert.pem"], check=True, capture_output=True)

    def greets(self):
        try:
            wire = Wire(25, REMOTE)
        except OSError:
            return False
        wire.close()
        return wire.greeting.startswith("220")

    def postfix_log(self):
        log = self.folder / "postfix.log"
        return log.read_text()[-3000:] if log.exists() else ""

    def copies(self, mailbox):
        """The raw copies in a mailbox of Postfix."""
        files = (self.folder / "mail" / mailbox / "new").glob("*")
        return [file.read_bytes() for file in files]

    def with_subject(self, mailbox, subject, seconds=30):
        """Waits for a copy with a subject; gives all of them."""
        line = f"Subject: {subject}\n".encode()

        def found():
            return [copy for copy in self.copies(mailbox) if line in copy]

        wait_for(found, seconds)
        return found()

    def stop(self):
        if (self.folder / "etc").exists():
            subprocess.run(["postfix", "-c", self.folder / "etc", "stop"], capture_output=True)
            subprocess.run(["umount", "/etc/resolv.conf"], capture_output=True)
        self.dns.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
