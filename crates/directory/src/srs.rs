//! Reverse-paths of forwarded messages: the sender's address inside of an address of ours.
//!
//! The receiving server compares the reverse-path with the client that sends it, so a forward
//! under the first sender's own domain looks forged. A rewritten address carries that sender, the
//! day and a keyed hash of both in its local part: a failure report finds its way back, nobody
//! else can make us relay, and an old address is worth nothing. Pure.
//!
//! ```text
//! SRS0=hash=day=domain=local@forwarder        the sender itself
//! SRS1=hash=first==hash=day=domain=local@..   one that `first` rewrote before us
//! ```

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use mailwright_words::{Address, Domain, LocalPart, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Digits of hashes and days; mail servers change the case of what they pass on.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of a hash: 35 bits, each guess of which costs a session with us.
const HASH_DIGITS: usize = 7;
/// Days are counted round: two digits.
const DAYS: u64 = 32 * 32;
/// Between two separators.
const SEPARATOR: char = '=';

/// Rewrites addresses, and reads what it wrote.
#[derive(Clone)]
pub(crate) struct Srs {
    key: [u8; 32],
}

impl fmt::Debug for Srs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srs").finish_non_exhaustive()
    }
}

impl Srs {
    /// Rewrites under `key`.
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The reverse-path at `via` that stands for `sender`; `None` when it has no room there.
    pub(crate) fn rewrite(
        &self,
        sender: &Address,
        via: &Domain,
        now: Timestamp,
    ) -> Option<Address> {
        let (local, from) = (sender.local(), sender.domain().as_str());
        let text = match marked(local) {
            Some((Mark::First, rest)) => {
                let hash = self.hash(&[from, rest]);
                format!("SRS1={hash}={from}={rest}")
            }
            Some((Mark::Further, rest)) => {
                let (_theirs, rest) = rest.strip_prefix(SEPARATOR)?.split_once(SEPARATOR)?;
                let (first, rest) = rest.split_once(SEPARATOR)?;
                let hash = self.hash(&[first, rest]);
                format!("SRS1={hash}={first}={rest}")
            }
            None => {
                let day = digits(day(now), 2);
                let hash = self.hash(&[&day, from, local]);
                format!("SRS0={hash}={day}={from}={local}")
            }
        };
        Address::new(LocalPart::new(&text).ok()?, via.clone()).ok()
    }

    /// Whether `address` has the form of one that was rewritten.
    pub(crate) fn is_rewritten(address: &Address) -> bool {
        marked(address.local()).is_some()
    }

    /// Whom a rewritten `address` stands for; `None` when it is not of our making, or older than
    /// `lifetime`, which is a day at least.
    pub(crate) fn reverse(
        &self,
        address: &Address,
        lifetime: Duration,
        now: Timestamp,
    ) -> Option<Address> {
        let days_max = (lifetime.as_secs() / 86_400).clamp(1, DAYS / 2);
        let (mark, rest) = marked(address.local())?;
        let rest = rest.strip_prefix(SEPARATOR)?;
        let (hash, rest) = rest.split_once(SEPARATOR)?;
        match mark {
            Mark::First => {
                let (written, rest) = rest.split_once(SEPARATOR)?;
                let (domain, local) = rest.split_once(SEPARATOR)?;
                let is_ours = self.is_hash(hash, &[written, domain, local]);
                let age = (day(now) + DAYS - number(written)?) % DAYS;
                (is_ours && age <= days_max).then(|| join(local, domain))?
            }
            Mark::Further => {
                let (first, rest) = rest.split_once(SEPARATOR)?;
                let is_ours = self.is_hash(hash, &[first, rest]);
                is_ours.then(|| join(&format!("SRS0{rest}"), first))?
            }
        }
    }

    /// A keyed hash of `parts`, as local parts carry it.
    pub(crate) fn hash<T: AsRef<str>>(&self, parts: &[T]) -> String {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.key).ok();
        if let Some(hash) = &mut hash {
            for part in parts {
                hash.update(part.as_ref().to_lowercase().as_bytes());
                hash.update(b"\0");
            }
        }
        let bytes = hash.map(|hash| hash.finalize().into_bytes()).unwrap_or_default();
        let bits = bytes.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        digits(bits, HASH_DIGITS)
    }

    /// Whether `text` is the hash of `parts`, in any case.
    pub(crate) fn is_hash<T: AsRef<str>>(&self, text: &str, parts: &[T]) -> bool {
        let wanted = self.hash(parts);
        bool::from(text.to_ascii_lowercase().as_bytes().ct_eq(wanted.as_bytes()))
    }
}

