//! `mailwright send`: from options to a message, and from what came of it to an exit code.

mod draft;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use mailwright_config::Config;
use mailwright_doctor::printable;
use mailwright_doctor::send::{self, Leave, Order, Phase, Proxy, Sent, Target, Tls, Watch};
use mailwright_net::Clock;
use mailwright_smtp::client::Habits;
use mailwright_words::{Address, BodyType, Envelope, Notify, Recipient, Ret, ReversePath};
use serde_json::json;

use crate::{
    Failure,
    cli::{NotifyWhen, RetPart, Send, TlsMode},
    stdout::stdout,
    world,
};

/// Sends, and tells what came of it.
///
/// Errors: files or options; then nothing was tried.
pub(crate) async fn run(command: Send, config: &Config) -> Result<ExitCode, Failure> {
    let world = world::open(config, &command.host)?;
    if command.dump {
        return dump(&command, &world.clock, config);
    }
    let (as_json, save) = (command.json, command.tls_save.clone());
    let clock = Arc::clone(&world.clock);
    let watch = watch(&command, &clock);
    let order = order(command, &world.clock, config)?;
    let sent = send::send(&world, &order, watch).await;
    if let (Some(path), Some(chain)) = (&save, &sent.chain) {
        std::fs::write(path, chain)
            .map_err(|error| Failure::of(&format!("--tls-save {}", path.display()), &error))?;
    }
    let mut output = stdout();
    if as_json {
        writeln!(output, "{:#}", told(&sent))?;
    } else {
        output.write_all(text(&sent, &order).as_bytes())?;
    }
    output.flush()?;
    Ok(ExitCode::from(sent.exit_code()))
}

/// Prints each line that is said, if that is asked for.
fn watch<'a>(command: &Send, clock: &'a Arc<dyn Clock>) -> Option<Watch<'a>> {
    let (is_timed, begin) = (command.trace_time, clock.elapsed());
    (command.trace || is_timed).then(|| -> Watch<'a> {
        Box::new(move |line| {
            let since = clock.elapsed().saturating_sub(begin).as_secs_f64();
            let text = if is_timed { format!("{since:8.3} {line}") } else { line.to_owned() };
            // Nobody is left to tell when standard error is closed.
            writeln!(io::stderr(), "{text}").unwrap_or_default();
        })
    })
}

/// Prints the message, which goes nowhere.
fn dump(command: &Send, clock: &Arc<dyn Clock>, config: &Config) -> Result<ExitCode, Failure> {
    let (from, recipients) = (sender(command)?, recipients(command, true)?);
    let message = draft::message(command, &from, &recipients, (clock, config))?;
    let mut output = stdout();
    output.write_all(&message)?;
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn order(command: Send, clock: &Arc<dyn Clock>, config: &Config) -> Result<Order, Failure> {
    let credentials = command.login.credentials()?;
    let from = sender(&command)?;
    let stop = stop(&command);
    let recipients = recipients(&command, is_partial(stop))?;
    let target = target(&command, &recipients)?;
    let port = port(&command);
    let tls = match (command.tls, target_port(&target, port)) {
        (Some(mode), _) => Tls::from(mode),
        (None, 465) => Tls::Implicit,
        (None, _) => Tls::Opportunistic,
    };
    let leave = leave(&command);
    let needs_utf8 = command.smtputf8
        || recipients.iter().any(|recipient| !recipient.address.is_ascii())
        || from.address().is_some_and(|address| !address.is_ascii());
    let message = if is_partial(stop) {
        b"\r\n".to_vec()
    } else {
        draft::message(&command, &from, &recipients, (clock, config))?
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
            extended: !command.no_extensions,
            ..Habits::default()
        },
        proxy: command.proxy.map(|source| Proxy {
            version: command.proxy_version.into(),
            source,
            destination: command.proxy_to,
        }),
        xclient: command.xclient,
        xclient_first: command.xclient_before_tls,
        xclient_optional: command.xclient_optional,
        credentials,
        login_optional: command.auth_optional,
        envelope,
        message,
        stop,
        leave,
    })
}

/// Where it ends, when that is said.
fn stop(command: &Send) -> Option<Phase> {
    command.quit_after.or(command.drop_after).or(command.drop_unread).map(Into::into)
}

/// Whether it ends before the message.
fn is_partial(stop: Option<Phase>) -> bool {
    stop.is_some_and(|stop| stop != Phase::Message)
}

fn leave(command: &Send) -> Leave {
    match (command.drop_after, command.drop_unread) {
        (_, Some(_)) => Leave::DropUnread,
        (Some(_), None) => Leave::Drop,
        (None, None) => Leave::Quit,
    }
}

fn target(command: &Send, recipients: &[Recipient]) -> Result<Target, Failure> {
    if let Some(path) = &command.socket {
        return Ok(Target::Socket(path.clone()));
    }
    if let Some(program) = &command.pipe {
        return Ok(Target::Program(program.clone()));
    }
    if let Some(domain) = &command.mx {
        return Ok(Target::Mx(domain.clone()));
    }
    match (&command.server, recipients.first()) {
        (Some(place), _) => Ok(Target::Server(place.clone())),
        (None, Some(first)) => {
            let domain = first.address.domain();
            if recipients.iter().any(|other| other.address.domain() != domain) {
                return Err(Failure::new(
                    "the recipients are of several domains: name the host with --server, or one \
                     of the domains with --mx",
                ));
            }
            Ok(Target::Mx(domain.to_string()))
        }
        (None, None) => Err(Failure::new("there is no host: use --server, --mx or --to")),
    }
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
        Target::Mx(_) | Target::Socket(_) | Target::Program(_) => port,
    }
}

fn sender(command: &Send) -> Result<ReversePath, Failure> {
    let text = match (&command.from, &command.login.user) {
        (Some(from), _) => from.trim_start_matches('<').trim_end_matches('>'),
        (None, Some(user)) => user,
        (None, None) if is_partial(stop(command)) => "",
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
            let what = match (one.taken, is_partial(order.stop)) {
                (true, false) => "sent",
                (true, true) => "would be taken",
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
        (None, Some(stop)) if order.leave == Leave::DropUnread => {
            lines.push(format!("{}: hung up behind {}, the answer unread", sent.host, stop.name()));
        }
        (None, Some(Phase::Message) | None) => {}
        (None, Some(stop)) => lines.push(format!("{}: all well up to {}", sent.host, stop.name())),
    }
    lines.push(String::new());
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}
