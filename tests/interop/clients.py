"""Clients that people have: smtplib, swaks, curl, msmtp; and what no client of good will says."""

import base64
import smtplib
import socket
import ssl
import subprocess
import tempfile

from harness import PASSWORD, Server, Wire, check, ehlo_keywords, finish, message, refused
from harness import unfolded

ANN = "ann@home.example"
server = Server().accounts(ANN, "ben@home.example")
unverified = ssl.create_default_context()
unverified.check_hostname = False
unverified.verify_mode = ssl.CERT_NONE


def arrives(name, subject, address=ANN, count=1):
    """Claims that a message arrived so often; gives the raw copy."""
    rows = server.with_subject(address, subject, count=count)
    right = check(f"{name}: it arrives", len(rows) == count, rows)
    return server.raw(rows[0]) if right else b""


def program(name, line, subject, text=None):
    done = subprocess.run(line, input=text, capture_output=True, timeout=60)
    check(f"{name} is content", done.returncode == 0, (line, done.stdout, done.stderr))
    return arrives(name, subject)


def with_smtplib():
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", [ANN], message("lib-mta"))
        client.sendmail("bob@client.example", [ANN, "ben@home.example"], message("lib-two"))
    raw = arrives("smtplib to the MTA", "lib-mta")
    check("the copy ends with what was sent", raw.endswith(message("lib-mta")), raw)
    check("Return-Path", unfolded(raw, "Return-Path") == ["<bob@client.example>"], raw)
    check("Delivered-To", unfolded(raw, "Delivered-To") == [ANN], raw)
    check("one Received", len(unfolded(raw, "Received")) == 1, raw)
    arrives("two recipients", "lib-two", "ben@home.example")
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.starttls(context=unverified)
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["ben@home.example"], b"From: " + ANN.encode()
                        + b"\r\nSubject: lib-msa\r\n\r\nx\r\n")
    raw = arrives("smtplib over STARTTLS", "lib-msa", "ben@home.example")
    for field in ["Date", "Message-ID"]:
        check(f"the MSA adds {field}", len(unfolded(raw, field)) == 1, raw)
    with smtplib.SMTP_SSL("127.0.0.1", server.msas, context=unverified) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, [ANN], message("lib-implicit", ANN))
    arrives("smtplib over implicit TLS", "lib-implicit")
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        client.sendmail("bob@client.example", [ANN], message("lib-lmtp"))
    arrives("smtplib over LMTP", "lib-lmtp")
    body = "".join(f"{number:06} {'x' * 70}\r\n" for number in range(40_000))
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", [ANN], message("lib-large", body=body))
    raw = arrives("3 MB", "lib-large")
    check("3 MB are whole", raw.endswith(body.encode()), len(raw))
    dots = ".\r\n..\r\n.x\r\n\r\n"
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        client.sendmail("bob@client.example", [ANN], message("lib-dots", body=dots))
    check("dots stay", arrives("dots", "lib-dots").endswith(dots.encode()))


def refusals():
    with smtplib.SMTP("127.0.0.1", server.mta) as client:
        code = refused(client.sendmail, "b@client.example", ["x@elsewhere.example"], message("r"))
        check("no open relay", 500 <= code < 600, code)
        code = refused(client.sendmail, "b@client.example", ["no@home.example"], message("r"))
        check("an unknown user is refused at RCPT", code == 550, code)
        code = refused(client.sendmail, ANN, ["ann%elsewhere.example@home.example"], message("r"))
        check("no percent hack", 500 <= code < 600, code)
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        code = refused(client.sendmail, ANN, ["x@elsewhere.example"], message("r"))
        check("the MSA wants a login", code == 530, code)
        check("a wrong password", refused(client.login, ANN, "wrong") == 535)
    # On a connection of its own: three failures end a session, and smtplib tries twice each time.
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        check("an unknown name sounds the same", refused(client.login, "no@home.example", "x") == 535)
    with smtplib.SMTP("127.0.0.1", server.msa) as client:
        client.login(ANN, PASSWORD)
        code = refused(client.sendmail, "ben@home.example", [ANN], message("r"))
        check("no sender that is another's", 500 <= code < 600, code)
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        code = refused(client.sendmail, "b@client.example", ["x@elsewhere.example"], message("r"))
        check("LMTP does not relay", 500 <= code < 600, code)


