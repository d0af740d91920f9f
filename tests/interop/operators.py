"""What operators do: reload, watch, read the log, give up root, and run it under systemd."""

import json
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from harness import PASSWORD, Server, Wire, check, ehlo_keywords, finish, message, refused, wait_for

ANN = "ann@home.example"
server = Server(
    extra='[relay]\nport = 1\n[dns]\nservers = ["127.0.0.1:1"]\ntimeout = "1s"\n[storage]\nevents = "30d"\n'
).accounts(ANN)


def get(path):
    """A page of the HTTP listener: status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metric(name):
    """The value of a metric with its labels, as the page has it; none when it is not there."""
    for line in get("/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return None


def lines():
    """The log's lines, each an object."""
    text = server.log.read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def logged(words, **fields):
    """Waits for a line with this message and these fields."""
    def found():
        return [line for line in lines() if line.get("message") == words
                and all(line.get(name) == value for name, value in fields.items())]
    return wait_for(found, 10)


def reload(old, new):
    """Changes the file, sends SIGHUP and waits for the word that it was read."""
    seen = len(lines())
    server.config.write_text(server.config.read_text().replace(old, new))
    server.process.send_signal(signal.SIGHUP)

    def told():
        later = [line.get("message", "") for line in lines()[seen:]]
        return [one for one in later if one.startswith("Configuration ")]
    return wait_for(told, 10)


def keywords():
    wire = Wire(server.mta)
    said = wire.say("EHLO client.example")
    wire.close()
    return said


