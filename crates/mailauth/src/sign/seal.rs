//! Seals a message that goes on: what we saw of it, for those who come after us.
//!
//! A set of three fields: what was found out here, a signature of the message as it leaves, and a
//! seal over all sets so far. Only what we checked ourselves is sealed, and only a chain that was
//! right. Pure. Source: RFC 8617 section 5.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailwright_words::Timestamp;
use mailwright_words::headers::{Field, HeaderBlock};

use super::{Algorithm, Digest, KeyError, Selected, Signer, folded, header, written};
use crate::results;

/// The names of a set's fields, in the order in which they are sealed.
const SET: [&str; 3] = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];
/// The longest chain. Source: RFC 8617 section 4.2.1.
const SETS_MAX: usize = 50;

impl Digest {
    /// The fields of a set, ready to stand before the message; `host` is our name in
    /// `Authentication-Results`. None where nothing is to be sealed: nothing was checked here, the
    /// chain was not right, or there is no RSA key, which is all that others check.
    ///
    /// Errors: [`KeyError::Unusable`] when the key does not work.
    pub fn seal(
        &self,
        signer: &Signer,
        host: &str,
        at: Timestamp,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let is_rsa = |selected: &&Selected| selected.key.algorithm() == Algorithm::Rsa;
        let Some(selected) = signer.keys.iter().find(is_rsa) else { return Ok(None) };
        let block = HeaderBlock::new(&self.header);
        let Some(found) = results::of(&block, host) else { return Ok(None) };
        let text = found.text();
        let Some(sets) = sets(&block) else { return Ok(None) };
        let Some(validity) = validity(&text, sets.len()) else { return Ok(None) };
        let number = sets.len().saturating_add(1);
        let results = field(&block, &found).iter().skip_while(|byte| **byte != b':').skip(1);
        let mut results: Vec<u8> = results.copied().collect();
        results.splice(0..0, format!("{}: i={number};", SET[0]).into_bytes());
        let signature = self.message_signature((signer, selected), number, at)?;
        let mut covered = Vec::new();
        for one in sets.iter().flatten() {
            header::canonical_field(field(&block, one), &mut covered);
        }
        header::canonical_field(&results, &mut covered);
        header::canonical_field(&signature, &mut covered);
        let seal = format!(
            "{}: i={number}; a={}; t={}; cv={validity};\r\n\td={}; s={};\r\n\tb=",
            SET[2],
            Algorithm::Rsa.tag(),
            at.ms().div_euclid(1000),
            signer.domain,
            selected.selector,
        );
        let seal = signed(seal, covered, selected)?;
        Ok(Some([seal, signature, results].concat()))
    }

    /// Of the message, as `DKIM-Signature` is; the signatures that came with it are covered, too.
    fn message_signature(
        &self,
        (signer, selected): (&Signer, &Selected),
        number: usize,
        at: Timestamp,
    ) -> Result<Vec<u8>, KeyError> {
        const SIGNATURE: &str = "DKIM-Signature";
        let (mut names, mut covered) = header::covered(&self.header);
        let block = HeaderBlock::new(&self.header);
        let is_signature = |field: &Field<'_>| field.name.eq_ignore_ascii_case(SIGNATURE);
        let signatures: Vec<Field<'_>> = block.fields().filter(is_signature).collect();
        for one in signatures.iter().rev() {
            names.push(SIGNATURE);
            header::canonical_field(field(&block, one), &mut covered);
        }
        let text = format!(
            "{}: i={number}; a={}; c=relaxed/relaxed; d={};\r\n\ts={}; t={};\r\n\th={};\r\n\
             \tbh={};\r\n\tb=",
            SET[1],
            Algorithm::Rsa.tag(),
            signer.domain,
            selected.selector,
            at.ms().div_euclid(1000),
            folded(&names, ":"),
            STANDARD.encode(self.body_hash),
        );
        signed(text, covered, selected)
    }
}

/// A field with the signature of what is covered and of itself.
fn signed(text: String, mut covered: Vec<u8>, selected: &Selected) -> Result<Vec<u8>, KeyError> {
    header::canonical_field(text.as_bytes(), &mut covered);
    covered.truncate(covered.len().saturating_sub(2));
    Ok(written(text.into_bytes(), &selected.key.sign(&covered)?))
}

