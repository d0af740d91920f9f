//! Reverse-paths that name their message, so that a report proves which one it is about.
//!
//! Anybody can write a report and put a message of ours into it. One that comes to an address
//! which only those know who had the message is another matter. The address carries the sender,
//! the message, which says when it was made, and a keyed hash of both; nothing is stored. It is at
//! a name below the sender's domain, so that its mail comes here and SPF stays aligned.
//!
//! ```text
//! b=hash=message=local@label.domain
//! ```

use mailwright_store::directory::{self as row, DomainKind};
use mailwright_store::{StoreError, Tx};
use mailwright_words::{Address, Domain, Id, LocalPart, Timestamp};

use crate::Directory;
use crate::resolve::{Resolved, administrator};
use crate::srs::Srs;

/// What such an address begins with.
const MARK: &str = "b=";

impl Directory {
    /// The reverse-path with which a message of `sender`, of a domain of ours, goes to other
    /// servers; `None` when none is configured, or the sender has no room in it.
    pub fn return_path(&self, sender: &Address, message: Id) -> Option<Address> {
        let settings = self.0.settings.now();
        let label = settings.return_path.as_deref()?;
        keyed(&self.0.srs, label, sender, message)
    }

    /// Whose message came back to `address`, and which; `None` when the address is not of our
    /// making, or too old.
    pub fn returned(&self, address: &Address, now: Timestamp) -> Option<(Address, Id)> {
        let settings = self.0.settings.now();
        let domain = above(address.domain(), settings.return_path.as_deref()?)?;
        let (sender, message) = read(&self.0.srs, address, domain)?;
        let age = now.ms().saturating_sub(message.time().ms());
        let most = i64::try_from(settings.srs_lifetime.as_millis()).unwrap_or(i64::MAX);
        (0..=most).contains(&age).then_some((sender, message))
    }

    /// Where mail to a name for reverse-paths goes; `None` when the address is not at one.
    ///
    /// Errors: the store does not answer.
    pub(crate) fn find_returned(
        &self,
        tx: &mut Tx<'_>,
        address: &Address,
        now: Timestamp,
    ) -> Result<Option<Resolved>, StoreError> {
        let settings = self.0.settings.now();
        let label = settings.return_path.as_deref();
        let Some(domain) = label.and_then(|label| above(address.domain(), label)) else {
            return Ok(None);
        };
        let is_ours = |row: row::DomainRow| row.kind == DomainKind::Local;
        if !row::domain(tx, domain.as_str())?.is_some_and(is_ours) {
            return Ok(None);
        }
        if address.local().eq_ignore_ascii_case("postmaster") {
            return administrator(tx).map(Some);
        }
        let found = self.returned(address, now);
        Ok(Some(
            found
                .map_or(Resolved::Unknown, |(sender, _)| Resolved::Alias { targets: vec![sender] }),
        ))
    }
}

/// The domain that `name` stands below as `label`.
fn above(name: &Domain, label: &str) -> Option<Domain> {
    let (first, above) = name.as_str().split_once('.')?;
    first.eq_ignore_ascii_case(label).then(|| Domain::parse(above).ok())?
}

fn keyed(srs: &Srs, label: &str, sender: &Address, message: Id) -> Option<Address> {
    let hash = hash(srs, sender, message);
    let local = format!("{MARK}{hash}={message}={}", sender.local());
    let domain = Domain::parse(&format!("{label}.{}", sender.domain())).ok()?;
    Address::new(LocalPart::new(&local).ok()?, domain).ok()
}

fn read(srs: &Srs, address: &Address, domain: Domain) -> Option<(Address, Id)> {
    let (mark, rest) = address.local().split_at_checked(MARK.len())?;
    let rest = Some(rest).filter(|_| mark.eq_ignore_ascii_case(MARK))?;
    let (found, rest) = rest.split_once('=')?;
    let (message, local) = rest.split_once('=')?;
    let message: Id = message.parse().ok()?;
    let sender = Address::new(LocalPart::new(local).ok()?, domain).ok()?;
    srs.is_hash(found, &parts(&sender, message)).then_some((sender, message))
}

fn hash(srs: &Srs, sender: &Address, message: Id) -> String {
    srs.hash(&parts(sender, message))
}

/// What is hashed; the first word keeps it apart from what forwards have.
fn parts(sender: &Address, message: Id) -> [String; 4] {
    let (local, domain) = (sender.local().to_owned(), sender.domain().to_string());
    ["return-path".to_owned(), message.to_string(), domain, local]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn back(address: &Address) -> Option<(Address, Id)> {
        read(&Srs::new([7; 32]), address, above(address.domain(), "bounces")?)
    }

    #[test]
    fn a_message_comes_back_out_whatever_happens_to_the_case() {
        let srs = Srs::new([7; 32]);
        let message = Id::from_i64(1 << 50);
        for sender in ["ann@home.example", "Ann+a=b@home.example"] {
            let sender = address(sender);
            let path = keyed(&srs, "bounces", &sender, message).unwrap();
            assert_eq!(path.domain().as_str(), "bounces.home.example");
            assert_eq!(back(&path), Some((sender.clone(), message)));
            let upper = address(&path.to_string().to_uppercase());
            let (found, id) = back(&upper).unwrap();
            assert_eq!((found.key(), id), (sender.key(), message));
        }
        let long = address(&format!("{}@home.example", "x".repeat(50)));
        assert_eq!(keyed(&srs, "bounces", &long, message), None);
    }

    #[test]
    fn what_others_made_up_names_no_message() {
        let srs = Srs::new([7; 32]);
        let (ann, message) = (address("ann@home.example"), Id::from_i64(1 << 50));
        let path = keyed(&srs, "bounces", &ann, message).unwrap().to_string();
        let other = Id::from_i64((1 << 50) + 1).to_string();
        for forged in [
            path.replace("=ann@", "=eve@"),
            path.replace(&message.to_string(), &other),
            path.replace("home.example", "evil.example"),
            path.replace("bounces.", "other."),
            path.replace("b=", "c="),
            "b=aaaaaaa=@bounces.home.example".to_owned(),
            "ann@bounces.home.example".to_owned(),
        ] {
            assert_eq!(back(&address(&forged)), None, "{forged}");
        }
        let key = Srs::new([8; 32]);
        let theirs = keyed(&key, "bounces", &ann, message).unwrap();
        assert_eq!(back(&theirs), None);
        let forward = srs.rewrite(&ann, &"bounces.home.example".parse().unwrap(), message.time());
        assert_eq!(back(&forward.unwrap()), None);
    }
}
