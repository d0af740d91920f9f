"""The disk fills, and becomes read-only: 4xx, nothing lost, and it goes on when there is room again.

The data folder is a small file system of its own, which needs the namespace that run.py makes.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from harness import Server, Wire, check, finish, message, wait_for

if os.geteuid() != 0:
    print("skipped: mounting a small disk needs root; run it through run.py")
    sys.exit(1)

ANN = "ann@home.example"
SIZE = "48m"
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-disk-"))
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
data = folder / "data"
# Without a floor of free space: what is tried is a disk that is full in earnest.
server = Server(data=data, extra='[intake]\nfree_space_min = 0\n')
accepted = []


def remount(options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def send(subject, body):
    """Sends one message; gives the reply to it, or that of the command that was refused."""
    wire = Wire(server.mta)
    try:
        wire.say("EHLO client.example")
        for command in ["MAIL FROM:<bob@client.example>", f"RCPT TO:<{ANN}>"]:
            reply = wire.say(command)
            if not reply.startswith("250"):
                return reply
        reply = wire.say("DATA")
        if not reply.startswith("354"):
            return reply
        wire.send(message(subject, body=body) + b".\r\n")
        reply = wire.reply()
        if reply.startswith("250"):
            accepted.append(subject)
        return reply
    finally:
        wire.close()


def health():
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                           f"http://127.0.0.1:{server.http}/health"], capture_output=True, text=True)
    return done.stdout


def all_arrived():
    subjects = [one["subject"] for one in server.messages(ANN)]
    return sorted(subjects) == sorted(accepted)


try:
    server.accounts(ANN)
    server.start()
    line = "x" * 70 + "\r\n"
    for number in range(5):
        send(f"before-{number}", line)
    check("mail is taken while there is room", len(accepted) == 5, accepted)

    # Full: by others, then by mail itself, small and large.
    filler = folder / "filler"
    with open(filler, "wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
    reply = send("full-small", line)
    check("a full disk refuses with 4xx", reply.startswith("4"), reply)
    reply = send("full-large", line * 40_000)
    check("so it does a large message", reply.startswith("4"), reply)
    lmtp = Wire(server.lmtp)
    lmtp.say("LHLO client.example")
    lmtp.say("MAIL FROM:<bob@client.example>")
    lmtp.say(f"RCPT TO:<{ANN}>")
    reply = lmtp.say("DATA")
    if reply.startswith("354"):
        lmtp.send(message("full-lmtp", body=line) + b".\r\n")
        reply = lmtp.reply()
    lmtp.close()
    check("and LMTP", reply.startswith("4"), reply)
    check("the server still runs", server.process.poll() is None)
    filler.unlink()
    reply = wait_for(lambda: (lambda said: said.startswith("250") and said)(send("room-1", line)), 20)
    check("with room again it takes mail, without a restart", reply, server.log.read_text()[-800:])
    check("nothing acknowledged is lost", wait_for(all_arrived, 20),
          (accepted, [one["subject"] for one in server.messages(ANN)]))

    # Filled by mail alone, to the last octet.
    replies = []
    for number in range(400):
        replies.append(send(f"fill-{number}", line * 6000))
        if not replies[-1].startswith("250"):
            break
    check("mail that fills the disk ends in 4xx", replies[-1].startswith("4"), replies[-1])
    check("the server still runs", server.process.poll() is None)
    remount("size=96m")
    reply = wait_for(lambda: (lambda said: said.startswith("250") and said)(send("room-2", line)), 20)
    check("with a larger disk it takes mail", reply, server.log.read_text()[-800:])
    check("nothing acknowledged is lost, nothing refused is there", wait_for(all_arrived, 30),
          set(accepted) ^ {one["subject"] for one in server.messages(ANN)})

    # A kill on a full disk, and a start on it.
    with open(filler, "wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
    server.kill()
    filler.unlink()
    server.start()
    check("a kill on a full disk loses nothing", wait_for(all_arrived, 30),
          set(accepted) ^ {one["subject"] for one in server.messages(ANN)})

    # The floor of free space, which a reload sets.
    server.config.write_text(server.config.read_text().replace("free_space_min = 0",
                                                               'free_space_min = "100 GiB"'))
    server.process.send_signal(1)
    free = os.statvfs(folder)
    share = free.f_bavail / free.f_blocks

    def refused():
        """What mail gets on a disk that is nearly full: the server takes room, and gives some back."""
        with open(filler, "ab", buffering=0) as file:
            while (now := os.statvfs(folder)).f_bavail > 0.06 * now.f_blocks:
                file.write(b"\0" * 65_536)
        said = send("low", line)
        return said.startswith("452") and said

    reply = wait_for(refused, 20)
    check("under a tenth of the disk new mail gets 452", reply, (share, send("low-2", line)))
    check("health says so", wait_for(lambda: health() == "503", 10), health())
    filler.unlink()
    reply = wait_for(lambda: (lambda said: said.startswith("250") and said)(send("room-3", line)), 20)
    check("and not when there is room again", reply)
    check("health is well", wait_for(lambda: health() == "200", 10), health())

    # Read-only, while it runs: each write to a file is answered as such a file system does.
    line_of_strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=pwrite64",
                      "-e", "inject=pwrite64:error=EROFS", "-p", str(server.process.pid)]
    tracer = subprocess.Popen(line_of_strace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = pathlib.Path(f"/proc/{server.process.pid}/status")
    wait_for(lambda: "TracerPid:\t0" not in status.read_text(), 10)
    reply = wait_for(lambda: (lambda said: said.startswith("4") and said)(send("read-only", line)), 10)
    check("a disk that becomes read-only refuses with 4xx", reply, send("read-only-2", line))
    check("the server still runs", server.process.poll() is None)
    tracer.send_signal(2)
    tracer.wait(10)
    reply = wait_for(lambda: (lambda said: said.startswith("250") and said)(send("room-4", line)), 20)
    check("writable again, it takes mail without a restart", reply, server.log.read_text()[-800:])
    check("nothing acknowledged is lost", wait_for(all_arrived, 30),
          set(accepted) ^ {one["subject"] for one in server.messages(ANN)})

    # Read-only at a start.
    check("it stops with 0", server.stop() == 0)
    remount("ro")
    ended = subprocess.run(server.line("serve"), capture_output=True, text=True, timeout=30)
    check("on a read-only disk it does not start, and says why",
          ended.returncode != 0 and "ead-only" in ended.stderr, ended.stderr[-500:])
    remount("rw")
    server.start()
    check("writable again, it takes mail", send("writable", line).startswith("250"))
    check("everything acknowledged is there, once", wait_for(all_arrived, 30),
          set(accepted) ^ {one["subject"] for one in server.messages(ANN)})
    check("it never panicked", "panicked" not in server.log.read_text())
    check("it stops with 0", server.stop() == 0)
finally:
    server.remove()
    subprocess.run(["umount", "-l", str(folder)])
finish()
