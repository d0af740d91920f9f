//! `mailwright doctor`, as far as it needs no store: hosts, and what replies mean.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use mailwright_config::Config;
use mailwright_doctor::{
    Check, Report, Section, World, code, compose,
    host::{self, Question, Service},
    message::{self, Carrier},
    road,
};
use mailwright_words::{Address, ReversePath};

use crate::{
    Failure,
    cli::{CarrierOptions, DoctorCommand, Form, HostExam, HostOptions},
    remote,
    stdout::stdout,
    world, zone,
};

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest message that is read, in octets.
const MESSAGE_MAX: u64 = 256 << 20;
/// Most octets of a reply that are read from standard input.
const REPLY_MAX: u64 = 64 * 1024;
/// The database in a data folder.
const DATABASE: &str = "mailwright.db";

/// Carries out a command, unless it is one for who has the store.
pub(crate) async fn run(
    command: Option<&DoctorCommand>,
    form: Form,
    config: &Config,
) -> Result<Option<ExitCode>, Failure> {
    let Some(command) = command else {
        return match missing(config) {
            Some(check) => {
                let mut section = Section::new("this machine");
                section.push(check);
                let hostname = config.server.hostname.clone();
                tell(&Report::new(hostname, vec![section], false), form).map(Some)
            }
            None => Ok(None),
        };
    };
    let code = match command {
        DoctorCommand::Store { .. } => return needs_store(config),
        DoctorCommand::Code { text, json } => explain(text, *json)?,
        DoctorCommand::Smtp { host, from, to } => {
            let envelope = envelope(from.as_deref(), to)?;
            examine(host, Service::Smtp, envelope, config).await?
        }
        DoctorCommand::Deliver { address, from, host, form } => {
            deliver((address, from.as_deref()), host, *form, config).await?
        }
        DoctorCommand::Domain { name, selector, records_only, thorough, host, form } => {
            let question = zone::Question {
                domain: zone::name(name)?,
                selectors: selector.clone(),
                visits: !records_only,
                thorough: *thorough,
                lists: (config.doctor.address_lists.clone(), config.doctor.domain_lists.clone()),
                policy: zone::Announced::Nothing,
            };
            let world = world::open(config, host)?;
            tell(&zone::examine(&world, question, config).await?, *form)?
        }
        DoctorCommand::Message { what, carrier, form } => match message(what)? {
            Some(bytes) => {
                let world = world::plain(config, PATIENCE)?;
                let carrier = self::carrier(carrier)?;
                tell(&message::examine(&world, what, &bytes, &carrier).await, *form)?
            }
            None => return needs_store(config),
        },
        DoctorCommand::Imap(host) => examine(host, Service::Imap, None, config).await?,
        DoctorCommand::Pop3(host) => examine(host, Service::Pop3, None, config).await?,
    };
    Ok(Some(code))
}

