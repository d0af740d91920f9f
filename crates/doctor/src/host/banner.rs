//! What a greeting and the answer to `EHLO` give away: the host, or something in its place.
//!
//! The signs of devices on the way are few and well known: asterisks in place of a greeting, `X` in
//! place of keywords, `EHLO` refused where `HELO` is taken. A missing STARTTLS alone is no sign;
//! that the host takes the command all the same is.

use mailwright_smtp::client::{Capabilities, Cause, Failure, Loss, Phase};
use mailwright_words::Reply;

use crate::{Check, code};

/// The check of a greeting that came.
pub(super) fn greeting(reply: &Reply) -> Check {
    const ID: &str = "smtp.greeting";
    const TITLE: &str = "Greeting";
    let text = reply.text();
    if is_masked(&text) {
        return Check::wrong(ID, TITLE, format!("{} {text}", reply.code))
            .means(
                "A firewall on the way rewrites the session: Cisco's mail inspection (\"fixup \
                                        smtp\", \"inspect esmtp\") hides the greeting behind \
                                        asterisks, and takes STARTTLS out.",
            )
            .mend("Switch that inspection off in the firewall, at the host's end or at yours.");
    }
    let found = format!("{} {text}", reply.code);
    let has_name = reply.lines.first().and_then(|line| line.split(' ').next());
    if has_name.is_none_or(|name| !name.contains(['.', '['])) {
        return Check::warning(ID, TITLE, found)
            .means("A greeting begins with the host's full name; this one has none.")
            .mend("Set the host's name where its server is configured.");
    }
    Check::right(ID, TITLE, found)
}

/// Whether a text is mostly asterisks.
fn is_masked(text: &str) -> bool {
    let stars = text.chars().filter(|c| *c == '*').count();
    stars >= 6 && stars * 2 > text.chars().filter(|c| !c.is_whitespace()).count()
}

/// The check of a session that ended before it began.
pub(super) fn no_session(failure: &Failure, first: &[u8], port: u16) -> Check {
    match failure {
        Failure::Refused(Phase::Greeting, reply) => turned_away(reply),
        Failure::Refused(_, reply) => refused(reply),
        Failure::Lost(loss) => lost(*loss, first, port),
    }
}

fn turned_away(reply: &Reply) -> Check {
    let is_known = !code::explain(&reply.to_string()).meanings.is_empty();
    let (known, mend) = code::advice(reply);
    let means = if is_known {
        known
    } else {
        "The host wants no session with this address: a blocklist, a missing PTR record, or \
             load."
            .to_owned()
    };
    Check::wrong("smtp.greeting", "Greeting", reply.to_string()).means(means).mend(mend)
}

fn refused(reply: &Reply) -> Check {
    let (means, mend) = code::advice(reply);
    Check::wrong("smtp.ehlo", "EHLO", reply.to_string()).means(means).mend(mend)
}

fn lost(loss: Loss, first: &[u8], port: u16) -> Check {
    const ID: &str = "smtp.greeting";
    const TITLE: &str = "Greeting";
    if loss.phase != Phase::Greeting {
        return Check::wrong("smtp.ehlo", "EHLO", loss.to_string())
            .means("The host, or something on the way, ended the session at the first command.")
            .mend("Try with another name (--ehlo), and from another network.");
    }
    match loss.cause {
        Cause::TimedOut if first.is_empty() => {
            Check::wrong(ID, TITLE, "connected, and not a word came")
                .means(
                    "A firewall takes connections in the host's place and lets nothing through; \
                     or the server hangs, often in a DNS lookup of your address; or the port \
                     begins with TLS.",
                )
                .mend(
                    "Wait longer (--timeout). Look at the host's log whether it saw the \
                       connection.",
                )
        }
        Cause::Closed if first.is_empty() => Check::wrong(
            ID,
            TITLE,
            "connected, and hung up at \
                                        once",
        )
        .means(
            "The host turns this address away without a word, has too many connections, or is \
                 a firewall or load balancer with nothing behind it.",
        )
        .mend("Look at the log of the host; try from another address."),
        _ => other_service(first, port),
    }
}

