//! What we ask of names and passwords before they are compared or hashed.
//!
//! It is less than `SASLprep` (RFC 4013): control characters are refused and lengths are bounded;
//! nothing is mapped and nothing is normalised. So a password verifies exactly as it was set, and
//! a client that normalises a password which is not in NFC sends another one than was set.

use crate::Failure;

/// Longest name, in octets: the longest address and room to spare.
pub const NAME_MAX: usize = 512;
/// Longest password, in octets.
pub const PASSWORD_MAX: usize = 1024;

/// Passes a name that can be one.
///
/// Errors: [`Failure::Unprepared`] when it is empty, too long or holds control characters.
pub fn prepare_name(name: &str) -> Result<&str, Failure> {
    usable(name, NAME_MAX).ok_or(Failure::Unprepared("name"))
}

/// Passes a password that can be one.
///
/// Errors: [`Failure::Unprepared`] when it is empty, too long or holds control characters.
pub fn prepare_password(password: &str) -> Result<&str, Failure> {
    usable(password, PASSWORD_MAX).ok_or(Failure::Unprepared("password"))
}

fn usable(text: &str, longest: usize) -> Option<&str> {
    let fits = !text.is_empty() && text.len() <= longest;
    (fits && !text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_wrong_lengths_are_refused() {
        for bad in ["", "a\0b", "a\tb", "a\u{85}b", "a\u{7f}", &"x".repeat(PASSWORD_MAX + 1)] {
            assert_eq!(prepare_password(bad), Err(Failure::Unprepared("password")), "{bad:?}");
            assert_eq!(prepare_name(bad), Err(Failure::Unprepared("name")), "{bad:?}");
        }
        for good in ["x", "p\u{e4}ss w\u{f6}rd", &"x".repeat(NAME_MAX)] {
            assert_eq!(prepare_password(good), Ok(good));
            assert_eq!(prepare_name(good), Ok(good));
        }
    }
}
