//! What a handshake showed, judged: version, authority, name, dates.
//!
//! Each is judged by itself, as the first fault that a library finds hides the others. Between mail
//! servers nobody is made to show a certificate that others believe, so there it is a warning.
//! Source: RFC 7672 section 1.3, RFC 8314 section 3, RFC 9525 (names).

use std::{io, net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_net::tls::{CertificateFacts, Distrust, Inspected, Obstacle, obstacle};
use mailwright_words::Timestamp;

use crate::{Check, Verdict};

/// How long before its end a certificate is told of: the time a renewal has to be noticed to hang.
const SOON: Duration = Duration::from_hours(14 * 24);

/// What a certificate is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure<'a> {
    /// The name that the client asks for.
    pub(crate) name: &'a str,
    /// The time.
    pub(crate) now: Timestamp,
    /// Whether clients of this port turn away from a certificate they do not believe.
    pub(crate) is_strict: bool,
}

impl Measure<'_> {
    /// What is wrong where clients are strict, and a warning where they are not.
    fn verdict(self, mut check: Check) -> Check {
        if !self.is_strict && check.verdict == Verdict::Wrong {
            check.verdict = Verdict::Warning;
        }
        check
    }
}

/// Judges a handshake.
pub(crate) fn judge(inspected: &Inspected, measure: Measure<'_>) -> Vec<Check> {
    let facts = &inspected.facts;
    let version = Check::right("tls.version", "TLS", format!("{} {}", facts.version, facts.cipher))
        .tried("a handshake with TLS 1.3 and 1.2");
    let Some(own) = inspected.chain.first() else {
        let nothing =
            Check::wrong("tls.chain", "Certificate", "the host shows none that can be read")
                .tried("the certificate in the handshake")
                .means("No client can tell the host from somebody who stands in the way.")
                .mend("Give the host a certificate, such as by ACME.");
        return vec![version, measure.verdict(nothing)];
    };
    let mut checks = vec![version];
    checks.push(measure.verdict(chain(inspected, own)));
    checks.push(measure.verdict(name(own, measure.name)));
    checks.push(strength(own));
    checks.extend(dates(&inspected.chain, measure.now).map(|check| measure.verdict(check)));
    checks
}

fn chain(inspected: &Inspected, own: &CertificateFacts) -> Check {
    const ID: &str = "tls.chain";
    const TITLE: &str = "Certificate's authority";
    let shown = inspected.chain.len();
    let tried = "the chain against the authorities that this program knows";
    let check = match &inspected.trust {
        Err(Distrust::Issuer) if own.is_self_issued => {
            Check::wrong(ID, TITLE, "the certificate is of the host's own making")
                .means("No client can tell the host from somebody who stands in the way.")
                .mend("Get one from an authority, such as by ACME, for the names that clients use.")
        }
        Err(Distrust::Issuer) if shown == 1 => Check::wrong(
            ID,
            TITLE,
            format!("one certificate, of an issuer nobody knows: {}", own.issuer),
        )
        .means(
            "Either the certificates that link it to an authority are not sent along, which some \
             clients make up for and others do not, or the authority is a private one.",
        )
        .mend(
            "Set the file that holds the whole chain (often called fullchain), the host's own \
             certificate first. For a private authority, give clients its certificate.",
        ),
        Err(Distrust::Issuer) => {
            Check::wrong(ID, TITLE, format!("a chain of {shown}, to no authority known here"))
                .means("Clients that do not know this authority turn away.")
                .mend("Use an authority that clients know, or give them its certificate.")
        }
        Err(Distrust::Revoked) => Check::wrong(ID, TITLE, "the certificate was revoked")
            .means("Its owner or its authority took it back; clients turn away.")
            .mend("Get a new certificate with a new key."),
        Err(Distrust::Other(why)) => Check::wrong(ID, TITLE, why.clone())
            .means("Clients that check certificates turn away.")
            .mend("Look at the certificate with `openssl x509 -noout -text`."),
        // Name and dates have checks of their own; a chain is built before either is looked at.
        _ if shown == 1 => Check::right(ID, TITLE, format!("known: {}", own.issuer)),
        _ => {
            let found = format!("known: {}, by a chain of {shown} certificates", own.issuer);
            Check::right(ID, TITLE, found)
        }
    };
    check.tried(tried)
}

fn name(own: &CertificateFacts, asked: &str) -> Check {
    const ID: &str = "tls.name";
    const TITLE: &str = "Certificate's name";
    let tried = format!("the name {asked} in the certificate");
    if own.names.iter().any(|pattern| is_for(pattern, asked)) {
        return Check::right(ID, TITLE, format!("it is for {asked}")).tried(tried);
    }
    let found = if own.names.is_empty() {
        format!("it names no host, only {}", own.subject)
    } else {
        let first: Vec<&str> = own.names.iter().take(5).map(String::as_str).collect();
        let more = if own.names.len() > 5 { " and others" } else { "" };
        format!("it is for {}{more}, not for {asked}", first.join(", "))
    };
    Check::wrong(ID, TITLE, found)
        .tried(tried)
        .means(
            "Clients that connect to this name do not believe the host. It may also be another \
             host that answers: a proxy on the way, or an address that is no longer the host's.",
        )
        .mend("Connect by a name that is in the certificate, or get one that has this name, too.")
}

