//! The hashes of a body, made while it comes in.
//!
//! A message is never held as a whole for the sake of its signatures: once its header is there,
//! it is known in which forms the body is to be hashed. Source: RFC 6376 section 3.4.

use std::fmt;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{HashAlgorithm, HashContext, HashImpl, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;
use mailwright_words::headers::HeaderBlock;

type Hasher = BodyHasher<<Sha256 as HashImpl>::Context>;

/// Hashes a body in the forms that the signatures of its header ask for.
pub struct BodyHashes(Vec<(Canonicalization, Hasher)>);

/// The hashes of a whole body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyHash(Vec<(Canonicalization, Vec<u8>)>);

impl BodyHashes {
    /// What the signatures of this header ask for; at most one hash for each of the two forms.
    pub fn of(block: &HeaderBlock<'_>) -> Self {
        let header = header_of(block);
        let wanted = AuthenticatedMessage::parse(&header)
            .map(|message| message.body_hashes)
            .unwrap_or_default();
        let mut hashers: Vec<(Canonicalization, Hasher)> = Vec::new();
        for (form, algorithm, length, _) in wanted {
            let is_new = hashers.iter().all(|(other, _)| *other != form);
            if is_new && length == 0 && algorithm == HashAlgorithm::Sha256 {
                hashers.push((form, BodyHasher::new(Sha256::hasher(), form, 0)));
            }
        }
        Self(hashers)
    }

    /// Takes the next octets of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        for (_, hasher) in &mut self.0 {
            hasher.write(bytes);
        }
    }

    /// The hashes, when the body is at its end.
    pub fn finish(self) -> BodyHash {
        let whole = |(form, hasher): (Canonicalization, Hasher)| {
            let (context, _) = hasher.finish();
            (form, context.complete().as_ref().to_vec())
        };
        BodyHash(self.0.into_iter().map(whole).collect())
    }
}

impl fmt::Debug for BodyHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.0.iter().map(|(form, _)| form);
        f.debug_list().entries(forms).finish()
    }
}

impl BodyHash {
    /// Puts the hashes where the signatures are compared with them. What is not there matches no
    /// signature.
    pub(crate) fn fill(&self, message: &mut AuthenticatedMessage<'_>) {
        for (form, algorithm, length, hash) in &mut message.body_hashes {
            let same = self.0.iter().find(|(own, _)| own == form);
            let usable = *length == 0 && *algorithm == HashAlgorithm::Sha256;
            *hash = same.filter(|_| usable).map(|(_, hash)| hash.clone()).unwrap_or_default();
        }
    }
}

/// A header as a message without a body.
pub(crate) fn header_of(block: &HeaderBlock<'_>) -> Vec<u8> {
    [block.as_bytes(), b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_hashes_the_same_wherever_it_is_cut() {
        let header = b"From: a@b.example\r\n\
            DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=b.example;\r\n\
            \x20s=s; h=from; bh=YQ==; b=YQ==\r\n\
            DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=b.example;\r\n\
            \x20s=s; h=from; bh=YQ==; b=YQ==\r\n";
        let block = HeaderBlock::new(header);
        let body = b"a  b \t\r\n\r\nc\r\n \r\n\r\n\r\n";
        let hashed = |size: usize| {
            let mut hashes = BodyHashes::of(&block);
            body.chunks(size).for_each(|piece| hashes.push(piece));
            hashes.finish()
        };
        let whole = hashed(body.len());
        assert_eq!(whole.0.len(), 2);
        for size in 1..body.len() {
            assert_eq!(hashed(size), whole, "in pieces of {size}");
        }
        // What the library says of the same body in one piece.
        let message = [&header[..], b"\r\n", body].concat();
        let parsed = AuthenticatedMessage::parse(&message).unwrap();
        let mut ours = parsed.clone();
        whole.fill(&mut ours);
        assert_eq!(ours.body_hashes, parsed.body_hashes);
    }
}
