"""What is measured: processor time and memory of a process with all its children, and the machine."""

import os
import pathlib
import platform
import re
import subprocess
import sys
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def inside():
    """Runs this script again in namespaces of its own; with root only."""
    if os.environ.get("BENCH_INSIDE"):
        return
    if os.geteuid() != 0:
        sys.exit("this needs root: Postfix does, and namespaces do")
    shell = 'mount --make-rprivate / && ip link set lo up && exec "$@"'
    line = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "sh", "-c", shell, "sh", sys.executable, *sys.argv]
    environment = {**os.environ, "BENCH_INSIDE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.exit(subprocess.run(line, env=environment).returncode)


class Group:
    """A control group of our own: all that a server starts stays in it, and its time is exact.

    The times in /proc are cut to hundredths of a second a process, which takes a third off a server
    of two hundred processes.
    """

    FOLDERS = [("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e9),
               ("/sys/fs/cgroup", "cpu.stat", 1e6)]

    def __init__(self):
        for folder, name, scale in self.FOLDERS:
            path = pathlib.Path(folder) / f"mailwright-bench-{os.getpid()}-{time.monotonic_ns()}"
            try:
                path.mkdir()
            except OSError:
                continue
            if (path / name).exists():
                self.path, self.file, self.scale = path, path / name, scale
                return
            path.rmdir()
        raise SystemExit("no control group can be made to account for processor time")

    def join(self):
        """Puts the calling process in; for the child between fork and exec."""
        (self.path / "cgroup.procs").write_text("0")

    def processor(self):
        """Seconds of processor time of all that ever ran in it."""
        return int(re.search(r"\d+", self.file.read_text())[0]) / self.scale

    def memory(self):
        """Octets of all that runs in it, shared pages shared out (PSS)."""
        octets = 0
        for pid in (self.path / "cgroup.procs").read_text().split():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
            octets += int(found[1]) * 1024 if found else 0
        return octets

    def remove(self):
        """Takes it away, once what was in it has ended."""
        wait_until(lambda: not (self.path / "cgroup.procs").read_text(), 10)
        self.path.rmdir()


class Peak:
    """Looks at the memory of a group now and then, and keeps the most."""

    def __init__(self, group, pause=0.5):
        self.group, self.pause, self.most = group, pause, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.over.is_set():
            self.most = max(self.most, self.group.memory())
            self.over.wait(self.pause)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, self.group.memory())


def busy():
    """Seconds that all processors of the machine were busy since it started."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, soft, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + soft + steal) / TICK


def own():
    """Seconds of processor time of this script and of the children it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def machine(folder):
    """The machine in a few words."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    octets = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    kind = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", folder], capture_output=True, text=True)
    return {
        "processor": f"{os.cpu_count()} x {model[1] if model else platform.machine()}",
        "memory": f"{octets / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "file system": kind.stdout.strip(),
    }


def wait_until(question, seconds, pause=0.02):
    """Asks until the answer is true; false when that takes too long."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Lines:
    """Counts the lines of a growing log that hold a word."""

    def __init__(self, path, word):
        self.path, self.word, self.at, self.count, self.rest = path, word.encode(), 0, 0, b""

    def seen(self):
        """How many there are by now."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                data = file.read()
        except OSError:
            return self.count
        self.at += len(data)
        whole, _, rest = (self.rest + data).rpartition(b"\n")
        self.rest = rest
        self.count += whole.count(self.word)
        return self.count