def programs():
    for name, options in [("plain", []), ("pipelined", ["--pipeline"])]:
        line = ["swaks", "--server", f"127.0.0.1:{server.mta}", "--from", "s@client.example",
                "--to", ANN, "--header", f"Subject: swaks-{name}", *options]
        program(f"swaks {name}", line, f"swaks-{name}")
    for kind in ["PLAIN", "LOGIN"]:
        line = ["swaks", "--server", f"127.0.0.1:{server.msa}", "-tls", "--auth", kind,
                "--auth-user", ANN, "--auth-password", PASSWORD, "--from", ANN, "--to", ANN,
                "--header", f"Subject: swaks-{kind}"]
        program(f"swaks AUTH {kind}", line, f"swaks-{kind}")
    with tempfile.NamedTemporaryFile() as file:
        file.write(message("curl", ANN))
        file.flush()
        line = ["curl", "-sS", "--ssl-reqd", "-k", f"smtp://127.0.0.1:{server.msa}", "--user",
                f"{ANN}:{PASSWORD}", "--mail-from", ANN, "--mail-rcpt", ANN, "-T", file.name]
        program("curl", line, "curl")
    line = ["msmtp", "--host=127.0.0.1", f"--port={server.msa}", "--tls=on", "--tls-certcheck=off",
            "--auth=on", f"--user={ANN}", f"--passwordeval=echo '{PASSWORD}'", f"--from={ANN}", ANN]
    program("msmtp", line, "msmtp", message("msmtp", ANN).replace(b"\r\n", b"\n"))
    # Debian's curl is built without SCRAM; its msmtp has it.
    line[line.index("--auth=on")] = "--auth=scram-sha-256"
    program("msmtp SCRAM", line, "msmtp-scram", message("msmtp-scram", ANN).replace(b"\r\n", b"\n"))


def transaction(wire):
    """Opens a transaction up to DATA's 354."""
    wire.say("EHLO client.example")
    wire.say("MAIL FROM:<bob@client.example>")
    wire.say(f"RCPT TO:<{ANN}>")
    return wire.say("DATA")


def strictness():
    for name, end in [("LF . LF", b"\n.\n"), ("LF . CRLF", b"\n.\r\n"), ("CR . CR", b"\r.\r"),
                      ("CRLF . LF", b"\r\n.\n")]:
        wire = Wire(server.mta)
        transaction(wire)
        smuggled = b"MAIL FROM:<evil@client.example>\r\n"
        wire.send(b"Subject: smuggle\r\n\r\nx" + end + smuggled + b"\r\n.\r\n")
        reply = wire.reply()
        check(f"{name} does not end a message, and is refused", reply.startswith("550"), reply)
        check(f"{name}: nothing was read as a command", wire.say("NOOP").startswith("250"))
        wire.close()
    wire = Wire(server.msa)
    wire.say("EHLO client.example")
    wire.send("STARTTLS\r\nNOOP\r\n")
    first, second = wire.reply(), wire.reply()
    check("what is pipelined behind STARTTLS ends the session",
          not (first.startswith("220") and second), (first, second))
    wire = Wire(server.mta)
    wire.say("EHLO client.example")
    wire.send(b"NOOP \x00\r\n")
    check("NUL is refused", wire.reply().startswith("5"))
    check("RCPT needs MAIL", wire.say(f"RCPT TO:<{ANN}>").startswith("503"))
    check("VRFY tells nothing", wire.say(f"VRFY {ANN}").startswith("252"))
    check("EXPN is refused", wire.say("EXPN list").startswith("5"))
    check("an unknown command", wire.say("XYZZY").startswith("500"))
    check("too large by SIZE", wire.say("MAIL FROM:<a@b.example> SIZE=999999999999").startswith("552"))
    check("an unknown parameter", wire.say("MAIL FROM:<a@b.example> XX=1").startswith("555"))
    check("QUIT", wire.say("QUIT").startswith("221"))
    wire.close()


