//! `mailwright doctor domain`: its MTA-STS policy is fetched as the queue fetches it.

use std::sync::Arc;

use mailwright_config::Config;
use mailwright_deliver::{
    ledger::Uncounted,
    sts::{Known, Unkept},
};
pub(crate) use mailwright_doctor::domain::{Announced, Question};
use mailwright_doctor::{
    Report, World,
    domain::{self, Policy},
};
use mailwright_words::Domain;

use crate::{Failure, outgoing};

/// The name of a domain that a person wrote, in A-labels.
///
/// Errors: it is none.
pub(crate) fn name(text: &str) -> Result<String, Failure> {
    let domain = Domain::parse(text.trim_end_matches('.'))
        .map_err(|error| Failure::of(&format!("{text:?} is no domain"), &error))?;
    Ok(domain.as_str().to_owned())
}

/// Examines a domain.
///
/// Errors: the network cannot be used as configured.
pub(crate) async fn examine(
    world: &World,
    question: Question,
    config: &Config,
) -> Result<Report, Failure> {
    let (shelf, ledger) = (Arc::new(Unkept), Arc::new(Uncounted));
    let setup = outgoing::setup(config, &world.clock, (shelf, ledger), &[])?;
    let policy = announced(setup.policies.policy(&question.domain).await);
    Ok(domain::examine(world, &Question { policy, ..question }).await)
}

fn announced(known: Known) -> Announced {
    match (known.policy, known.trouble) {
        (Some(policy), _) => {
            let (mode, max_age) = (policy.mode.as_str(), policy.max_age);
            let lists = Arc::new(move |host: &str| policy.lists(host));
            Announced::Policy(Policy { mode, max_age, lists })
        }
        (None, Some(trouble)) => Announced::Trouble(trouble.as_str().to_owned()),
        (None, None) if known.unsure => Announced::Unknown,
        (None, None) => Announced::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use mailwright_deliver::{ledger::Failure as Trouble, sts};

    use super::*;

    #[test]
    fn what_is_known_of_a_policy_is_passed_on() {
        let text = "version: STSv1\nmode: testing\nmx: *.own.example\nmax_age: 86400\n";
        let policy = sts::Policy::parse(text).map(Arc::new);
        let Announced::Policy(found) = announced(Known { policy, ..Known::default() }) else {
            panic!("there is one")
        };
        assert_eq!((found.mode, found.max_age.as_secs()), ("testing", 86400));
        assert!((found.lists)("mx.own.example") && !(found.lists)("own.example"));
        let trouble = Some(Trouble::StsWebpkiInvalid);
        let told = announced(Known { trouble, ..Known::default() });
        assert!(matches!(told, Announced::Trouble(why) if why == "sts-webpki-invalid"));
        let unsure = announced(Known { unsure: true, ..Known::default() });
        assert!(matches!(unsure, Announced::Unknown));
        assert!(matches!(announced(Known::default()), Announced::Nothing));
    }

    #[test]
    fn a_name_is_a_domain_or_told_to_be_none() {
        assert_eq!(name("Own.Example.").ok().as_deref(), Some("own.example"));
        for bad in ["", "ann@own.example", "a b"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
