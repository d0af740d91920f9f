//! The signature of a message: which trigrams its search text may hold.
//!
//! A text that holds a string holds each three octets of it. A signature is two sets of bits, one
//! of the trigrams of header and parts, one of the body's; a trigram that is in the text has its
//! bit set, others may. So a signature can rule a message out, and never rules it in. A set is as
//! large as its text needs: it is made with room to spare and folded in half until it is dense
//! enough.

use crate::search::{SEARCH_MAX, SearchText};

/// The version of what [`Signer`] makes; signatures of another one are made anew.
pub const SIGNATURE_VERSION: i64 = 1;

/// A full set has two to this power of bits, 16 KiB.
const FULL: u32 = 17;
/// The smallest set has two to this power, 64 octets.
const SMALLEST: u32 = 9;
/// A set that rules nothing out, for a text that was cut at its limit.
const ANYTHING: u8 = u8::MAX;
/// A text without trigrams.
const NOTHING: u8 = 0;
/// Bits that a set has for each trigram in it, at least.
const BITS_PER_TRIGRAM: u32 = 3;

const FULL_BYTES: usize = 1 << (FULL - 3);

/// Makes signatures; it keeps the memory that this takes.
#[derive(Debug)]
pub struct Signer {
    bits: Box<[u8]>,
}

impl Default for Signer {
    fn default() -> Self {
        Self { bits: vec![0; FULL_BYTES].into() }
    }
}

impl Signer {
    /// The signature of a message's text.
    pub fn sign(&mut self, text: &SearchText) -> Vec<u8> {
        let mut signature = vec![NOTHING, NOTHING];
        let header = self.set(&[&text.header, &text.parts], &mut signature);
        let body = self.set(&[&text.body], &mut signature);
        if let [first, second, ..] = signature.as_mut_slice() {
            (*first, *second) = (header, body);
        }
        signature
    }

    /// Adds the set of some texts, and gives its size as a power of two.
    fn set(&mut self, texts: &[&str], out: &mut Vec<u8>) -> u8 {
        if texts.iter().any(|text| text.len() >= SEARCH_MAX) {
            return ANYTHING;
        }
        let mut power = enough_for(texts);
        let mut len = 1_usize << (power - 3);
        let bits = self.bits.get_mut(..len).unwrap_or_default();
        bits.fill(0);
        let mut count = 0_u32;
        for trigram in texts.iter().flat_map(|text| trigrams(text.as_bytes())) {
            let (byte, bit) = place(trigram, power);
            if let Some(byte) = bits.get_mut(byte) {
                count += u32::from(*byte & bit == 0);
                *byte |= bit;
            }
        }
        if count == 0 {
            return NOTHING;
        }
        while power > SMALLEST && 1_u32 << (power - 1) >= count.saturating_mul(BITS_PER_TRIGRAM) {
            power -= 1;
            len /= 2;
            let (low, high) = self.bits.split_at_mut(len);
            for (low, high) in low.iter_mut().zip(high) {
                *low |= *high;
            }
        }
        out.extend_from_slice(self.bits.get(..len).unwrap_or_default());
        u8::try_from(power).unwrap_or(ANYTHING)
    }
}

/// A signature that was kept.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    header: Set<'a>,
    body: Set<'a>,
}

impl<'a> Signature<'a> {
    /// Reads a signature; nothing when its octets are not those of one.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let ([header, body], rest) = bytes.split_first_chunk()?;
        let (header, rest) = Set::read(*header, rest)?;
        let (body, rest) = Set::read(*body, rest)?;
        rest.is_empty().then_some(Self { header, body })
    }

    /// Whether header or parts may hold a string.
    pub fn header_may_hold(&self, trigrams: &Trigrams) -> bool {
        self.header.may_hold(trigrams)
    }

    /// Whether the body may hold a string.
    pub fn body_may_hold(&self, trigrams: &Trigrams) -> bool {
        self.body.may_hold(trigrams)
    }
}

/// The trigrams of a string that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trigrams(Vec<u32>);

