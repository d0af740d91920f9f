#!/usr/bin/env python3
"""What docs/guide/testing.md has for Playwright, Cypress and JUnit runs as it stands there (that for pytest: senders.py).

Playwright drives Debian's chromium, JUnit 5 and Jackson are Debian's. Cypress itself is a program that its package
fetches from a host of its own: its example runs with node/cypress.js, which makes the same requests without a browser."""

import html
import http.server
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import threading
from email.message import EmailMessage
from urllib.parse import parse_qs

from harness import BINARY, ROOT, check, finish, free_ports, wait_for

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ROOT / "target/npm/node_modules"
JARS = ["junit-platform-console-standalone", "jackson-databind", "jackson-core", "jackson-annotations"]
smtp, web, shop = free_ports(3)
folder = pathlib.Path(tempfile.mkdtemp(prefix="mailwright-guide-test-"))
GUIDE = (ROOT / "docs/guide/testing.md").read_text()


def example(heading, language):
    """The first piece of code below a heading, with the ports of this run."""
    found = re.search(rf"^## {heading}\n.*?```{language}\n(.*?)```", GUIDE, re.S | re.M)
    check(f"the guide has an example for {heading}", found)
    return found[1].replace("127.0.0.1:8025", f"127.0.0.1:{web}").replace('"127.0.0.1", 1025', f'"127.0.0.1", {smtp}')


class Shop(http.server.BaseHTTPRequestHandler):
    """A program that is tested: who registers gets a message with a link and a code."""
    given = []

    def answer(self, body):
        octets = f"<!doctype html><title>Shop</title>{body}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def do_GET(self):
        if self.path == "/register":
            return self.answer("<form method=post><label>Address <input name=address></label><button>Register</button></form>")
        if self.path.startswith("/confirm?"):
            return self.answer("<p>Thank you</p>")
        self.send_error(404)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if "code" in form:
            Shop.given.append(form["code"][0])
            return self.answer("<p>Thank you</p>")
        address = form["address"][0]
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "app@shop.test", address, "Confirm"
        message.set_content("Your code is 482910.")
        message.add_alternative(f"<p>Your code is 482910.</p><a class=confirm href='http://127.0.0.1:{shop}/confirm?t=1'>Go</a>",
                                subtype="html")
        with smtplib.SMTP("127.0.0.1", smtp) as client:
            client.send_message(message)
        self.answer(f"<p>Sent to {html.escape(address)}</p><form method=post><input name=code><button>OK</button></form>")

    def log_message(self, *_):
        pass


def listens(port):
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X} " in row and " 0A " in row for row in table)


def run(*line, **variables):
    return subprocess.run([str(part) for part in line], cwd=folder, timeout=120, capture_output=True, text=True,
                          env={**os.environ, **variables})


def playwright():
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "tests").mkdir()
    (folder / "tests/registration.spec.ts").write_text(example("Playwright", "ts"))
    (folder / "playwright.config.ts").write_text(f"""
        import {{ defineConfig }} from "@playwright/test";
        export default defineConfig({{
          testDir: "tests", workers: 1, reporter: "line", outputDir: "{folder}/results",
          use: {{ baseURL: "http://127.0.0.1:{shop}",
                 launchOptions: {{ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] }} }},
        }});
    """)
    done = run("node", MODULES / "@playwright/test/cli.js", "test", SANDBOX=f"http://127.0.0.1:{web}/api", CI="1")
    check("Playwright runs it", done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr)


def cypress():
    (folder / "registration.cy.js").write_text(example("Cypress", "js"))
    done = run("node", HERE / "node/cypress.js", folder / "registration.cy.js", f"http://127.0.0.1:{shop}")
    check("the requests of that for Cypress are answered", done.returncode == 0 and "1 passed" in done.stdout,
          done.stdout + done.stderr)
    check("and the code of the message was typed", Shop.given == ["482910"], Shop.given)


def junit():
    """The example, with the imports that the guide names, and a program that it tests."""
    imports = ["java.net.*", "java.net.http.*", "java.nio.charset.StandardCharsets", "java.time.Duration",
               "com.fasterxml.jackson.databind.*", "org.junit.jupiter.api.Test"]
    head = "".join(f"import {name};\n" for name in imports)
    head += "import static org.junit.jupiter.api.Assertions.assertEquals;\n"
    (folder / "RegistrationTest.java").write_text(head + example("JUnit 5", "java"))
    (folder / "Registration.java").write_text("""
        record Registration(String host, int port) {
            void register(String address) throws java.io.IOException {
                try (var socket = new java.net.Socket(host, port)) {
                    var in = new java.io.BufferedReader(new java.io.InputStreamReader(socket.getInputStream()));
                    in.readLine();
                    for (String line : new String[] {"HELO app", "MAIL FROM:<app@shop.test>", "RCPT TO:<" + address + ">",
                            "DATA", "Subject: Confirm\\r\\nTo: " + address + "\\r\\n\\r\\nx\\r\\n.", "QUIT"}) {
                        socket.getOutputStream().write((line + "\\r\\n").getBytes());
                        in.readLine();
                    }
                }
            }
        }
    """)
    path = ":".join([f"/usr/share/java/{jar}.jar" for jar in JARS] + [str(folder)])
    flags = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"]
    done = run("javac", *flags, "-cp", path, "-d", folder, folder / "RegistrationTest.java", folder / "Registration.java")
    if not check("javac takes it", done.returncode == 0, done.stderr):
        return
    done = run("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path,
               "org.junit.platform.console.ConsoleLauncher", "--select-class", "RegistrationTest", "--disable-banner")
    check("JUnit runs it", done.returncode == 0 and "1 tests successful" in done.stdout, done.stdout + done.stderr)


def build():
    """The last step of a build, on all that the others sent."""
    line = re.search(r"^## In a build\n.*?```sh\n(.*?)\n```", GUIDE, re.S | re.M)[1]
    line = line.replace("mailwright check", f"'{BINARY}' check --server http://127.0.0.1:{web}")
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60)
    sys.path.insert(0, str(ROOT / "target/python"))
    import junitparser
    suites = junitparser.JUnitXml.fromfile(str(folder / "mail.xml"))
    check("the last step makes a report of all messages", (len(suites), suites.tests) == (3, 9), (done, len(suites)))


threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", shop), Shop).serve_forever, daemon=True).start()
screen = open(folder / "screen", "wb")
server = subprocess.Popen([str(BINARY), "sandbox", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{web}"],
                          stdout=screen, stderr=screen, env={**os.environ, "TMPDIR": str(folder)})
try:
    check("it listens", wait_for(lambda: listens(smtp) and listens(web), 20), (folder / "screen").read_text())
    playwright()
    cypress()
    junit()
    build()
finally:
    server.terminate()
    server.wait(20)
    shutil.rmtree(folder, ignore_errors=True)
finish()
