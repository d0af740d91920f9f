"""A browser without a window, by WebDriver: Debian's chromium under its chromedriver."""

import json
import shutil
import socket
import subprocess
import tempfile
import urllib.request

from measure import wait_until

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-background-networking", "--window-size=1280,900"]


def is_there():
    return shutil.which("chromedriver") is not None and shutil.which("chromium") is not None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    """One that ends with its block."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="bench-browser-")
        self.base = f"http://127.0.0.1:{free_port()}"
        port = self.base.rsplit(":", 1)[1]
        self.process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if not wait_until(self.is_ready, 20, 0.1):
            raise SystemExit("chromedriver does not start")
        chrome = {"binary": shutil.which("chromium"),
                  "args": [*ARGUMENTS, f"--user-data-dir={self.home.name}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome}
        told = self.ask("/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{told['sessionId']}"
        return self

    def __exit__(self, *_):
        urllib.request.urlopen(urllib.request.Request(self.base, method="DELETE"), timeout=30).close()
        self.process.terminate()
        self.process.wait(30)
        self.home.cleanup()

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.base + "/status", timeout=5) as answer:
                return json.loads(answer.read())["value"]["ready"]
        except OSError:
            return False

    def ask(self, path, body):
        """One command; its value."""
        request = urllib.request.Request(self.base + path, data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]

    def open(self, url):
        self.ask("/url", {"url": url})

    def run(self, script, *arguments):
        """What a script gives back."""
        return self.ask("/execute/sync", {"script": script, "args": list(arguments)})
