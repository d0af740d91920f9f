"""The first run: no configuration, one screen, and its lines work as printed."""

import os
import pathlib
import re
import subprocess
import tempfile
import time

from harness import BINARY, check, finish, wait_for

folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-first-"))
data = folder / "data"
log = open(folder / "screen", "wb")
begin = time.monotonic()
server = subprocess.Popen(
    [str(BINARY), "--data", str(data), "serve"], stdout=log, stderr=log, cwd=folder
)


def screen():
    return (folder / "screen").read_text()


def listens():
    """Whether the default MTA port is open, asked of the kernel, as a connection would be a session."""
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{10025:04X} " in row and " 0A " in row for row in table)


try:
    check("it listens on the default port", wait_for(listens, 20, 0.005), screen())
    ready = time.monotonic() - begin
    check("it is ready within two seconds, unoptimised", ready < 2, f"{ready:.3f} s")
    wait_for(lambda: "MAILINDEX" in screen(), 5)
    text = re.sub(r"\x1b\[[0-9;]*m", "", screen())
    for address in ["10025", "10587", "10465", "12525", "10143", "10993", "10080"]:
        check(f"the screen names port {address}", address in text, text)
    check("the screen names the account", "you@localhost" in text, text)
    lines = [line.strip() for line in text.splitlines()]
    paste = [line for line in lines if re.search(r"smtps?://|swaks|smtplib|msmtp", line)]
    shows = [line for line in lines if "message list" in line]
    if check("the screen has a line to paste and one to look", paste and shows, text):
        search = f"{BINARY.parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": search}
        sent = subprocess.run(paste[0], shell=True, cwd=folder, env=environment,
                              capture_output=True, text=True, timeout=60)
        check("the line to paste works as printed", sent.returncode == 0, (paste[0], sent.stderr))

        def arrived():
            seen = subprocess.run(shows[0], shell=True, cwd=folder, env=environment,
                                  capture_output=True, text=True, timeout=60)
            return seen.returncode == 0 and "Hello" in seen.stdout

        check("the message arrived, by the line that shows it", wait_for(arrived, 10), shows[0])
        reads = [line for line in lines if "imaps://" in line]
        if check("the screen has a line to read it by IMAP", len(reads) == 1, text):
            read = subprocess.run(reads[0], shell=True, cwd=folder, env=environment,
                                  capture_output=True, text=True, timeout=60)
            check("the line to read works as printed",
                  read.returncode == 0 and "It works." in read.stdout, (reads[0], read))
    health = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                             "http://127.0.0.1:10080/health"], capture_output=True, text=True)
    check("health answers", health.stdout == "200", (health.stdout, health.stderr))
    for removed in [["account", "remove", "you@localhost"], ["domain", "remove", "localhost"]]:
        done = subprocess.run([str(BINARY), "--data", str(data), *removed],
                              capture_output=True, text=True)
        check(" ".join(removed), done.returncode == 0, done.stderr)
    server.terminate()
    check("it ends with 0 on SIGTERM", server.wait(20) == 0, server.returncode)
    server = subprocess.Popen([str(BINARY), "--data", str(data), "serve"], stdout=log, stderr=log,
                              cwd=folder)
    check("it starts again", wait_for(lambda: screen().count("is ready.") == 2, 20), screen())
    check("and makes no first account again", screen().count("smtp") and "you@localhost" not in
          screen().split("is ready.")[2], screen())
    server.terminate()
    check("it ends again", server.wait(20) == 0, server.returncode)
    check("it never panicked", "panicked" not in screen(), screen())
finally:
    server.kill()
finish()