/// Says what is missing where there is no server yet; nothing is made in its place.
fn missing(config: &Config) -> Option<Check> {
    let folder = &config.server.data;
    let is_missing = |path: &Path| {
        let looked = std::fs::symlink_metadata(path);
        looked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let is_new = is_missing(&folder.join(DATABASE)) && is_missing(&remote::socket(config));
    is_new.then(|| {
        let found = format!("there is none at {}", folder.display());
        Check::unknown("data.folder", "Data folder", found)
            .tried("the data folder of the configuration")
            .means("No server ever ran with this configuration, or its folder is another one.")
            .mend(
                "Name its configuration with --config, or its folder with --data. For a new one: \
                 `mailwright init`, then `mailwright serve`.",
            )
    })
}

/// What needs the store is for who has it, if there is one.
fn needs_store(config: &Config) -> Result<Option<ExitCode>, Failure> {
    match missing(config) {
        Some(check) => {
            Err(Failure::new(format!("data folder: {}. {}", check.found, check.mend)).with(2))
        }
        None => Ok(None),
    }
}

type Tried = Option<(ReversePath, Vec<Address>)>;

/// The envelope that is tried, if one is named.
///
/// Errors: one of the addresses is none.
pub(crate) fn envelope(from: Option<&str>, to: &[String]) -> Result<Tried, Failure> {
    if from.is_none() && to.is_empty() {
        return Ok(None);
    }
    let from = from.unwrap_or_default().trim_start_matches('<').trim_end_matches('>');
    let sender = ReversePath::parse(from)
        .map_err(|error| Failure::of(&format!("{from:?} is no sender"), &error))?;
    let recipient = |text: &String| {
        Address::parse(text)
            .map_err(|error| Failure::of(&format!("{text:?} is no address"), &error))
    };
    let to: Vec<Address> = to.iter().map(recipient).collect::<Result<_, _>>()?;
    Ok(Some((sender, to)))
}

async fn examine(
    exam: &HostExam,
    service: Service,
    envelope: Tried,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let question = Question {
        place: exam.place.clone(),
        service,
        credentials: exam.login.credentials()?,
        envelope,
        tls_name: exam.host.tls_name.clone(),
        thorough: exam.thorough,
    };
    let world = world::open(config, &exam.host)?;
    tell(&host::examine(&world, &question).await, exam.form)
}

/// Who brought a message, as the options say.
///
/// Errors: the sender is no address.
pub(crate) fn carrier(options: &CarrierOptions) -> Result<Carrier, Failure> {
    let from = options.from.as_deref().map(|from| {
        ReversePath::parse(from.trim_start_matches('<').trim_end_matches('>'))
            .map_err(|error| Failure::of(&format!("{from:?} is no sender"), &error))
    });
    Ok(Carrier { ip: options.ip, helo: options.helo.clone(), from: from.transpose()? })
}

/// The message in a file or on standard input; none when it is neither.
fn message(what: &str) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    if what == "-" {
        io::stdin().lock().take(MESSAGE_MAX).read_to_end(&mut bytes)?;
    } else if Path::new(what).is_file() {
        let file = std::fs::File::open(what)
            .map_err(|error| Failure::of(&format!("cannot open {what}"), &error))?;
        file.take(MESSAGE_MAX).read_to_end(&mut bytes)?;
    } else {
        return Ok(None);
    }
    Ok(Some(compose::with_crlf(&bytes)))
}

/// Goes the road to an address.
async fn deliver(
    (address, from): (&str, Option<&str>),
    host: &HostOptions,
    form: Form,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let world = world::open(config, host)?;
    let ends = ends((address, from), &world)?;
    tell(&road(&world, config, &ends).await?, form)
}

/// Sender and recipient of a road; without a sender it is the postmaster here.
///
/// Errors: one of them is no address.
pub(crate) fn ends(
    (address, from): (&str, Option<&str>),
    world: &World,
) -> Result<(ReversePath, Address), Failure> {
    let to = Address::parse(address)
        .map_err(|error| Failure::of(&format!("{address:?} is no address"), &error))?;
    let own = format!("postmaster@{}", world.hostname);
    let from = from.unwrap_or(&own).trim_start_matches('<').trim_end_matches('>');
    let from = ReversePath::parse(from)
        .map_err(|error| Failure::of(&format!("{from:?} is no sender"), &error))?;
    Ok((from, to))
}

/// The road, and what the queue would do.
///
/// Errors: the network cannot be used as configured.
pub(crate) async fn road(
    world: &World,
    config: &Config,
    (from, to): &(ReversePath, Address),
) -> Result<Report, Failure> {
    let report = road::examine(world, config, from, to).await;
    crate::road::decided(report, config, &world.clock, (from, to)).await
}

/// Prints a report; gives its exit code.
fn tell(report: &Report, form: Form) -> Result<ExitCode, Failure> {
    let mut output = stdout();
    if form.json {
        writeln!(output, "{:#}", report.json())?;
    } else {
        output.write_all(report.text(form.verbose).as_bytes())?;
    }
    output.flush()?;
    Ok(ExitCode::from(report.exit_code()))
}

fn explain(words: &[String], as_json: bool) -> Result<ExitCode, Failure> {
    let mut text = words.join(" ");
    if text == "-" {
        text.clear();
        io::stdin().lock().take(REPLY_MAX).read_to_string(&mut text)?;
    }
    let explanation = code::explain(&text);
    let mut output = stdout();
    if as_json {
        let json = serde_json::to_string_pretty(&explanation)
            .map_err(|error| Failure::of("JSON", &error))?;
        writeln!(output, "{json}")?;
    } else {
        output.write_all(explanation.text().as_bytes())?;
    }
    output.flush()?;
    Ok(ExitCode::from(if explanation.meanings.is_empty() { 2 } else { 0 }))
}
