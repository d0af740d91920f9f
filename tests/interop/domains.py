"""The records of a domain: printed, published, and looked up where they are right, wrong or gone."""

import json
import sqlite3
import subprocess

from dns_world import SERVER, Dns
from harness import Server, check, finish, wait_for

HOST = "192.0.2.7"
world = Dns()
# The name server itself: what stands between would remember it as away when zones change.
server = Server(extra=f"""
[dns]
servers = ["{SERVER}:53"]
timeout = "2s"
attempts = 1
[subdomains]
return_path = "bounces"
tracking = "links"
[relay]
source_ipv4 = "{HOST}"
""")


def checked(once=False):
    """The exit code of the check, and its JSON; asked again while the servers come back."""
    def ask():
        done = server.run("domain", "check", "home.example", "--json")
        answers.append((done.returncode, json.loads(done.stdout or "{}"), done.stderr))
        told = answers[-1][1]
        open_demand = demands(told)["the sending addresses have names that lead back to them"]
        known = {state for name, state in states(told).items() if name != "DANE"} | {open_demand}
        return once or "cannot know" not in known

    answers = []
    wait_for(ask, 20, 0.3)
    return answers[-1]


def states(told):
    """The state of each record by its purpose; the worst where there are several."""
    found = {}
    for row in told["records"]:
        one = found.setdefault(row["purpose"], row["state"])
        found[row["purpose"]] = one if row["state"] == "right" else row["state"]
    return found


def publish(zone, *changes):
    """Serves the zone with some of its texts replaced; those of the return path by their name."""
    for old, new in changes:
        if old not in zone:
            check(f"{old} is in the zone", False, zone)
        zone = "".join(
            line.replace(old, new) if line.startswith("bounces.") == old.startswith("bounces.")
            else line for line in zone.splitlines(True))
    more = "".join(f"{name}. IN A {HOST}\n" for name in ["mx.home.example"])
    world.zone("home.example", zone + more)


def demands(told):
    return {row["demand"].split(",")[0].split(":")[0]: row["state"] for row in told["demands"]}


