//! This machine: data folder, disk, certificates, ports.

use std::{net::IpAddr, time::Duration};

use mailwright_words::Timestamp;
use tokio::{io::AsyncReadExt as _, time::timeout};

use super::{Certificate, Disk, Door, Folder, Subject};
use crate::{
    Check, Section,
    handshake::{dates, is_for},
    host::Service,
    reach::{Reach, reach},
    world::World,
};

/// Free parts of a hundred under which inodes are low.
const INODES_PERCENT: u64 = 5;
/// Octets of a greeting that are read.
const GREETING_BYTES: usize = 512;

pub(super) fn examine(subject: &Subject, now: Timestamp, clock: Check) -> Section {
    let mut section = Section::new("this machine");
    section.push(hostname(subject));
    match &subject.folder {
        Some(folder) => {
            section.push(rights(folder));
            section.push(space(folder));
            section.checks.extend(folder.disk.and_then(inodes));
        }
        None => section.push(
            Check::wrong("data.folder", "Data folder", "it cannot be looked at")
                .tried("the data folder of the configuration")
                .means("There is no data folder yet, or this user may not read it.")
                .mend("Start the server once, or run this as the user it runs as."),
        ),
    }
    section.push(clock);
    for certificate in &subject.certificates {
        section.checks.extend(certificate_checks(certificate, &subject.hostname, now));
    }
    if subject.certificates.is_empty() {
        section.push(own_certificate(subject.is_public()));
    }
    section.push(backup(subject, now));
    section
}

fn hostname(subject: &Subject) -> Check {
    const ID: &str = "server.hostname";
    const TITLE: &str = "Host name";
    let name = &subject.hostname;
    let is_full = name.contains('.') && name.parse::<IpAddr>().is_err();
    let check = match (is_full, subject.is_public()) {
        (true, _) => Check::right(ID, TITLE, name.clone()),
        (false, false) => Check::right(ID, TITLE, format!("{name}, for loopback only")),
        (false, true) => Check::wrong(ID, TITLE, format!("{name} is no full name"))
            .means("Other servers refuse mail from a host that calls itself so.")
            .mend("Set `server.hostname` to the name that the DNS has for this machine."),
    };
    check.tried("server.hostname")
}

fn rights(folder: &Folder) -> Check {
    const ID: &str = "data.rights";
    const TITLE: &str = "Data folder";
    let path = folder.path.display();
    let tried = format!("owner and permissions of {path}");
    let check = if folder.mode & 0o077 != 0 {
        Check::wrong(
            ID,
            TITLE,
            format!(
                "other users may enter it (mode \
                                        {:o})",
                folder.mode & 0o777
            ),
        )
        .means("Mail, passwords' hashes and keys are in it.")
        .mend(format!("chmod 700 {path}"))
    } else if folder.user.is_some_and(|user| user != folder.owner) {
        Check::wrong(ID, TITLE, "it belongs to another user than the server runs as")
            .means("The server cannot write to it, and does not start.")
            .mend(format!("chown -R the user of `server.user` {path}"))
    } else {
        Check::right(ID, TITLE, format!("{path}, for its owner alone"))
    };
    check.tried(tried)
}

fn space(folder: &Folder) -> Check {
    const ID: &str = "data.space";
    const TITLE: &str = "Free space";
    let Some(disk) = folder.disk else {
        return Check::unknown(ID, TITLE, "the disk does not tell")
            .tried("the file system of the data folder")
            .means("How much room is left cannot be known from here.")
            .mend("Look with `df` on the machine that holds it.");
    };
    let least = folder.free_min.min(disk.octets / 10);
    let free = size(disk.octets_free);
    let check = if disk.octets_free < least {
        Check::wrong(ID, TITLE, format!("{free}, less than {}", size(least)))
            .means("New mail is refused with 452 until there is room.")
            .mend("Make room, or set `intake.free_space_min` lower.")
    } else if disk.octets_free < least.saturating_mul(2) {
        Check::warning(ID, TITLE, format!("{free}; at {} new mail is refused", size(least)))
            .means("There is not much room left.")
            .mend("Make room before it is gone.")
    } else {
        Check::right(ID, TITLE, format!("{free} of {}", size(disk.octets)))
    };
    check.tried("the disk of the data folder")
}

fn inodes(disk: Disk) -> Option<Check> {
    (disk.inodes > 0).then(|| {
        let percent = disk.inodes_free.saturating_mul(100) / disk.inodes;
        let found = format!("{percent} % are free");
        let check = if disk.inodes_free < disk.inodes / 100 * INODES_PERCENT {
            Check::wrong("data.inodes", "Inodes", found)
                .means(
                    "New mail is refused with 452: no file can be made, however much room \
                        there is.",
                )
                .mend("Look for a folder with very many small files.")
        } else {
            Check::right("data.inodes", "Inodes", found)
        };
        check.tried("the disk of the data folder")
    })
}

