//! What is examined because a request to `/doctor` names it: the same as the commands examine.

use mailwright_api::{Examination, Unexamined};
use mailwright_config::Config;
use mailwright_doctor::{
    Report, World, code,
    host::{self, Question, Service},
    message::Carrier,
    send::Place,
};

use super::PATIENCE;
use crate::{Failure, doctor, journey, office::Office, world, zone};

/// Examines what was asked for; the report as JSON.
///
/// Errors: it is nothing that could be examined, or it cannot be done.
pub(super) async fn examine(office: &Office, asked: Examination) -> Result<String, Unexamined> {
    if let Examination::Code { reply } = &asked {
        return serde_json::to_string(&code::explain(reply)).or(Err(Unexamined::Failed));
    }
    let config = office.config.now();
    let world = world::plain(&config, PATIENCE).map_err(|failure| failed(&failure))?;
    Ok(report(office, (&world, &config), asked).await?.json().to_string())
}

async fn report(
    office: &Office,
    (world, config): (&World, &Config),
    asked: Examination,
) -> Result<Report, Unexamined> {
    match asked {
        Examination::Server | Examination::Code { .. } => Err(Unexamined::Failed),
        Examination::Smtp { host, from, to, thorough } => {
            let envelope =
                doctor::envelope(from.as_deref(), &to).map_err(|failure| wrong(&failure))?;
            let question = Question { envelope, thorough, ..question(&host, Service::Smtp)? };
            Ok(host::examine(world, &question).await)
        }
        Examination::Imap { host } => {
            Ok(host::examine(world, &question(&host, Service::Imap)?).await)
        }
        Examination::Pop3 { host } => {
            Ok(host::examine(world, &question(&host, Service::Pop3)?).await)
        }
        Examination::Domain { name, selectors, records_only, thorough } => {
            let question = zone::Question {
                domain: zone::name(&name).map_err(|failure| wrong(&failure))?,
                selectors,
                visits: !records_only,
                thorough: thorough && !records_only,
                lists: (config.doctor.address_lists.clone(), config.doctor.domain_lists.clone()),
                policy: zone::Announced::Nothing,
            };
            zone::examine(world, question, config).await.map_err(|failure| failed(&failure))
        }
        Examination::Deliver { address, from } => {
            let ends = doctor::ends((&address, from.as_deref()), world)
                .map_err(|failure| wrong(&failure))?;
            doctor::road(world, config, &ends).await.map_err(|failure| failed(&failure))
        }
        Examination::Message { id } => journey::examine(&id, &Carrier::default(), office)
            .await
            .map_err(|failure| wrong(&failure)),
    }
}

fn question(host: &str, service: Service) -> Result<Question, Unexamined> {
    let place: Place = host
        .parse()
        .map_err(|error| wrong(&Failure::of(&format!("{host:?} is no host"), &error)))?;
    let (credentials, envelope, tls_name) = (None, None, None);
    Ok(Question { place, service, credentials, envelope, tls_name, thorough: false })
}

fn wrong(failure: &Failure) -> Unexamined {
    Unexamined::Wrong(failure.to_string())
}

fn failed(failure: &Failure) -> Unexamined {
    tracing::warn!(%failure, "Nothing was examined.");
    Unexamined::Failed
}