/// Whether its key and signature are of those that clients of today take.
fn strength(own: &CertificateFacts) -> Check {
    const ID: &str = "tls.key";
    const TITLE: &str = "Certificate's key";
    let check = match &own.weakness {
        None => Check::right(ID, TITLE, own.key.clone()),
        Some(why) => Check::warning(ID, TITLE, format!("{}: {why}", own.key))
            .means("It can be forged with enough effort; some clients turn away already.")
            .mend("Get a new certificate, for an ECDSA key or one of RSA with 2048 bits or more."),
    };
    check.tried("the key and the signature of the host's own certificate")
}

/// The certificates in a text as files hold them, in DER.
pub(crate) fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let bodies = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = bodies.filter_map(|rest| rest.split("-----END").next());
    let clean = |text: &str| text.split_whitespace().collect::<String>();
    bodies.filter_map(|text| STANDARD.decode(clean(text)).ok()).collect()
}

/// Whether a name of a certificate covers a host. Source: RFC 9525 section 6.3.
pub(crate) fn is_for(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        return pattern.parse() == Ok(address);
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// The dates of a chain: a check for the host's own, and one for each other that is bad.
pub(crate) fn dates(
    chain: &[CertificateFacts],
    now: Timestamp,
) -> impl Iterator<Item = Check> + '_ {
    chain.iter().enumerate().filter_map(move |(place, certificate)| {
        let check = date(certificate, now);
        // A root may be old: who knows it does not look at its dates.
        (place == 0 || (check.verdict == Verdict::Wrong && !certificate.is_self_issued))
            .then_some(check)
    })
}

fn date(certificate: &CertificateFacts, now: Timestamp) -> Check {
    const ID: &str = "tls.dates";
    const TITLE: &str = "Certificate's dates";
    let (begins, ends) = (day(certificate.begins), day(certificate.ends));
    let tried = format!("{} against the clock of this machine, {}", certificate.subject, day(now));
    let check = if now < certificate.begins {
        Check::wrong(ID, TITLE, format!("it is valid from {begins} on, which is not yet"))
            .means("Clients turn away; unless the clock of this machine is wrong.")
            .mend("Look at both clocks; then get a certificate that is valid now.")
    } else if now > certificate.ends {
        let ago = days(now.since(certificate.ends));
        Check::wrong(ID, TITLE, format!("it ended on {ends}, {ago} ago"))
            .means("Clients turn away, and servers that check certificates defer their mail.")
            .mend(
                "Renew it, and have the server read it again. If it was renewed, the server still \
                 shows the old one: restart or reload it.",
            )
    } else if certificate.ends.since(now) < SOON {
        let left = days(certificate.ends.since(now));
        Check::warning(ID, TITLE, format!("it ends on {ends}, in {left}"))
            .means("Renewals happen earlier: this one seems to hang.")
            .mend("Look at why it was not renewed, before clients turn away.")
    } else {
        Check::right(ID, TITLE, format!("from {begins} to {ends}"))
    };
    check.tried(tried)
}

fn day(at: Timestamp) -> String {
    at.rfc3339().chars().take(10).collect()
}

fn days(time: Duration) -> String {
    match time.as_secs() / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        more => format!("{more} days"),
    }
}

/// A handshake that came to nothing.
pub(crate) fn broken(error: &io::Error, tried: &str) -> Check {
    const ID: &str = "tls.version";
    const TITLE: &str = "TLS";
    let wrong = |found: String| Check::wrong(ID, TITLE, found);
    let check = match obstacle(error) {
        Obstacle::NotTls => wrong("what came back is no TLS".to_owned())
            .means("The host speaks in plain text here, or something else answers in its place.")
            .mend("On a port that begins without TLS, STARTTLS is asked for first."),
        Obstacle::Version => wrong("the host speaks TLS 1.1 or older only".to_owned())
            .means("Clients of today refuse versions that were given up (RFC 8996).")
            .mend("Switch on TLS 1.2 and 1.3 at the host; its TLS library may be too old."),
        Obstacle::Nothing => wrong("no cipher or group in common".to_owned())
            .means("The host allows only what clients of today no longer use.")
            .mend("Allow the ciphers with ECDHE and AES-GCM or ChaCha20 at the host."),
        Obstacle::Alert(alert) => {
            wrong(format!("the host broke it off: {alert}")).means("Its own log says why.").mend(
                "UnrecognizedName: ask for another name. CertificateRequired: it wants a \
                   client's certificate.",
            )
        }
        Obstacle::Closed => wrong("the host hung up in the middle".to_owned())
            .means("It has no usable certificate or key, or a firewall cuts TLS.")
            .mend("Look at the log of the host; from another network it may work."),
        Obstacle::Key => wrong("the key of its certificate is none that is taken today".to_owned())
            .means("It is too short, such as RSA of 1024 bits, or signs in a way that was broken.")
            .mend("Get a new certificate, for an ECDSA key or one of RSA with 2048 bits or more."),
        Obstacle::Late => wrong("the host did not finish it in time".to_owned())
            .means("It is overloaded, or packets of full size are lost on the way (path MTU).")
            .mend("Try again; if small answers come and large ones do not, look at the MTU."),
        Obstacle::Name => wrong("this is no host name".to_owned()),
        other => wrong(format!("{other:?}")),
    };
    check.tried(tried)
}