def main():
    done = server.run("domain", "add", "home.example")
    for text in ["added home.example", "v=spf1 mx", "v=DKIM1; k=rsa", "v=DKIM1; k=ed25519",
                 "v=DMARC1", "v=TLSRPTv1", "v=STSv1", "TLSA", "3 1 1 ", "autoconfig.home.example.",
                 "_submissions._tcp.home.example.", "bounces.home.example.", "links.home.example."]:
        check(f"domain add prints {text!r}", text in done.stdout, done.stdout)
    zone = server.run("domain", "records", "home.example", "--zone").stdout
    check("a long text is cut into strings", '" "' in zone, zone)
    file = world.folder / "printed.zone"
    file.write_text("$ORIGIN home.example.\n$TTL 60\n@ SOA ns. root. 1 60 60 60 60\n@ NS ns.\n"
                    + zone + f"mx A {HOST}\n")
    done = subprocess.run(["nsd-checkzone", "home.example", file], capture_output=True, text=True)
    check("nsd takes the zone", done.returncode == 0, done.stdout + done.stderr)
    rows = server.json("domain", "records", "home.example")
    check("the records are there as JSON", len(rows) == len(zone.splitlines()), rows)
    world.zone("example", "", signed=True)
    world.zone("2.0.192.in-addr.arpa", "7 PTR mx.home.example.", signed=False)
    world.start()
    code, told, error = checked()
    found = states(told)
    check("where nothing is published all is missing", code == 1 and
          {found[one] for one in ["MX", "SPF", "DKIM", "DMARC", "MTA-STS", "TLS-RPT"]} == {"missing"},
          (code, found, error))
    check("and the demands are not met", demands(told)["SPF passes for what we send from"] == "not met",
          demands(told))
    publish(zone)
    code, told, error = checked()
    found = states(told)
    wrong = {one: state for one, state in found.items() if state != "right" and one != "DANE"}
    check("what is printed is right when it is published", code == 0 and wrong == {},
          (code, wrong, error))
    unmet = [row for row in told["demands"] if row["state"] == "not met"]
    check("and no demand is left", unmet == [], unmet)
    text = server.run("domain", "check", "home.example").stdout
    check("people read it, too", "right" in text and "Gmail, Yahoo, Microsoft" in text, text)
    for name, purpose, change, why in [
        ("another MX", "MX", ("MX 10 mx.home.example.", "MX 10 other.example."), "other.example"),
        ("an SPF that does not let us send", "SPF", (f'"v=spf1 mx ip4:{HOST} -all"',
                                                     '"v=spf1 ip4:198.51.100.1 -all"'), "-all"),
        ("two SPF records", "SPF", (f'home.example. IN TXT "v=spf1 mx ip4:{HOST} -all"\n',
                                    'home.example. IN TXT "v=spf1 a -all"\n'
                                    'home.example. IN TXT "v=spf1 mx -all"\n'), "more than one"),
        ("a return path whose mail goes elsewhere", "return path",
         ("bounces.home.example. IN MX 10 mx.home.example.",
          "bounces.home.example. IN MX 10 other.example."), "other.example"),
        ("another key", "DKIM", ("k=ed25519; p=", "k=ed25519; p=AAAA"), "AAAA"),
        ("a policy of no kind", "DMARC", ("p=none", "p=perhaps"), "p=perhaps"),
    ]:
        publish(zone, change)
        code, told, error = checked()
        bad = [row for row in told["records"] if row["state"] == "wrong"]
        right = code == 1 and len(bad) == 1 and bad[0]["purpose"] == purpose
        check(f"{name} is wrong", right and why in bad[0]["found"], (code, bad, error))
    publish(zone, (f'"v=spf1 mx ip4:{HOST} -all"', '"v=spf1 include:spf.home.example ~all"'),
            ("_dmarc.home.example.", f'spf.home.example. IN TXT "v=spf1 ip4:{HOST}/24 -all"\n'
                                     "_dmarc.home.example."))
    code, told, error = checked()
    check("an SPF of other words that lets us send is right", code == 0, (code, states(told), error))
    lines = [line for line in zone.splitlines(True) if not line.startswith("_dmarc")]
    publish("".join(lines))
    code, told, error = checked()
    check("a DMARC record that is not there is missing", states(told)["DMARC"] == "missing" and
          code == 1, states(told))
    world.zone("example", '_dmarc TXT "v=DMARC1; p=reject"')
    world.zone("2.0.192.in-addr.arpa", "8 PTR mx.home.example.", signed=False)
    publish(zone)
    code, told, error = checked()
    named = demands(told)["the sending addresses have names that lead back to them"]
    check("an address without a name is a demand not met", named == "not met", demands(told))
    world.file(world.zones["home.example"]).unlink()
    world.broken("home.example")
    code, told, error = checked(once=True)
    found = states(told)
    check("what cannot be looked up cannot be known", code == 1 and
          {found[one] for one in ["MX", "SPF", "DKIM", "MTA-STS", "service"]} == {"cannot know"},
          (code, found, error))
    upgrade()


def upgrade():
    """A domain from before keys were gets them when the server starts."""
    with sqlite3.connect(server.data / "mailwright.db") as data:
        data.execute("DELETE FROM dkim_key")
    check("a domain without keys prints none", "DKIM1" not in
          server.run("domain", "records", "home.example").stdout)
    server.start()
    # A command that came before the server has the folder would take it.
    wait_for(lambda: "Server started." in server.log.read_text())

    def both():
        keys = server.json("domain", "keys", "home.example")
        return keys if len(keys) == 2 else None

    keys = wait_for(both, 20)
    check("it gets them at the start", [key["state"] for key in keys] == ["active"] * 2, keys)
    done = server.run("domain", "add", "plain")
    check("one that cannot publish gets none", done.returncode == 0 and done.stdout == "added plain\n",
          done.stdout)
    check("it stops with 0", server.stop() == 0)
    check("it never panicked", "panicked" not in server.log.read_text())


try:
    main()
finally:
    server.remove()
finish()
