//! `doctor`: this server, from its disk to its name at other people's lists.
//!
//! What only the server itself knows comes as a [`Subject`]; the rest is looked at through the
//! [`World`]. Nothing is sent: other hosts are connected to and greeted by, no more.
//! Source: RFC 5321, RFC 5782 (lists), RFC 8499 (names).

mod lists;
mod local;
mod names;
mod outside;
mod queue;
mod time;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub(crate) use lists::listed;
use mailwright_net::tls::CertificateFacts;
use mailwright_words::Timestamp;

use crate::{Report, Section, host::Service, reach::Place, world::World};

/// What a file system says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Octets of all.
    pub octets: u64,
    /// Octets that are free.
    pub octets_free: u64,
    /// Inodes of all; 0 where there is no fixed number.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

/// The data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// The user it belongs to.
    pub owner: u32,
    /// The user that the server runs as, where that is known.
    pub user: Option<u32>,
    /// Its disk, where that told.
    pub disk: Option<Disk>,
    /// Free octets under which new mail gets 452.
    pub free_min: u64,
}

/// A certificate that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The name it is set for; `*` for all others.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The chain, or why it cannot be read.
    pub chain: Result<Vec<CertificateFacts>, String>,
}

/// A port that is to be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The name of the listener.
    pub name: String,
    /// Where.
    pub address: SocketAddr,
    /// What greets there; none for HTTP and LMTP.
    pub service: Option<Service>,
    /// TLS begins with the first octet.
    pub implicit_tls: bool,
    /// Only from proxies, which no examination is.
    pub behind_proxy: bool,
}

/// A recipient that waits for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Where it goes.
    pub destination: String,
    /// How long it has waited.
    pub age: Duration,
    /// Attempts so far.
    pub attempts: u32,
    /// What was said last.
    pub reply: Option<String>,
    /// It is held for an operator.
    pub is_held: bool,
}

/// The queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Recipients in it.
    pub recipients: u64,
    /// Destinations that are blocked for now.
    pub blocked: u64,
    /// The oldest of them, oldest first.
    pub oldest: Vec<Waiting>,
}

/// What only the server knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub hostname: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Its data folder.
    pub folder: Option<Folder>,
    /// The newest time that it wrote down: the clock was there already.
    pub newest: Option<Timestamp>,
    /// The certificates that are set; none when it makes its own.
    pub certificates: Vec<Certificate>,
    /// Its ports.
    pub doors: Vec<Door>,
    /// Addresses that it sends from, where they are set.
    pub sources: Vec<IpAddr>,
    /// Where all mail goes, where that is set.
    pub smarthost: Option<Place>,
    /// Whether it checks DNSSEC.
    pub checks_dnssec: bool,
    /// Its domains.
    pub domains: Vec<String>,
    /// The queue; none when it cannot be read.
    pub backlog: Option<Backlog>,
    /// When the last backup was whole; none when there was none.
    pub backup: Option<Timestamp>,
    /// What is looked at, and what is old.
    pub settings: mailwright_config::Doctor,
}

impl Subject {
    /// Whether anybody else is to reach it: not when all its ports are on loopback.
    fn is_public(&self) -> bool {
        self.doors.iter().any(|door| !door.address.ip().to_canonical().is_loopback())
    }
}

/// Examines this server.
pub async fn examine(world: &World, subject: &Subject) -> Report {
    let (own, names, clock) = tokio::join!(
        doors(world, subject),
        names::examine(world, subject),
        time::examine(world, subject)
    );
    let (outside, lists) = tokio::join!(
        outside::examine(world, subject),
        lists::examine(world, subject, &names.addresses)
    );
    let sections = vec![
        local::examine(subject, world.clock.now(), clock),
        own,
        names.section,
        outside,
        lists,
        queue::examine(subject),
    ];
    let sections = sections.into_iter().filter(|section| !section.checks.is_empty()).collect();
    Report::new(subject.hostname.clone(), sections, true)
}

/// Whether each port answers as it should.
async fn doors(world: &World, subject: &Subject) -> Section {
    let mut section = Section::new("ports");
    if !subject.is_running {
        section.push(local::not_running());
        return section;
    }
    let mut tries = tokio::task::JoinSet::new();
    for (index, door) in subject.doors.iter().cloned().enumerate() {
        let world = world.clone();
        tries.spawn(async move { (index, local::door(&world, &door).await) });
    }
    let mut found = Vec::new();
    while let Some(one) = tries.join_next().await {
        found.extend(one.ok());
    }
    found.sort_by_key(|(index, _)| *index);
    section.checks.extend(found.into_iter().map(|(_, check)| check));
    section
}

#[cfg(test)]
pub(crate) mod tests;
