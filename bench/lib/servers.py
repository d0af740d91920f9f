"""The two servers, each as it comes: Mailwright, and Postfix of the distribution.

Both keep their default settings, but for what would turn a measurement away: limits of sessions
and messages by client. Both log every message, both sync before they say 250.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

from measure import Group, Lines, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MAILWRIGHT", ROOT / "target/release/mailwright"))
SINK = 2600
NOBODY = 2699
USERS = ["ann", "bob", "cid", "dan"]

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.bench.example
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_client_connection_count_limit = 0
default_process_limit = 200
message_size_limit = 50000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_base = {folder}/mail
smtpd_recipient_restrictions = {restrictions}
{more}
"""

MASTER_CF = """2500 inet n - n - - smtpd
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

CONFIG = """[server]
hostname = "mx.bench.example"
[http]
addresses = ["127.0.0.1:2580"]
[dns]
servers = ["127.0.0.1:2653"]
[limits]
sessions_per_address_max = 1000
messages_max = 100000000
commands_max = 1000000000
[auth]
submit_from = ["127.0.0.0/8"]
[listeners.{role}]
role = "{role}"
addresses = ["127.0.0.1:2500"]
[routes."sink.example"]
hosts = [{{ host = "127.0.0.1", port = {sink}, tls = "none" }}]
[routes."hold.example"]
hosts = [{{ host = "127.0.0.1", port = {nobody}, tls = "none" }}]
"""

DOMAINS = {"accept": "hold.example", "relay": "sink.example", "local": "bench.example"}


def listens(port):
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as one:
            return bool(one.recv(4))
    except OSError:
        return False


class Server:
    """What is measured of either of them."""

    def recipients(self, work):
        """Whom the messages go to; each is one client process."""
        users = USERS if work == "local" else USERS[:1]
        return [f"{user}@{DOMAINS[work]}" for user in users]

    def done(self):
        """Recipients that are through, by the server's own log."""
        return self.lines.seen()


class Postfix(Server):
    """Postfix in folders of its own."""

    name = "Postfix"

    def __init__(self, folder, work):
        self.folder, self.work = folder / "postfix", work
        self.lines = Lines(self.folder / "log", ": removed")

    def start(self):
        for name in ["queue", "data", "mail", "etc"]:
            (self.folder / name).mkdir(parents=True)
        # Its processes are other users and have to get here.
        self.folder.chmod(0o755)
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", 65534, 65534)
        more = {
            "accept": "",
            "relay": f"relayhost = [127.0.0.1]:{SINK}",
            "local": "virtual_mailbox_domains = bench.example\n"
            "virtual_mailbox_maps = inline:{ "
            + ", ".join(f"{{{user}@bench.example={user}/}}" for user in USERS) + " }",
        }[self.work]
        # The hold queue is Postfix's own way to keep mail without trying it.
        hold = "static:HOLD, " if self.work == "accept" else ""
        restrictions = f"{'check_recipient_access ' if hold else ''}{hold}permit_mynetworks, reject"
        text = MAIN_CF.format(folder=self.folder, more=more, restrictions=restrictions)
        (self.folder / "etc/main.cf").write_text(text)
        (self.folder / "etc/master.cf").write_text(MASTER_CF)
        command = ["postfix", "-c", self.folder / "etc", "start"]
        self.group = Group()
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=self.group.join)
        if not wait_until(lambda: listens(2500), 20):
            raise SystemExit(f"Postfix does not start: {done.stderr}")
        self.pid = int((self.folder / "queue/pid/master.pid").read_text())
        return self

    def stop(self):
        subprocess.run(["postfix", "-c", self.folder / "etc", "stop"], capture_output=True)
        wait_until(lambda: not os.path.exists(f"/proc/{self.pid}"), 20)
        self.group.remove()
        shutil.rmtree(self.folder)


class Mailwright(Server):
    """The release build with a data folder of its own."""

    name = "Mailwright"

    def __init__(self, folder, work):
        self.folder, self.work = folder / "mailwright", work
        self.lines = Lines(self.folder / "log", "delivered" if work == "local" else "relayed")
        self.role = "mta" if work == "local" else "msa"

    def line(self, *arguments):
        own = ["--config", self.folder / "config.toml", "--data", self.folder / "data"]
        return [BINARY, *own, *arguments]

    def start(self):
        self.folder.mkdir(parents=True)
        text = CONFIG.format(role=self.role, sink=SINK, nobody=NOBODY)
        (self.folder / "config.toml").write_text(text)
        self.log = open(self.folder / "log", "ab")
        self.add("domain", "add", "bench.example")
        for user in USERS if self.work == "local" else []:
            self.add("account", "add", f"{user}@bench.example", "--password-stdin")
        self.group = Group()
        self.process = subprocess.Popen(self.line("serve"), stdout=self.log, stderr=self.log,
                                        preexec_fn=self.group.join)
        if not wait_until(lambda: listens(2500), 20):
            raise SystemExit(f"Mailwright does not start: {self.tail()}")
        return self

    def add(self, *arguments):
        done = subprocess.run(self.line(*arguments), input=b"a long password\n",
                              capture_output=True)
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stderr.decode()}")

    def tail(self):
        return (self.folder / "log").read_text()[-2000:]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.group.remove()
        self.log.close()
        shutil.rmtree(self.folder)