/// What is no SMTP at all.
fn other_service(first: &[u8], port: u16) -> Check {
    let said = String::from_utf8_lossy(first);
    let line: String =
        said.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let who = match first {
        [b'+', b'O', b'K', ..] => "a POP3 server",
        [b'*', b' ', ..] => "an IMAP server",
        [b'S', b'S', b'H', b'-', ..] => "an SSH server",
        [b'H', b'T', b'T', b'P', ..] | [b'<', ..] => "a web server or proxy",
        [0x15 | 0x16, 0x03, ..] => "a server that wants TLS from the first octet",
        _ => "something else",
    };
    Check::wrong("smtp.greeting", "Greeting", format!("{who} answers: {line:?}"))
        .means(format!("Port {port} of this address does not speak SMTP."))
        .mend("Look at which program listens there, and at forwards of ports on the way.")
}

/// The checks of an answer to `EHLO`. `helo`: it came to `HELO`, as `EHLO` was refused.
pub(super) fn hello(reply: &Reply, greeting_name: Option<&str>, is_helo: bool) -> Vec<Check> {
    const ID: &str = "smtp.ehlo";
    const TITLE: &str = "EHLO";
    if is_helo {
        return vec![
            Check::wrong(ID, TITLE, "refused, while HELO is taken")
                .means(
                    "Every server of the last decades takes EHLO: a firewall on the way refuses \
                     it, and with it TLS, logins and large messages.",
                )
                .mend("Switch off the inspection of mail in the firewall."),
        ];
    }
    let keywords: Vec<&str> = reply.lines.iter().skip(1).map(String::as_str).collect();
    let mut checks = Vec::new();
    if let Some(masked) = keywords.iter().find(|word| is_crossed_out(word)) {
        checks.push(
            Check::wrong("smtp.stripped", "Keywords", format!("one reads {masked}"))
                .means(
                    "A firewall on the way crosses keywords out, STARTTLS among them: Cisco's mail \
                     inspection does so. What is sent can be read on the way.",
                )
                .mend("Switch that inspection off in the firewall, at the host's end or at yours."),
        );
    } else {
        checks.push(Check::right(ID, TITLE, keywords.join(", ")));
    }
    let said = Capabilities::read(reply).name;
    if let Some(name) = greeting_name.filter(|name| differ(name, &said)) {
        let found = format!("the greeting names {name}, the answer to EHLO {said}");
        checks.push(
            Check::warning("smtp.names", "Names", found)
                .means(
                    "Two programs seem to answer: a proxy or filter greets, the server behind it \
                     goes on.",
                )
                .mend("If no filter of yours stands there, try from another network."),
        );
    }
    checks
}

/// `XXXXXXXA`: the length of the keyword, and a letter that keeps the line's sum.
fn is_crossed_out(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    let crossed = word.chars().take_while(|c| *c == 'X').count();
    crossed >= 4 && word.chars().count() - crossed <= 1
}

/// Whether two names are of different owners, as far as can be told.
fn differ(left: &str, right: &str) -> bool {
    let site = |name: &str| {
        let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').take(2).collect();
        labels.join(".").to_ascii_lowercase()
    };
    left.contains('.') && right.contains('.') && site(left) != site(right)
}