impl Trigrams {
    /// Those of a folded string; a string of less than three octets has none.
    pub fn of(folded: &str) -> Self {
        let mut hashes: Vec<u32> = trigrams(folded.as_bytes()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// Whether there are none, so that no message can be ruled out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug, Clone, Copy)]
enum Set<'a> {
    Anything,
    Nothing,
    Bits(u32, &'a [u8]),
}

impl<'a> Set<'a> {
    fn read(power: u8, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let power = match power {
            ANYTHING => return Some((Self::Anything, bytes)),
            NOTHING => return Some((Self::Nothing, bytes)),
            power => u32::from(power),
        };
        if !(SMALLEST..=FULL).contains(&power) {
            return None;
        }
        let (bits, rest) = bytes.split_at_checked(1 << (power - 3))?;
        Some((Self::Bits(power, bits), rest))
    }

    fn may_hold(self, trigrams: &Trigrams) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => trigrams.is_empty(),
            Self::Bits(power, bits) => trigrams.0.iter().all(|&trigram| {
                let (byte, bit) = place(trigram, power);
                bits.get(byte).is_none_or(|byte| byte & bit != 0)
            }),
        }
    }
}

/// The power of a set in which these texts' trigrams seldom meet; it is folded from there.
fn enough_for(texts: &[&str]) -> u32 {
    let len: usize = texts.iter().map(|text| text.len()).sum();
    let wanted = len.saturating_mul(4).checked_next_power_of_two().unwrap_or(usize::MAX);
    wanted.ilog2().clamp(SMALLEST, FULL)
}

/// Where the bit of a trigram is in a set of this size. A set's half has it at the same place, less
/// the highest bit.
fn place(hash: u32, power: u32) -> (usize, u8) {
    let at = hash & ((1 << power) - 1);
    (usize::try_from(at >> 3).unwrap_or(usize::MAX), 1 << (at & 7))
}

/// The hashes of each three octets that follow one another.
fn trigrams(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    text.windows(3).filter_map(|three| {
        let [a, b, c] = *three.first_chunk::<3>()?;
        let number = u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]);
        // The multiplication mixes upwards, so the upper bits are the ones to take.
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - FULL);
        u32::try_from(mixed).ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::fold_case;

    fn text(header: &str, parts: &str, body: &str) -> SearchText {
        SearchText { header: header.into(), parts: parts.into(), body: body.into() }
    }

    #[test]
    fn a_signature_rules_out_what_is_not_there() {
        let bytes =
            Signer::default().sign(&text("subject: invoice\n", "a.pdf\n", "dear customer\n"));
        assert_eq!(bytes.len(), 2 + 64 + 64);
        let signature = Signature::from_bytes(&bytes).unwrap();
        for (needle, header, body) in [
            ("voic", true, false),
            (".pdf", true, false),
            ("customer", false, true),
            ("zebra", false, false),
            ("ab", true, true),
            ("", true, true),
        ] {
            let trigrams = Trigrams::of(needle);
            let held = (signature.header_may_hold(&trigrams), signature.body_may_hold(&trigrams));
            assert_eq!(held, (header, body), "{needle}");
        }
    }

    #[test]
    fn sets_grow_with_their_texts_and_have_a_limit() {
        let mut signer = Signer::default();
        let empty = signer.sign(&text("", "", ""));
        assert_eq!(empty, [NOTHING, NOTHING]);
        assert!(!Signature::from_bytes(&empty).unwrap().body_may_hold(&Trigrams::of("abc")));
        assert!(Signature::from_bytes(&empty).unwrap().body_may_hold(&Trigrams::of("ab")));
        let words: String = (0..400).flat_map(|n| [n.to_string(), " ".into()]).collect();
        let some = signer.sign(&text("", "", &words));
        assert!((128..2048).contains(&some.len()), "{}", some.len());
        let numbers: String = (0..200_000_u32).map(|n| (n * 7919).to_string()).collect();
        let many = signer.sign(&text("", "", &numbers));
        assert!(many.len() <= 2 + FULL_BYTES);
        let cut = signer.sign(&text("", "", &"x".repeat(SEARCH_MAX)));
        assert!(Signature::from_bytes(&cut).unwrap().body_may_hold(&Trigrams::of("never")));
    }

    #[test]
    fn octets_that_are_no_signature_are_none() {
        let good = Signer::default().sign(&text("abc", "", "def"));
        for len in 0..good.len() {
            assert!(Signature::from_bytes(&good[..len]).is_none(), "{len}");
        }
        for bad in [&[8, 0][..], &[18, 0], &[0, 0, 0], &[]] {
            assert!(Signature::from_bytes(bad).is_none());
        }
    }

    proptest! {
        #[test]
        fn what_is_there_is_never_ruled_out(
            before in "\\PC{0,400}",
            needle in "\\PC{0,12}",
            after in "\\PC{0,400}",
        ) {
            let whole = fold_case(&format!("{before}{needle}{after}"));
            let bytes = Signer::default().sign(&text(&whole, "", &whole));
            let signature = Signature::from_bytes(&bytes).unwrap();
            let trigrams = Trigrams::of(&fold_case(&needle));
            prop_assert!(signature.header_may_hold(&trigrams));
            prop_assert!(signature.body_may_hold(&trigrams));
        }
    }
}