fn field<'a>(block: &HeaderBlock<'a>, field: &Field<'_>) -> &'a [u8] {
    block.as_bytes().get(field.range.clone()).unwrap_or_default()
}

/// The sets that are there, the first one first; none when they are no chain.
fn sets<'a>(block: &HeaderBlock<'a>) -> Option<Vec<[Field<'a>; 3]>> {
    let mut found: Vec<[Option<Field<'a>>; 3]> = Vec::new();
    for field in block.fields() {
        let Some(kind) = SET.iter().position(|name| field.name.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let number = instance(&field.text())?;
        if found.len() < number {
            found.resize_with(number, Default::default);
        }
        let place = found.get_mut(number.checked_sub(1)?)?.get_mut(kind)?;
        if place.replace(field).is_some() {
            return None;
        }
    }
    let whole = |set: [Option<Field<'a>>; 3]| {
        let [results, signature, seal] = set;
        Some([results?, signature?, seal?])
    };
    let sets: Option<Vec<_>> = found.into_iter().map(whole).collect();
    sets.filter(|sets| sets.len() < SETS_MAX)
}

/// Which set a field is of.
fn instance(value: &str) -> Option<usize> {
    let tag = value.split(';').find_map(|tag| {
        let (name, number) = tag.split_once('=')?;
        (name.trim() == "i").then(|| number.trim())
    })?;
    tag.parse().ok().filter(|number| (1..=SETS_MAX).contains(number))
}

/// What is said of the chain so far; none where it is not to go on.
fn validity(results: &str, sets: usize) -> Option<&'static str> {
    let methods = results::methods(results);
    let word = methods.iter().find(|(method, _)| method == "arc").map(|(_, word)| word.as_str());
    match (sets, word) {
        (0, None | Some("none")) => Some("none"),
        (1.., Some("pass")) => Some("pass"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{Digester, SigningKey};

    fn seal(message: &str) -> Option<String> {
        let key = SigningKey::generate(Algorithm::Rsa).unwrap();
        let keys = vec![Selected { selector: "s1".to_owned(), key }];
        let signer = Signer { domain: "fwd.example".to_owned(), keys };
        let mut digester = Digester::default();
        digester.push(message.as_bytes());
        let digest = digester.finish().unwrap();
        let sealed = digest.seal(&signer, "mx.fwd.example", Timestamp::new(1_000)).unwrap();
        sealed.map(|fields| String::from_utf8(fields).unwrap())
    }

    #[test]
    fn only_what_was_checked_here_and_was_right_is_sealed() {
        let results = "Authentication-Results: mx.fwd.example; spf=pass";
        let set = |number: &str| {
            format!(
                "ARC-Seal: i={number}; cv=none; b=x\r\nARC-Message-Signature: i={number}; b=x\r\n\
                 ARC-Authentication-Results: i={number}; x; spf=pass\r\n"
            )
        };
        for (header, wanted) in [
            (format!("{results}\r\n"), Some("i=1; a=rsa-sha256; t=1; cv=none;")),
            ("Authentication-Results: other.example; spf=pass\r\n".to_owned(), None),
            (String::new(), None),
            (
                format!("{results}; arc=pass\r\n{}", set("1")),
                Some("i=2; a=rsa-sha256; t=1; cv=pass"),
            ),
            (format!("{results}; arc=fail\r\n{}", set("1")), None),
            (format!("{results}; arc=temperror\r\n{}", set("1")), None),
            (format!("{results}\r\n{}", set("1")), None),
            (format!("{results}; arc=fail\r\n"), None),
            (format!("{results}; arc=pass\r\n{}", set("2")), None),
            (format!("{results}; arc=pass\r\n{}", set("0")), None),
            (format!("{results}; arc=pass\r\n{0}{0}", set("1")), None),
            (format!("{results}; arc=pass\r\nARC-Seal: i=1; b=x\r\n"), None),
            (format!("{results}; arc=pass\r\n{}", set("99999999999")), None),
        ] {
            let sealed = seal(&format!("{header}From: a@b.example\r\n\r\nHello.\r\n"));
            match wanted {
                Some(part) => assert!(sealed.as_ref().unwrap().contains(part), "{sealed:?}"),
                None => assert_eq!(sealed, None, "{header}"),
            }
        }
    }
}
