//! `mailwright send`: from options to a message, and from what came of it to an exit code.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use mailwright_config::Config;
use mailwright_doctor::{
    compose::{self, Attachment, Draft},
    send::{self, Order, Sent, Target, Tls, Watch},
};
use mailwright_net::Clock;
use mailwright_smtp::client::Habits;
use mailwright_words::{Address, BodyType, Envelope, Notify, Recipient, Ret, ReversePath};
use serde_json::json;

use crate::{
    Failure,
    cli::{NotifyWhen, RetPart, Send, TlsMode},
    world,
};

/// Largest message that is read, in octets.
const MESSAGE_MAX: u64 = 512 << 20;

/// Sends, and tells what came of it.
///
/// Errors: files or options; then nothing was tried.
pub(crate) async fn run(command: Send, config: &Config) -> Result<ExitCode, Failure> {
    let (as_json, trace) = (command.json, command.trace);
    let world = world::open(config, &command.host)?;
    let order = order(command, &world.clock, config)?;
    let watch: Option<Watch<'_>> = trace.then(|| -> Watch<'_> { Box::new(print_line) });
    let sent = send::send(&world, &order, watch).await;
    let mut output = io::stdout().lock();
    if as_json {
        writeln!(output, "{:#}", told(&sent))?;
    } else {
        output.write_all(text(&sent, &order).as_bytes())?;
    }
    output.flush()?;
    Ok(ExitCode::from(sent.exit_code()))
}

fn print_line(line: &str) {
    // Nobody is left to tell when standard error is closed.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

fn order(
    command: Send,
    clock: &std::sync::Arc<dyn Clock>,
    config: &Config,
) -> Result<Order, Failure> {
    let credentials = command.login.credentials()?;
    let from = sender(&command)?;
    let stops_early = command.quit_after.is_some();
    let recipients = recipients(&command, stops_early)?;
    let target = match (&command.server, recipients.first()) {
        (Some(place), _) => Target::Server(place.clone()),
        (None, Some(first)) => {
            let domain = first.address.domain();
            if recipients.iter().any(|other| other.address.domain() != domain) {
                return Err(Failure::new(
                    "the recipients are of several domains: name the host with --server",
                ));
            }
            Target::Mx(domain.to_string())
        }
        (None, None) => return Err(Failure::new("there is no host: use --server or --to")),
    };
    let port = port(&command);
    let tls = match (command.tls, target_port(&target, port)) {
        (Some(mode), _) => Tls::from(mode),
        (None, 465) => Tls::Implicit,
        (None, _) => Tls::Opportunistic,
    };
    let needs_utf8 = command.smtputf8
        || recipients.iter().any(|recipient| !recipient.address.is_ascii())
        || from.address().is_some_and(|address| !address.is_ascii());
    let message = if stops_early {
        b"\r\n".to_vec()
    } else {
        message(&command, &from, &recipients, (clock, config))?
    };
    let mut envelope = Envelope::new(from, recipients);
    envelope.smtputf8 = needs_utf8;
    envelope.envid.clone_from(&command.envid);
    envelope.ret = command.ret.map(|part| match part {
        RetPart::Full => Ret::Full,
        RetPart::Hdrs => Ret::Hdrs,
    });
    if !message.is_ascii() {
        envelope.body = BodyType::EightBitMime;
    }
    Ok(Order {
        target,
        port,
        tls,
        verify: command.tls_verify,
        tls_name: command.host.tls_name,
        lmtp: command.lmtp,
        habits: Habits {
            pipelining: !command.no_pipelining,
            chunking: command.bdat,
            ..Habits::default()
        },
        credentials,
        envelope,
        message,
        stop: command.quit_after.map(Into::into),
    })
}

fn port(command: &Send) -> u16 {
    command.port.unwrap_or(match command.tls {
        _ if command.lmtp => 24,
        Some(TlsMode::Implicit) => 465,
        _ => 25,
    })
}

fn target_port(target: &Target, port: u16) -> u16 {
    match target {
        Target::Server(place) => place.port.unwrap_or(port),
        Target::Mx(_) => port,
    }
}

fn sender(command: &Send) -> Result<ReversePath, Failure> {
    let text = match (&command.from, &command.login.user) {
        (Some(from), _) => from.trim_start_matches('<').trim_end_matches('>'),
        (None, Some(user)) => user,
        (None, None) if command.quit_after.is_some() => "",
        (None, None) => return Err(Failure::new("there is no sender: use --from")),
    };
    ReversePath::parse(text)
        .map_err(|error| Failure::of(&format!("{text:?} is no sender; use --from"), &error))
}

fn recipients(command: &Send, may_lack: bool) -> Result<Vec<Recipient>, Failure> {
    let notify = notify(&command.notify)?;
    let mut recipients = Vec::new();
    for text in command.to.iter().flat_map(|list| list.split(',')).map(str::trim) {
        let address = Address::parse(text.trim_start_matches('<').trim_end_matches('>'))
            .map_err(|error| Failure::of(&format!("{text:?} is no address"), &error))?;
        let mut recipient = Recipient::new(address);
        recipient.notify = notify.unwrap_or(recipient.notify);
        recipients.push(recipient);
    }
    if recipients.is_empty() && !may_lack {
        return Err(Failure::new("there is no recipient: use --to"));
    }
    Ok(recipients)
}

fn notify(when: &[NotifyWhen]) -> Result<Option<Notify>, Failure> {
    if when.is_empty() {
        return Ok(None);
    }
    let has = |one| when.contains(&one);
    if has(NotifyWhen::Never) && when.len() > 1 {
        return Err(Failure::new("--notify never stands alone"));
    }
    Ok(Some(Notify {
        never: has(NotifyWhen::Never),
        success: has(NotifyWhen::Success),
        failure: has(NotifyWhen::Failure),
        delay: has(NotifyWhen::Delay),
    }))
}

fn message(
    command: &Send,
    from: &ReversePath,
    recipients: &[Recipient],
    (clock, config): (&std::sync::Arc<dyn Clock>, &Config),
) -> Result<Vec<u8>, Failure> {
    if let Some(path) = &command.raw {
        return Ok(compose::with_crlf(&read(path, "--raw", command)?));
    }
    let text = match (&command.body, &command.body_file) {
        (Some(text), _) if text != "-" => text.clone(),
        (Some(_), _) => words(&read(Path::new("-"), "--body", command)?)?,
        (None, Some(path)) => words(&read(path, "--body-file", command)?)?,
        (None, None) => "Sent by `mailwright send`, to try things out.\n".to_owned(),
    };
    let mut fields = Vec::new();
    for text in &command.header {
        fields.push(compose::field(text).map_err(|unfit| Failure::new(unfit.to_string()))?);
    }
    let mut attachments = Vec::new();
    for path in &command.attach {
        attachments.push(attachment(path, command)?);
    }
    let token = || compose::token().map_err(|error| Failure::of("random numbers", &error));
    let (id, boundary) = (token()?, token()?);
    Ok(compose::message(&Draft {
        fields,
        from: from.address().map(ToString::to_string).unwrap_or_default(),
        to: recipients.iter().map(|recipient| recipient.address.to_string()).collect(),
        subject: command.subject.clone(),
        date: clock.now(),
        id: format!("{id}@{}", command.host.ehlo.as_ref().unwrap_or(&config.server.hostname)),
        text,
        attachments,
        boundary: format!("=_{boundary}"),
        is_utf8: command.smtputf8,
    }))
}

fn attachment(path: &Path, command: &Send) -> Result<Attachment, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "attachment".to_owned());
    let kind = compose::kind_of(&name).to_owned();
    Ok(Attachment { kind, name, bytes: read(path, "--attach", command)? })
}

