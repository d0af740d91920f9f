//! Password hashes: ours, those that come from elsewhere, and passwords we make.
//!
//! A stored hash is `{SCHEME}` and the hash in the form its scheme is known by. Nothing here waits
//! or bounds itself: verifying takes tens of milliseconds and 19 MiB on purpose, so that callers
//! go through [`crate::check`].

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Letters of the passwords we make: 32 of them, none easily taken for another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Memory of one argon2id computation we are willing to do for an import, in KiB.
const IMPORT_MEMORY_MAX: u32 = 256 * 1024;
/// Passes of one argon2id computation we are willing to do for an import.
const IMPORT_PASSES_MAX: u32 = 16;
/// Rounds of SHA512-CRYPT we are willing to do for an import.
const IMPORT_ROUNDS_MAX: u32 = 1_000_000;
/// Cost of bcrypt we are willing to pay for an import; each step doubles it.
const IMPORT_COST_MAX: u32 = 14;

/// What a hash was made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// argon2id, ours for passwords that people choose.
    Argon2id,
    /// bcrypt, imported.
    Bcrypt,
    /// SHA512-CRYPT, imported.
    Sha512Crypt,
    /// Salted SHA-256, ours for passwords with 100 random bits: there is nothing to guess.
    Random,
}

impl Scheme {
    const ALL: [(&'static str, Self); 4] = [
        ("{ARGON2ID}", Self::Argon2id),
        ("{BLF-CRYPT}", Self::Bcrypt),
        ("{SHA512-CRYPT}", Self::Sha512Crypt),
        ("{RANDOM-SHA256}", Self::Random),
    ];

    fn split(text: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|(prefix, scheme)| {
            let (head, hash) = text.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some((scheme, hash))
        })
    }
}

/// Why a hash from elsewhere is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The text does not begin with a scheme we verify.
    #[error("the hash has to begin with {{BLF-CRYPT}}, {{SHA512-CRYPT}} or {{ARGON2ID}}")]
    Scheme,
    /// What follows the scheme is not a hash of it.
    #[error("the hash is not of the form its scheme asks for")]
    Form,
    /// The hash is so costly that a login would be an attack.
    #[error("the hash asks for more memory or rounds than one login may take")]
    Costly,
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random(#[source] getrandom::Error),
    /// There is no memory for it, or the password is longer than the scheme can take.
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
}

/// A hash of a scheme we verify.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stored(String);

impl Stored {
    /// Hashes a password that a person chose, with argon2id at 19 MiB, 2 passes and 1 lane.
    ///
    /// Errors: no random numbers, or no memory.
    pub(crate) fn hash(password: &str) -> Result<Self, HashError> {
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &random::<16>()?)
            .map_err(HashError::Hash)?;
        Ok(Self(format!("{{ARGON2ID}}{hash}")))
    }

    /// Hashes a password that [`generate`] made.
    ///
    /// Errors: no random numbers.
    pub(crate) fn random(password: &str) -> Result<Self, HashError> {
        let salt = random::<16>()?;
        let text = STANDARD_NO_PAD.encode([salt.as_slice(), &salted(&salt, password)].concat());
        Ok(Self(format!("{{RANDOM-SHA256}}{text}")))
    }

    /// Takes a hash from another server.
    ///
    /// Errors: the scheme is none we verify, the hash is malformed or too costly.
    pub(crate) fn import(text: &str) -> Result<Self, ImportError> {
        let (scheme, hash) = Scheme::split(text).ok_or(ImportError::Scheme)?;
        let costly = match scheme {
            Scheme::Argon2id => argon2_cost(hash)
                .map(|cost| cost.m_cost() > IMPORT_MEMORY_MAX || cost.t_cost() > IMPORT_PASSES_MAX),
            Scheme::Bcrypt => hash
                .parse::<bcrypt::HashParts>()
                .ok()
                .map(|parts| parts.get_cost() > IMPORT_COST_MAX),
            Scheme::Sha512Crypt => rounds(hash).map(|rounds| rounds > IMPORT_ROUNDS_MAX),
            Scheme::Random => return Err(ImportError::Scheme),
        };
        match costly {
            Some(false) => Ok(Self(text.to_owned())),
            Some(true) => Err(ImportError::Costly),
            None => Err(ImportError::Form),
        }
    }

    /// A hash that we stored.
    pub(crate) const fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `password` is the one; slow on purpose, and never for a hash of unknown form.
    pub(crate) fn verify(&self, password: &str) -> bool {
        let bytes = password.as_bytes();
        match Scheme::split(&self.0) {
            Some((Scheme::Argon2id, hash)) => {
                Argon2::default().verify_password(bytes, hash).is_ok()
            }
            Some((Scheme::Bcrypt, hash)) => bcrypt::verify(bytes, hash).unwrap_or(false),
            Some((Scheme::Sha512Crypt, hash)) => {
                sha_crypt::ShaCrypt::default().verify_password(bytes, hash).is_ok()
            }
            Some((Scheme::Random, hash)) => verify_random(hash, password),
            None => false,
        }
    }

    /// Whether it costs next to nothing to verify.
    pub(crate) fn is_random(&self) -> bool {
        matches!(Scheme::split(&self.0), Some((Scheme::Random, _)))
    }

    /// Whether the password should be hashed anew now that it is known: another scheme than ours,
    /// or less work than ours.
    pub(crate) fn is_outdated(&self) -> bool {
        match Scheme::split(&self.0) {
            Some((Scheme::Argon2id, hash)) => argon2_cost(hash).is_none_or(|cost| {
                let work = |cost: &Params| u64::from(cost.m_cost()) * u64::from(cost.t_cost());
                work(&cost) < work(&Params::DEFAULT)
            }),
            Some((Scheme::Random, _)) => false,
            Some((Scheme::Bcrypt | Scheme::Sha512Crypt, _)) | None => true,
        }
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored(..)")
    }
}