try:
    server.start()
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", [ANN], message("one"))
    check("a message arrives", len(server.with_subject(ANN, "one")) == 1)
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["eve@elsewhere.example"], message("two", ANN))
    wait_for(lambda: [row for row in server.json("queue", "list") if row["attempts"]], 20)

    # Metrics and health.
    told = metric('mailwright_messages_accepted_total{listener="mta"}')
    check("accepted messages are counted", told == 1, get("/metrics")[1])
    check("attempts are counted by outcome",
          metric('mailwright_attempts_total{outcome="delivered"}') == 1
          and (metric('mailwright_attempts_total{outcome="deferred"}') or 0) >= 1, get("/metrics")[1])
    waiting = wait_for(lambda: metric(
        'mailwright_queue_recipients{class="relay",state="queued"}') == 1, 15, 1)
    check("what waits is told by class and state", waiting, get("/metrics")[1])
    check("so is the age of the oldest",
          (metric('mailwright_queue_oldest_seconds{class="relay"}') or 0) > 0)
    groups = metric("mailwright_commit_group_writes_count")
    check("commit groups are measured", groups and groups >= 2, get("/metrics")[1])
    waits = metric('mailwright_accept_seconds_count{listener="mta"}')
    check("so is the wait for a 250", waits == 1, waits)
    wire = Wire(server.mta)
    check("open sessions are told", metric('mailwright_sessions_open{listener="mta"}') == 1)
    wire.close()
    check("and gone again", wait_for(
        lambda: metric('mailwright_sessions_open{listener="mta"}') == 0, 10))
    registry = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/metrics.md"
    known = set(re.findall(r"^\| `(\w+)`", registry.read_text(), re.M))
    shown = set(re.findall(r"^# TYPE (\w+) ", get("/metrics")[1], re.M))
    check("no metric is told that the reference does not have", shown and shown <= known, shown - known)
    status, health = get("/health")
    health = json.loads(health)
    check("health is well", status == 200 and health["accepting"] and not health["problems"], health)

    # Logs.
    shapes = [line for line in lines() if not {"timestamp", "level", "message"} <= set(line)]
    check("each line is an object with time, level and message", lines() and not shapes, shapes)
    check("a decision about a message is one line at INFO",
          len(logged("Message delivered.", level="INFO")) == 1, lines())
    text = server.log.read_text()
    check("the log holds no password", PASSWORD not in text)

    # Reload.
    check("the file is read again", reload("[limits]", '[limits]\nmessage_size_max = "1 MiB"'))
    check("a limit changes without a restart", "SIZE 1048576" in keywords(), keywords())
    changed = logged("Configuration read again.", changed="limits.message_size_max")
    check("the log names what changed", changed, lines()[-3:])
    held = smtplib.SMTP("127.0.0.1", server.mta)
    held.ehlo()
    reload('role = "msa"\naddresses = ["127.0.0.1:%d"]\n[listeners.msas]' % server.msa,
           'role = "msa"\nmessage_size_max = "2 MiB"\naddresses = ["127.0.0.1:%d"]\n[listeners.msas]'
           % server.msa)
    wire = Wire(server.msa)
    said = wire.say("EHLO client.example")
    wire.close()
    check("a limit of one listener changes", "SIZE 2097152" in said, said)
    check("a session goes on across a reload", held.noop()[0] == 250)
    held.quit()
    reload('[log]\nformat = "json"', '[log]\nformat = "json"\nlevel = "debug"')
    logged("Configuration read again.", changed="log.level")
    before = len(lines())
    keywords()
    more = wait_for(lambda: [line for line in lines()[before:] if line["level"] == "DEBUG"], 5)
    check("the level of the log changes", more is not None)
    reload('level = "debug"', 'level = "info"')
    reload("[http]", '[routes."elsewhere.example"]\nhosts = [{ host = "127.0.0.1", port = 1 }]\n[http]')
    row = server.json("queue", "list")[0]
    attempts = row["attempts"]
    server.run("queue", "retry", str(row["id"]))
    tried = wait_for(lambda: [r for r in server.json("queue", "list") if r["attempts"] > attempts
                              and "127.0.0.1" in server.run("queue", "show", str(r["id"])).stdout], 20)
    check("a route changes what is tried next", tried, server.json("queue", "list"))
    reload("[storage]", '[storage]\nsegment_size = "32 MiB"')
    check("a field that needs a restart is named",
          logged("A changed field needs a restart.", field="storage.segment_size", level="WARN"))
    reload("[listeners.lmtp]", '[listeners.another]\nrole = "mta"\naddresses = ["127.0.0.1:1"]\n[listeners.lmtp]')
    check("so is a listener that came",
          logged("A changed field needs a restart.", field="listeners.another"))
    reload('[listeners.another]\nrole = "mta"\naddresses = ["127.0.0.1:1"]\n', "")
    told = reload("[limits]", "[limits]\nrecipients_maxx = 300")
    check("a broken file is refused", told == ["Configuration not read again; the old one stays."], told)
    check("and changes nothing", "SIZE 1048576" in keywords(), keywords())
    reload("recipients_maxx = 300\n", "recipients_max = 300\n")
    check("mended, it counts", "RCPTMAX=300" in keywords(), keywords())
    check("the server still runs", server.process.poll() is None)
    shown = server.run("config", "show").stdout
    check("config show tells the file's values", "recipients_max = 300" in shown, shown)
    check("it stops with 0", server.stop() == 0)

    # Old events go, and leave their number behind.
    def number(question):
        with sqlite3.connect(f"file:{server.data}/mailwright.db?mode=ro", uri=True) as rows:
            return rows.execute(question).fetchone()[0]
    before = number("SELECT count(*) FROM event")
    text = server.config.read_text()
    server.config.write_text(text.replace('events = "30d"', 'events = "1s"'))
    newest = number("SELECT max(at) FROM event")
    wait_for(lambda: 1000 * time.time() > newest + 1500, 5)
    server.start()
    gone = wait_for(lambda: number(f"SELECT count(*) FROM event WHERE at <= {newest}") == 0, 10)
    check("events are removed after their time", before > 2 and gone, before)
    kept = number("SELECT sum(count) FROM event_hour")
    check("and counted by hour", kept is not None and kept >= before, (before, kept))
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()