/// What a rewritten local part begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `SRS0`: it holds a sender.
    First,
    /// `SRS1`: it holds another's rewritten address.
    Further,
}

/// The mark of a rewritten local part, and what follows it, from the separator on. Others may
/// separate by `+` or `-` at this place.
fn marked(local: &str) -> Option<(Mark, &str)> {
    let (mark, rest) = local.split_at_checked(4)?;
    let is = |word: &str| mark.eq_ignore_ascii_case(word) && rest.starts_with(['=', '+', '-']);
    if is("SRS0") {
        Some((Mark::First, rest))
    } else if is("SRS1") {
        Some((Mark::Further, rest))
    } else {
        None
    }
}

fn join(local: &str, domain: &str) -> Option<Address> {
    Address::new(LocalPart::new(local).ok()?, Domain::parse(domain).ok()?).ok()
}

/// The day of a moment, counted round.
fn day(now: Timestamp) -> u64 {
    u64::try_from(now.ms() / 86_400_000).unwrap_or(0) % DAYS
}

fn digits(mut number: u64, count: usize) -> String {
    let mut text = vec!['a'; count];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(number % 32).unwrap_or(0);
        *place = DIGITS.get(digit).copied().map_or('a', char::from);
        number /= 32;
    }
    text.into_iter().collect()
}

fn number(text: &str) -> Option<u64> {
    if text.len() != 2 {
        return None;
    }
    text.to_ascii_lowercase().bytes().try_fold(0, |number, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        Some(number * 32 + u64::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn srs() -> Srs {
        Srs::new([7; 32])
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn rewritten(sender: &str, via: &str) -> Address {
        srs().rewrite(&address(sender), &Domain::parse(via).unwrap(), NOW).unwrap()
    }

    #[test]
    fn a_sender_comes_back_out_whatever_happens_to_its_case() {
        for sender in ["Bob@far.example", "a=b+c@far.example", "\"a b\"@far.example"] {
            let ours = rewritten(sender, "here.example");
            assert!(ours.local().starts_with("SRS0=") && Srs::is_rewritten(&ours), "{ours}");
            assert_eq!(ours.domain().as_str(), "here.example");
            assert_eq!(srs().reverse(&ours, DAY * 21, NOW), Some(address(sender)));
            let lower = address(&ours.to_string().to_lowercase());
            assert_eq!(srs().reverse(&lower, DAY * 21, NOW).unwrap().key(), address(sender).key());
        }
    }

    #[test]
    fn an_address_gets_old() {
        let ours = rewritten("bob@far.example", "here.example");
        assert!(srs().reverse(&ours, DAY * 21, NOW.plus(DAY * 21)).is_some());
        assert_eq!(srs().reverse(&ours, DAY * 21, NOW.plus(DAY * 22)), None);
        assert_eq!(srs().reverse(&ours, DAY * 21, NOW.minus(DAY)), None);
    }

    #[test]
    fn what_others_made_up_stands_for_nobody() {
        let ours = rewritten("bob@far.example", "here.example").to_string();
        for forged in [
            ours.replace("far.example", "evil.example"),
            ours.replace("=bob", "=eve"),
            "SRS0=aaaaaaa=aa=far.example=bob@here.example".to_owned(),
            "SRS0=aaaaaaa=aa@here.example".to_owned(),
            "SRS1=aaaaaaa=far.example==x=aa=y=z@here.example".to_owned(),
            "SRS0@here.example".to_owned(),
            "bob@here.example".to_owned(),
        ] {
            assert_eq!(srs().reverse(&address(&forged), DAY * 21, NOW), None, "{forged}");
        }
        let other = Srs::new([8; 32]);
        assert_eq!(other.reverse(&address(&ours), DAY * 21, NOW), None);
    }

    #[test]
    fn a_chain_of_forwards_stays_short_and_leads_to_the_first() {
        let first = rewritten("b@f.example", "one.example");
        let second = rewritten(&first.to_string(), "two.example");
        assert!(second.local().starts_with("SRS1="), "{second}");
        assert_eq!(srs().reverse(&second, DAY * 21, NOW), Some(first.clone()));
        let third = rewritten(&second.to_string(), "three.example");
        assert_eq!(srs().reverse(&third, DAY * 21, NOW), Some(first));
    }

    #[test]
    fn a_sender_without_room_is_not_rewritten() {
        let long = address(&format!("{}@far.example", "x".repeat(60)));
        assert_eq!(srs().rewrite(&long, &Domain::parse("here.example").unwrap(), NOW), None);
    }
}
