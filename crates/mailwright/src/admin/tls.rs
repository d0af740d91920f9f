//! `mailwright tls`.

use mailwright_net::dns::{self, Answer, Resolver as _};

use super::{table, time};
use crate::{Failure, certify, cli::TlsCommand, console::Console, office::Office, tlsa};

pub(super) async fn run(
    command: TlsCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        TlsCommand::Show => show(office, console).await,
        TlsCommand::Roll { force } => roll(office, console, force).await,
    }
}

/// The certificates of an authority, then the TLSA records to publish.
async fn show(office: &Office, console: &Console) -> Result<(), Failure> {
    let config = office.config.now();
    let keeper = certify::keeper(&config);
    let vouched = keeper.all().into_iter().filter_map(|(name, _)| {
        let vouched = keeper.vouched(&name)?;
        let next = if keeper.is_roll_asked(&name) { "next with another key" } else { "" };
        let until = format!("until {}", time(vouched.until));
        let again = format!("renewed from {}", time(vouched.renew_at(0)));
        Some(vec![name, vouched.names.join(" "), until, again, next.to_owned()])
    });
    table(console, &vouched.collect::<Vec<_>>()).await?;
    let (owner, records) = tlsa::records(&config)?;
    for data in records {
        console.line(&format!("{owner} IN TLSA {data}")).await?;
    }
    Ok(())
}

/// Wants the next certificate to be for the next key, whose TLSA record has to be there before it.
async fn roll(office: &Office, console: &Console, force: bool) -> Result<(), Failure> {
    let config = office.config.now();
    let name = certify::main_name(&config)
        .ok_or_else(|| Failure::new("no authority is asked for certificates: see acme.names"))?;
    let (owner, records) = tlsa::records(&config)?;
    let next = records.get(1).cloned().unwrap_or_default();
    if !force && !is_published(office, &owner, &next).await? {
        return Err(Failure::new(format!(
            "publish this first, and wait until old answers are forgotten, or say --force:\n  \
             {owner} IN TLSA {next}"
        )));
    }
    let keeper = certify::keeper(&config);
    keeper.ask_roll(name).map_err(|error| Failure::of("the next key", &error))?;
    Ok(console.line(&format!("{name}: the next certificate is for the next key")).await?)
}

/// Whether the record is there, or no record is: who publishes none loses none.
async fn is_published(office: &Office, owner: &str, data: &str) -> Result<bool, Failure> {
    let config = office.config.now();
    let resolver = dns::System::new(&config.dns).map_err(|error| Failure::of("the DNS", &error))?;
    match resolver.tlsa(owner).await {
        Answer::Found(found) => Ok(found.records.iter().any(|one| one.to_string() == data)),
        Answer::NoData | Answer::NoSuchDomain => Ok(true),
        Answer::Temporary(why) => Err(Failure::new(format!("{owner} cannot be looked up: {why}"))),
    }
}
