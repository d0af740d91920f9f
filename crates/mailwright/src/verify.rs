//! What asks the DNS where messages of strangers are from.

use std::sync::Arc;

use mailwright_config::Config;
use mailwright_mailauth::Verifier;
use mailwright_net::dns;

use crate::{Failure, office::Office};

/// Checks messages of strangers with the DNS that is in force, from now on.
///
/// Errors: the system's DNS configuration cannot be read; what was in force stays.
pub(crate) fn start(office: &Office) -> Result<(), Failure> {
    let config = office.config.now();
    let failed = |error| Failure::of("configuration of the DNS", &error);
    let resolver = dns::System::new(&config.dns).map_err(failed)?;
    let verifier = Verifier::new(Arc::new(resolver))
        .map_err(|error| Failure::of("checks of where messages are from", &error))?;
    office.intake.verify_with(verifier);
    Ok(())
}

/// As [`start`], if the DNS is another one than that of `old`, which was in force before.
///
/// Errors: those of [`start`].
pub(crate) fn reload(office: &Office, old: &Config) -> Result<(), Failure> {
    if office.config.now().dns == old.dns { Ok(()) } else { start(office) }
}