fn certificate_checks(certificate: &Certificate, hostname: &str, now: Timestamp) -> Vec<Check> {
    let title = format!("Certificate for {}", certificate.name);
    let file = certificate.file.display();
    let chain = match &certificate.chain {
        Ok(chain) => chain,
        Err(why) => {
            return vec![
                Check::wrong("certificate.file", title, why.clone())
                    .tried(format!("to read {file}"))
                    .means("The server does not start with it, and a reload keeps the old one.")
                    .mend("Set the file, and let the server's user read it."),
            ];
        }
    };
    let mut checks: Vec<Check> = dates(chain, now)
        .map(|check| Check { title: title.clone(), id: "certificate.dates", ..check })
        .collect();
    let wanted = if certificate.name == "*" { hostname } else { &certificate.name };
    let own = chain.first();
    let wild = wanted.strip_prefix("*.").map(|parent| format!("any.{parent}"));
    let asked = wild.as_deref().unwrap_or(wanted);
    if !own.is_some_and(|own| own.names.iter().any(|name| is_for(name, asked))) {
        let names = own.map(|own| own.names.join(", ")).unwrap_or_default();
        checks.push(
            Check::wrong("certificate.name", title, format!("it is for {names}, not for {wanted}"))
                .tried(format!("the names in {file}"))
                .means("Clients that connect by this name turn away.")
                .mend("Get one for this name, too."),
        );
    }
    checks
}

fn own_certificate(is_public: bool) -> Check {
    const ID: &str = "certificate.own";
    const TITLE: &str = "Certificate";
    if is_public {
        Check::warning(ID, TITLE, "one of the server's own making")
            .means("Mail programs warn of it, and servers that check certificates do not deliver.")
            .mend("Set one from an authority under `[tls.certificates]`.")
    } else {
        Check::right(ID, TITLE, "one of the server's own making, for loopback only")
    }
    .tried("[tls.certificates]")
}

fn backup(subject: &Subject, now: Timestamp) -> Check {
    const ID: &str = "backup";
    const TITLE: &str = "Backup";
    let limit = subject.settings.backup_age;
    let check = match subject.backup {
        _ if limit.is_zero() => Check::right(ID, TITLE, "not looked at (doctor.backup_age)"),
        None if !subject.is_public() => Check::right(ID, TITLE, "none, for loopback only"),
        None => Check::unknown(ID, TITLE, "`mailwright backup` was never run to its end here")
            .means("If the disk breaks, all is gone; unless you save it by other means.")
            .mend("`mailwright backup FOLDER` writes a whole copy while the server runs."),
        Some(last) => {
            let age = now.since(last);
            let found = format!("{} ago", span(age));
            if age > limit {
                Check::warning(ID, TITLE, found)
                    .means("What came since would be gone with the disk.")
                    .mend("See why `mailwright backup` no longer runs.")
            } else {
                Check::right(ID, TITLE, found)
            }
        }
    };
    check.tried("when the last backup was whole")
}

pub(super) fn not_running() -> Check {
    Check::wrong("server.runs", "Server", "it does not run")
        .tried("the control socket in the data folder")
        .means("No mail comes in or goes out.")
        .mend("Start it, and look at its log if it ends again.")
}

/// Whether a port answers.
pub(super) async fn door(world: &World, door: &Door) -> Check {
    const ID: &str = "server.port";
    let title = format!("{} at {}", door.name, door.address);
    let mut place = door.address;
    if place.ip().is_unspecified() {
        let loopback: IpAddr = if place.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        place.set_ip(loopback);
    }
    let tried = format!("a connection to {place}");
    let mut stream = match reach(world, place).await {
        Reach::Made(stream, _) => stream,
        other => {
            return Check::wrong(ID, title, other.words())
                .tried(tried)
                .means("Nobody can connect, though the configuration has this port.")
                .mend("Look at the log: the port may be taken, or a restart be missing.");
        }
    };
    if door.service.is_none() || door.behind_proxy {
        return Check::right(ID, title, "it takes connections").tried(tried);
    }
    if door.implicit_tls {
        let shake = world.inspector.shake(stream, "localhost");
        stream = match timeout(world.timeout, shake).await {
            Ok(Ok((stream, _))) => Box::new(stream),
            _ => {
                return Check::wrong(ID, title, "no handshake comes about")
                    .tried(tried)
                    .means("Mail programs cannot connect.")
                    .mend("Look at the certificate and the log.");
            }
        };
    }
    let mut greeting = [0; GREETING_BYTES];
    let count = match timeout(world.timeout, stream.read(&mut greeting)).await {
        Ok(Ok(count)) => count,
        _ => 0,
    };
    let line = String::from_utf8_lossy(greeting.get(..count).unwrap_or_default());
    let line = line.lines().next().unwrap_or_default().to_owned();
    let wanted = match door.service {
        Some(Service::Imap) => "* OK",
        Some(Service::Pop3) => "+OK",
        _ => "220",
    };
    let check = if line.starts_with(wanted) {
        Check::right(ID, title, "it answers")
    } else if line.is_empty() {
        Check::wrong(ID, title, "it takes connections and says nothing")
            .means("The server hangs, or is out of connections or files.")
            .mend("Look at the log, and at the limits of open files.")
    } else {
        Check::wrong(ID, title, format!("it says {line:?}"))
            .means("Another program has the port, or the server turns sessions away.")
            .mend("Look at which program listens there, and at `limits.sessions_max`.")
    };
    check.tried(tried)
}

/// Octets for people.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..=1_048_575 => format!("{} KiB", octets >> 10),
        1_048_576..=1_073_741_823 => format!("{} MiB", octets >> 20),
        _ => format!("{} GiB", octets >> 30),
    }
}

/// A time for people.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