/// Reads a file, or standard input for `-`.
fn read(path: &Path, option: &str, command: &Send) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let failed = |error: io::Error| Failure::of(&format!("{option} {}", path.display()), &error);
    let count = if path.as_os_str() == "-" {
        if command.login.password_stdin {
            return Err(Failure::new("standard input cannot hold both message and password"));
        }
        io::stdin().lock().take(MESSAGE_MAX).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MESSAGE_MAX).read_to_end(&mut bytes)
    };
    let count = count.map_err(failed)?;
    if u64::try_from(count).unwrap_or(u64::MAX) >= MESSAGE_MAX {
        return Err(Failure::new(format!("{option} {}: larger than 512 MiB", path.display())));
    }
    Ok(bytes)
}

fn words(bytes: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Failure::of("the text is not UTF-8; send it with --attach", &error))?;
    Ok(text.to_owned())
}

fn told(sent: &Sent) -> serde_json::Value {
    let recipients: Vec<_> = sent
        .recipients
        .iter()
        .map(|one| json!({"recipient": one.recipient, "taken": one.taken, "reply": one.reply}))
        .collect();
    json!({
        "host": sent.host,
        "peer": sent.peer.map(|peer| peer.to_string()),
        "tls": sent.tls,
        "trusted": sent.trust.as_ref().map(Result::is_ok),
        "distrust": sent.trust.as_ref().and_then(|trust| trust.as_ref().err()),
        "login": sent.login,
        "recipients": recipients,
        "failed": sent.trouble.as_ref().map(|trouble| trouble.phase.name()),
        "reason": sent.trouble.as_ref().map(|trouble| &trouble.reason),
        "conversation": sent.conversation,
    })
}

fn text(sent: &Sent, order: &Order) -> String {
    let mut lines: Vec<String> = sent
        .recipients
        .iter()
        .map(|one| {
            let what = match (one.taken, order.stop) {
                (true, None) => "sent",
                (true, Some(_)) => "would be taken",
                (false, _) => "refused",
            };
            format!("{}: {what}: {}", one.recipient, one.reply)
        })
        .collect();
    match (&sent.trouble, order.stop) {
        (Some(trouble), _) => {
            let at = sent.peer.map(|peer| format!(" ({peer})")).unwrap_or_default();
            lines.push(format!("{}{at}: {}: {}", sent.host, trouble.phase.name(), trouble.reason));
        }
        (None, Some(stop)) => lines.push(format!("{}: all well up to {}", sent.host, stop.name())),
        (None, None) => {}
    }
    lines.push(String::new());
    lines.join("\n")
}