# Text logs, and systemd's word that it is ready.
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-notify-"))
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(str(folder / "notify"))
notify.settimeout(20)
plain = Server().accounts(ANN)
plain.config.write_text(plain.config.read_text().replace('format = "json"', 'format = "text"'))
try:
    plain.start(environment={"NOTIFY_SOCKET": str(folder / "notify")})
    word = notify.recv(4096).decode()
    check("systemd is told when it is ready", "READY=1" in word, word)
    with smtplib.SMTP("127.0.0.1", plain.mta) as client:
        client.sendmail("bob@client.example", [ANN], message("text"))
    check("mail arrives", len(plain.with_subject(ANN, "text")) == 1)
    plain.process.send_signal(signal.SIGTERM)
    word = notify.recv(4096).decode()
    check("and when it stops", "STOPPING=1" in word, word)
    check("it stops with 0", plain.process.wait(20) == 0)
    text = plain.log.read_text()
    stray = [line for line in text.splitlines() if re.match(r"\d{4}-", line)
             and not re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z +(ERROR|WARN|INFO|DEBUG) ", line)]
    check("text lines have time and level", "Message delivered." in text and not stray, stray[:2])
finally:
    plain.remove()

# Without a free file no caller is accepted, which ends nothing.
starved = Server().accounts(ANN).start()
try:
    process = starved.process.pid
    wait_for(lambda: "Server started." in starved.log.read_text(), 10)
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (1, hard))
    waiting = subprocess.Popen(starved.line("domain", "list"), stdout=subprocess.PIPE, text=True)
    unheard = "A control connection was not accepted."
    told = wait_for(lambda: unheard in starved.log.read_text(), 10)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    check("a caller that is not accepted waits", told, starved.log.read_text()[-500:])
    check("and is answered then", "home.example" in waiting.communicate(timeout=20)[0])
finally:
    starved.remove()

# Root binds, then nobody serves.
if os.geteuid() == 0:
    low = Server(ports=[25, 587, 465, 24, 80, 2525])
    low.data.chmod(0o700)
    account = pwd.getpwnam("nobody")
    low.config.write_text(low.config.read_text().replace("[server]\n", '[server]\nuser = "nobody"\n'))
    os.chown(low.data, account.pw_uid, account.pw_gid)
    try:
        # A command before there is a server makes nothing that the server could not use.
        low.accounts("zoe@home.example")
        owners = {file.stat().st_uid for file in [low.data, *low.data.rglob("*")]}
        check("root's commands give up root", owners == {account.pw_uid}, owners)
        secret = pathlib.Path(tempfile.mkdtemp())
        (secret / "in.mbox").write_text("From x\nSubject: root\n\nhi\n")
        done = low.run("import", "zoe@home.example", str(secret / "in.mbox"))
        check("root imports what root alone may read", done.returncode == 0
              and "1 messages imported" in done.stdout, done.stdout + done.stderr)
        for command in [["export", "zoe@home.example", str(secret / "out")],
                        ["backup", str(secret / "copy")]]:
            done = low.run(*command)
            check(f"{command[0]} writes where root alone may", done.returncode == 0
                  and pathlib.Path(command[-1]).exists(), done.stderr)
        owners = {file.stat().st_uid for file in [low.data, *low.data.rglob("*")]}
        check("and nothing of it is root's", owners == {account.pw_uid}, owners)
        fresh = pathlib.Path(tempfile.mkdtemp()) / "restored"
        fresh.parent.chmod(0o755)
        done = subprocess.run([low.line()[0], "--config", str(low.config), "--data", str(fresh),
                               "restore", str(secret / "copy")], capture_output=True, text=True)
        owners = {file.stat().st_uid for file in [fresh, *fresh.rglob("*")]}
        check("what root restores is the server's", done.returncode == 0
              and owners == {account.pw_uid}, (owners, done.stderr))
        for folder in [secret, fresh.parent]:
            shutil.rmtree(folder)
        low.start()
        wait_for(lambda: (low.data / "control.sock").exists(), 10)
        status = pathlib.Path(f"/proc/{low.process.pid}/status").read_text()
        uids = re.search(r"^Uid:\s+(.*)$", status, re.M)[1].split()
        groups = re.search(r"^Groups:[ \t]*(.*)$", status, re.M)[1].split()
        check("root is given up once the ports are open", set(uids) == {str(account.pw_uid)}, uids)
        check("so are its groups", groups in ([], [str(account.pw_gid)]), groups)
        owners = {file.stat().st_uid for file in low.data.rglob("*")}
        check("nothing in the data folder belongs to root", owners == {account.pw_uid}, owners)
        check("it greets on port 25", Wire(25).greeting.startswith("220"))
        done = low.run("domain", "add", "second.example")
        check("root may command it", done.returncode == 0, done.stderr)
        check("it stops with 0", low.stop() == 0)
    finally:
        low.remove()
else:
    print("skipped: giving up root needs root")
finish()
