"""`mailwright init` on the real ports, as its printed lines say; load from smtp-source; two servers.

In the namespace, where ports 25, 465, 587 and 80 are nobody's.
"""

import os
import pathlib
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile

from harness import BINARY, PASSWORD, check, finish, message, wait_for
from world import needs_namespace

needs_namespace()
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-init-"))
# The lines are pasted as they are printed, so that the program has to be found by its name.
search = f"{BINARY.parent}:{os.environ['PATH']}"
environment = {**os.environ, "PATH": search, "MAILWRIGHT_DATA": str(folder / "data")}
ADDRESS = "postmaster@example.com"
server = None
log = open(folder / "log", "wb")


def shell(line, text=""):
    return subprocess.run(line, shell=True, cwd=folder, env=environment, input=text,
                          capture_output=True, text=True, timeout=120)


def listed():
    done = shell(f"mailwright --config mailwright.toml message list {ADDRESS}")
    return done.stdout


try:
    done = shell("mailwright init example.com")
    check("init writes a file", done.returncode == 0 and (folder / "mailwright.toml").is_file(), done)
    check("and says what comes next", done.stdout.count("mailwright --config") == 3, done.stdout)
    again = shell("mailwright init example.com")
    check("it never overwrites one", again.returncode != 0 and "exists" in again.stderr.lower(), again)
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    check("the file is right", shell("mailwright --config mailwright.toml config check").returncode == 0)
    for line in lines[:2]:
        ran = shell(line, PASSWORD + "\n")
        check(f"as printed: {line}", ran.returncode == 0, ran)
    server = subprocess.Popen(lines[2], shell=True, cwd=folder, env=environment, stdout=log,
                              stderr=log, start_new_session=True)
    started = wait_for(lambda: "Server started." in (folder / "log").read_text(), 30)
    check(f"as printed: {lines[2]}", started, (folder / "log").read_text()[-800:])

    done = shell(f"swaks --server 127.0.0.1:25 --from bob@client.example --to {ADDRESS} "
                 "--header 'Subject: by-25' --helo client.example")
    check("port 25 takes mail from others", done.returncode == 0, done.stdout[-500:])
    done = shell(f"swaks --server 127.0.0.1:587 --tls --auth-user {ADDRESS} "
                 f"--auth-password '{PASSWORD}' --from {ADDRESS} --to {ADDRESS} "
                 "--header 'Subject: by-587'")
    check("port 587 takes mail after STARTTLS and a login", done.returncode == 0,
          done.stdout[-500:] + done.stderr[-500:])
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP_SSL("127.0.0.1", 465, context=trust) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [ADDRESS], message("by-465", ADDRESS, ADDRESS))
    with smtplib.SMTP("::1", 25) as client:
        client.sendmail("bob@client.example", [ADDRESS], message("by-ipv6"))
    arrived = wait_for(lambda: all(f"by-{how}" in listed() for how in ["25", "587", "465", "ipv6"]), 20)
    check("all of it arrives", arrived, listed())
    refused = shell("swaks --server 127.0.0.1:25 --from bob@client.example --to eve@other.example")
    check("it is no open relay", refused.returncode != 0 and "5.7.1" in refused.stdout)

    count = 400
    done = shell(f"smtp-source -s 20 -m {count} -l 4096 -f bob@client.example -t {ADDRESS} "
                 "127.0.0.1:25")
    check("smtp-source sends over 20 connections", done.returncode == 0, done.stderr)
    mails = wait_for(lambda: len(listed().splitlines()) == count + 4, 20, 0.5)
    check("each of its messages arrives once", mails, len(listed().splitlines()))
    done = shell(f"smtp-source -d -s 5 -m 50 -l 300000 -f bob@client.example -t {ADDRESS} "
                 "127.0.0.1:25")
    check("and larger ones, many a connection", done.returncode == 0, done.stderr)
    mails = wait_for(lambda: len(listed().splitlines()) == count + 54, 20, 0.5)
    check("which arrive, too", mails, len(listed().splitlines()))
    subprocess.run(["pkill", "-TERM", "-g", str(os.getpgid(server.pid)), "-f", "mailwright"])
    check("it ends on SIGTERM", wait_for(lambda: server.poll() is not None, 20))
    wait_for(lambda: "Server stopped." in (folder / "log").read_text(), 20)
    text = (folder / "log").read_text()
    check("in order", "Server stopped." in text and "panicked" not in text, text[-500:])
finally:
    if server and server.poll() is None:
        os.killpg(os.getpgid(server.pid), 9)
    shutil.rmtree(folder, ignore_errors=True)
finish()
