//! Signatures of deliveries, by which a receiver knows that they are from here.
//!
//! The form is that of Standard Webhooks: the HMAC-SHA256 of number, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mailwright_store::capture::hook::Hook;
use mailwright_words::Timestamp;
use sha2::Sha256;

/// A secret as receivers are given it.
pub(in crate::sandbox) fn shown(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// The signatures of a body: with the secret, and with the one before while that holds.
pub(super) fn signatures(
    hook: &Hook,
    (id, seconds, body): (&str, i64, &str),
    now: Timestamp,
) -> String {
    let old = hook.old_secret.as_ref().filter(|(_, until)| *until > now);
    let secrets = std::iter::once(&hook.secret).chain(old.map(|(secret, _)| secret));
    let each = secrets.filter_map(|secret| signature(secret, (id, seconds, body)));
    each.collect::<Vec<_>>().join(" ")
}

fn signature(secret: &[u8], (id, seconds, body): (&str, i64, &str)) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use mailwright_words::Id;

    use super::*;

    #[test]
    fn a_signature_is_that_of_others_who_sign_so() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature(&secret, signed).as_deref(), Some(right));
        let hook = Hook {
            id: Id::from_i64(1),
            inbox: Id::from_i64(2),
            url: String::new(),
            kinds: Vec::new(),
            secret: vec![7; 32],
            old_secret: Some((secret, Timestamp::new(1000))),
            created: Timestamp::new(0),
            waiting: 0,
            failing: None,
            disabled: None,
        };
        let both = signatures(&hook, signed, Timestamp::new(999));
        assert!(both.ends_with(&format!(" {right}")), "{both}");
        assert_eq!(signatures(&hook, signed, Timestamp::new(1000)).split(' ').count(), 1);
    }
}