#[cfg(test)]
pub(crate) mod tests {
    use mailwright_net::TlsFacts;

    use super::*;
    use crate::{Report, Section};

    /// A certificate that is sound, or weak for this reason.
    pub(crate) fn report(weakness: Option<&str>) -> Report {
        let weakness = weakness.map(str::to_owned);
        let own = shown(CertificateFacts { weakness, ..certificate() }, Ok(()));
        let mut section = Section::new("");
        let measure = Measure { name: "mx.example", now: at(45), is_strict: true };
        section.checks = judge(&own, measure);
        Report::new("mx.example", vec![section], true)
    }

    fn certificate() -> CertificateFacts {
        CertificateFacts {
            subject: "CN=mx.example".to_owned(),
            issuer: "CN=Authority".to_owned(),
            names: vec!["mx.example".to_owned()],
            begins: at(0),
            ends: at(90),
            is_self_issued: false,
            key: "EC of 256 bits".to_owned(),
            weakness: None,
        }
    }

    fn at(days: i64) -> Timestamp {
        Timestamp::new(days * 86_400_000)
    }

    fn shown(own: CertificateFacts, trust: Result<(), Distrust>) -> Inspected {
        let facts = TlsFacts { version: "TLSv1.3", ..TlsFacts::default() };
        Inspected { facts, chain: vec![own], pem: String::new(), trust }
    }

    /// The names of the checks that speak.
    fn speaking(inspected: &Inspected, name: &str, now: Timestamp) -> Vec<(&'static str, Verdict)> {
        judge(inspected, Measure { name, now, is_strict: true })
            .into_iter()
            .filter(|check| check.verdict != Verdict::Right)
            .map(|check| (check.id, check.verdict))
            .collect()
    }

    #[test]
    fn a_sound_certificate_is_silent_and_each_fault_speaks_alone() {
        use Verdict::{Warning, Wrong};
        let sound = || shown(certificate(), Ok(()));
        assert_eq!(speaking(&sound(), "mx.example", at(45)), []);
        assert_eq!(speaking(&sound(), "mx.other.example", at(45)), [("tls.name", Wrong)]);
        assert_eq!(speaking(&sound(), "mx.example", at(80)), [("tls.dates", Warning)]);
        let expired = shown(certificate(), Err(Distrust::Expired));
        assert_eq!(speaking(&expired, "mx.example", at(91)), [("tls.dates", Wrong)]);
        let early = shown(certificate(), Err(Distrust::NotYet));
        assert_eq!(speaking(&early, "mx.example", at(-1)), [("tls.dates", Wrong)]);
        let stranger = shown(certificate(), Err(Distrust::Issuer));
        assert_eq!(speaking(&stranger, "mx.example", at(45)), [("tls.chain", Wrong)]);
        let own = CertificateFacts { is_self_issued: true, ..certificate() };
        let own = shown(own, Err(Distrust::Issuer));
        assert_eq!(speaking(&own, "mx.example", at(45)), [("tls.chain", Wrong)]);
    }

    #[test]
    fn between_servers_a_stranger_is_only_warned_of() {
        let stranger = shown(certificate(), Err(Distrust::Issuer));
        let measure = Measure { name: "other", now: at(91), is_strict: false };
        assert!(judge(&stranger, measure).iter().all(|check| check.verdict != Verdict::Wrong));
    }

    #[test]
    fn wildcards_stand_for_one_label() {
        for (pattern, host, covers) in [
            ("mx.example", "MX.example.", true),
            ("*.example", "mx.example", true),
            ("*.example", "a.mx.example", false),
            ("*.example", "example", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "[192.0.2.1]", true),
            ("2001:db8::1", "2001:db8:0::1", true),
            ("*.0.2.1", "192.0.2.1", false),
        ] {
            assert_eq!(is_for(pattern, host), covers, "{pattern} {host}");
        }
    }
}