def extensions():
    wire = Wire(server.mta)
    keywords = ehlo_keywords(wire.say("EHLO client.example"))
    wanted = {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES",
              "DSN", "STARTTLS"}
    check("the MTA's keywords", wanted <= keywords, wanted - keywords)
    check("no AUTH on the MTA", "AUTH" not in keywords, keywords)
    body = message("bdat")
    half = len(body) // 2
    wire.send(b"MAIL FROM:<bob@client.example>\r\nRCPT TO:<" + ANN.encode() + b">\r\n"
              + b"BDAT %d\r\n" % half + body[:half]
              + b"BDAT %d LAST\r\n" % (len(body) - half) + body[half:])
    replies = [wire.reply() for _ in range(4)]
    check("pipelined BDAT", all(reply.startswith("250") for reply in replies), replies)
    wire.close()
    check("BDAT's bytes are whole", arrives("BDAT", "bdat").endswith(body))
    wire = Wire(server.mta)
    wire.say("EHLO client.example")
    replies = [wire.say("MAIL FROM:<j\u00fcrgen@client.example> SMTPUTF8"), wire.say(f"RCPT TO:<{ANN}>"),
               wire.say("DATA"), wire.say("Subject: utf8\r\n\r\nx\r\n.")]
    check("SMTPUTF8", [reply[:3] for reply in replies] == ["250", "250", "354", "250"], replies)
    wire.close()
    arrives("SMTPUTF8", "utf8")
    wire = Wire(server.msa)
    wire.say("EHLO client.example")
    secret = base64.b64encode(b"\0" + ANN.encode() + b"\0" + PASSWORD.encode()).decode()
    check("AUTH with an initial response", wire.say(f"AUTH PLAIN {secret}").startswith("235"))
    check("AUTH twice", wire.say(f"AUTH PLAIN {secret}").startswith("503"))
    wire.close()
    wire = Wire(server.msa)
    wire.say("EHLO client.example")
    check("AUTH is asked", wire.say("AUTH PLAIN").startswith("334"))
    check("AUTH can be cancelled", wire.say("*").startswith("501"))
    wire.close()


def old_tls():
    """TLS 1.2 without the extended master secret, as old clients speak it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET
    with smtplib.SMTP_SSL("127.0.0.1", server.msas, context=context) as client:
        version = client.sock.version()
        client.ehlo()
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, [ANN], message("old-tls", ANN, ANN))
    check("TLS 1.2 without the extended master secret works", version == "TLSv1.2", version)
    arrives("TLS 1.2", "old-tls")


def proxied():
    wire = Wire(server.proxied, greet=False)
    wire.send("PROXY TCP4 203.0.113.9 127.0.0.1 40000 25\r\n")
    check("PROXY v1", wire.reply().startswith("220"))
    transaction(wire)
    check("PROXY v1 delivers", wire.say("Subject: proxied\r\n\r\nx\r\n.").startswith("250"))
    wire.close()
    received = unfolded(arrives("PROXY v1", "proxied"), "Received")
    check("the client's address is the one told", "203.0.113.9" in "".join(received), received)
    wire = Wire(server.proxied, greet=False)
    head = b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11" + (12).to_bytes(2, "big")
    wire.send(head + socket.inet_aton("203.0.113.10") + socket.inet_aton("127.0.0.1")
              + (40001).to_bytes(2, "big") + (25).to_bytes(2, "big"))
    check("PROXY v2", wire.reply().startswith("220"))
    wire.close()
    wire = Wire(server.proxied, greet=False)
    wire.send("EHLO client.example\r\n")
    check("without PROXY no greeting", not wire.reply().startswith("220"))
    wire.close()


try:
    server.start()
    for part in [with_smtplib, refusals, programs, strictness, extensions, proxied, old_tls]:
        part()
    check("it is still running", server.process.poll() is None)
    check("nothing was smuggled in", not [one for one in server.messages(ANN) if
                                           one["subject"] in ("smuggle", "r")])
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())
finally:
    server.remove()
finish()