/// Whether TLS is offered in an answer to `EHLO`.
pub(super) fn no_starttls(tried: Option<&Reply>, is_taken: bool, is_strict: bool) -> Check {
    const ID: &str = "smtp.starttls";
    const TITLE: &str = "STARTTLS";
    let told = tried.map(ToString::to_string).unwrap_or_default();
    if is_taken {
        return Check::wrong(ID, TITLE, format!("not offered, yet the host takes it: {told}"))
            .means(
                "Something between here and the host takes STARTTLS out of its offer, so that all \
                 is sent readable: a firewall, a virus scanner, or an attacker.",
            )
            .mend(
                "Try from another network to find where. Mail programs: use port 465. Servers: \
                 publish MTA-STS or DANE, so that others do not fall for it.",
            );
    }
    if tried.is_some_and(|reply| reply.code == 454) {
        return Check::wrong(ID, TITLE, format!("not offered, and it does not work now: {told}"))
            .means("The host's TLS is broken, most often for want of its certificate or key.")
            .mend("Look at the log of the host.");
    }
    let found = format!("not offered ({told})");
    if is_strict {
        Check::wrong(ID, TITLE, found)
            .means("Passwords and mail can be read on the way; mail programs of today refuse it.")
            .mend("Give the host a certificate and switch on TLS.")
    } else {
        Check::warning(ID, TITLE, found)
            .means(
                "Mail to this host can be read on the way. Whether the host has none or something \
                 between takes it out cannot be told from here.",
            )
            .mend("If the host is yours, give it a certificate and switch on TLS.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(code, None, text)
    }

    #[test]
    fn a_rewritten_greeting_is_told_from_an_odd_one() {
        for (text, verdict) in [
            ("mx.example ESMTP Postfix", Verdict::Right),
            ("mx.example ESMTP *** no spam ***", Verdict::Right),
            ("***************************************", Verdict::Wrong),
            ("*****2******0*0*****", Verdict::Wrong),
            ("ESMTP ready", Verdict::Warning),
        ] {
            assert_eq!(greeting(&reply(220, text)).verdict, verdict, "{text}");
        }
    }

    #[test]
    fn crossed_out_keywords_speak_and_others_do_not() {
        let ids = |text: &str, name| -> Vec<(&'static str, Verdict)> {
            let checks = hello(&reply(250, text), Some(name), false);
            checks.iter().map(|check| (check.id, check.verdict)).collect()
        };
        let sound = "mx.example\nPIPELINING\nSTARTTLS\nX-EXPS NTLM\nXCLIENT NAME\nXXX";
        assert_eq!(ids(sound, "mx.example"), [("smtp.ehlo", Verdict::Right)]);
        let stripped = "mx.example\nPIPELINING\nXXXXXXXA";
        assert_eq!(ids(stripped, "mx.example"), [("smtp.stripped", Verdict::Wrong)]);
        assert_eq!(
            ids("mx.other.example\nPIPELINING", "filter.scanner.test"),
            [("smtp.ehlo", Verdict::Right), ("smtp.names", Verdict::Warning)]
        );
        assert!(hello(&reply(250, "x"), None, true)[0].verdict == Verdict::Wrong);
    }

    #[test]
    fn a_missing_starttls_is_judged_by_what_the_host_says_to_it() {
        let found = |reply: &Reply, taken, strict| no_starttls(Some(reply), taken, strict).verdict;
        assert_eq!(found(&reply(220, "Go"), true, false), Verdict::Wrong);
        assert_eq!(found(&reply(502, "No"), false, false), Verdict::Warning);
        assert_eq!(found(&reply(502, "No"), false, true), Verdict::Wrong);
        assert_eq!(found(&reply(454, "Not now"), false, false), Verdict::Wrong);
    }

    #[test]
    fn other_services_are_known_by_their_first_words() {
        let cause = Cause::Malformed(mailwright_smtp::reply::Malformed::Code);
        let failure = Failure::Lost(Loss { phase: Phase::Greeting, cause });
        for (first, word) in [
            (&b"SSH-2.0-x"[..], "an SSH server"),
            (b"+OK ready", "a POP3 server"),
            (b"* OK ready", "an IMAP server"),
            (b"HTTP/1.1 400", "a web server"),
            (b"\x15\x03\x01\x00\x02", "wants TLS"),
            (b"hello", "something else"),
        ] {
            let check = no_session(&failure, first, 25);
            assert!(check.found.contains(word), "{check:?}");
        }
    }
}