/// Makes a password: 20 letters and digits in groups of five, 100 random bits.
///
/// Errors: the system gives no random numbers.
pub fn generate() -> Result<String, HashError> {
    let letters: Vec<char> = random::<20>()?
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from))
        .collect();
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// `N` octets from the system.
///
/// Errors: the system gives no random numbers.
pub fn random<const N: usize>() -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(HashError::Random)?;
    Ok(bytes)
}

fn salted(salt: &[u8], password: &str) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec()
}

fn verify_random(text: &str, password: &str) -> bool {
    let bytes = STANDARD_NO_PAD.decode(text).unwrap_or_default();
    bytes.split_at_checked(16).is_some_and(|(salt, hash)| salted(salt, password).ct_eq(hash).into())
}

/// The cost of an argon2id hash in PHC form; `None` when it is not one.
fn argon2_cost(hash: &str) -> Option<Params> {
    let hash = PasswordHash::new(hash).ok()?;
    let whole = hash.salt.is_some() && hash.hash.is_some();
    if hash.algorithm.as_str() == "argon2id" && whole { Params::try_from(&hash).ok() } else { None }
}

/// The rounds of a SHA512-CRYPT hash; `None` when it is not one. Absent, they are 5000.
fn rounds(hash: &str) -> Option<u32> {
    let rest = hash.strip_prefix("$6$")?;
    let mut fields = rest.split('$');
    let (rounds, salt) = match (fields.next()?, rest.strip_prefix("rounds=")) {
        (first, Some(_)) => (first.strip_prefix("rounds=")?.parse().ok()?, fields.next()?),
        (first, None) => (5000, first),
    };
    let digest = fields.next()?;
    let form = |c: u8| c.is_ascii_alphanumeric() || c == b'.' || c == b'/';
    let whole = salt.len() <= 16 && digest.len() == 86 && digest.bytes().all(form);
    (whole && fields.next().is_none()).then_some(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the test vectors of bcrypt and of crypt(5)'s SHA-512, and the `argon2` program.
    const KNOWN: [(&str, &str); 4] = [
        ("U*U", "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (
            "Hello world!",
            "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu\
             esI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "Hello world!",
            "{sha512-crypt}$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sb\
             HbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
        (
            "password",
            "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHA\
             ph8ArZWb2GRPPc",
        ),
    ];

    #[test]
    fn hashes_from_elsewhere_verify() {
        for (password, text) in KNOWN {
            let stored = Stored::import(text).unwrap();
            assert!(stored.verify(password), "{text}");
            assert!(!stored.verify("another"), "{text}");
        }
        let outdated = KNOWN.map(|(_, text)| Stored::import(text).unwrap().is_outdated());
        assert_eq!(outdated, [true, true, true, false]);
    }

    #[test]
    fn what_is_no_hash_or_too_costly_is_not_imported() {
        for (text, error) in [
            ("secret", ImportError::Scheme),
            ("{PLAIN}secret", ImportError::Scheme),
            ("{RANDOM-SHA256}AAAA", ImportError::Scheme),
            ("{ARGON2ID}$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA", ImportError::Form),
            ("{ARGON2ID}", ImportError::Form),
            ("{BLF-CRYPT}$2y$", ImportError::Form),
            ("{SHA512-CRYPT}$5$salt$x", ImportError::Form),
            ("{SHA512-CRYPT}$6$salt$x", ImportError::Form),
            (
                "{ARGON2ID}$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7c\
                 JHAph8ArZWb2GRPPc",
                ImportError::Costly,
            ),
            (
                "{BLF-CRYPT}$2y$20$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                ImportError::Costly,
            ),
        ] {
            assert_eq!(Stored::import(text), Err(error), "{text}");
        }
    }

    #[test]
    fn our_own_hashes_verify_and_are_salted() {
        for make in [Stored::hash, Stored::random] {
            let (first, second) = (make("open sesame").unwrap(), make("open sesame").unwrap());
            assert!(first.verify("open sesame") && second.verify("open sesame"));
            assert!(!first.verify("open sesam") && !first.is_outdated());
            assert_ne!(first, second);
        }
        assert!(!Stored::from_row("nonsense".into()).verify("nonsense"));
    }

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), 23);
        assert!(first.split('-').all(|group| group.len() == 5));
    }
}
