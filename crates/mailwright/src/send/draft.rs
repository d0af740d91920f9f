//! The message of `mailwright send`, from its options.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use mailwright_config::Config;
use mailwright_doctor::compose::{self, Attachment, Draft};
use mailwright_net::Clock;
use mailwright_words::{Recipient, ReversePath};

use crate::{
    Failure,
    cli::{Attached, Send},
};

/// Largest message that is read, in octets.
const MESSAGE_MAX: u64 = 512 << 20;

/// The message that `command` asks for.
///
/// Errors: a file cannot be read, or an option does not fit.
pub(super) fn message(
    command: &Send,
    from: &ReversePath,
    recipients: &[Recipient],
    (clock, config): (&Arc<dyn Clock>, &Config),
) -> Result<Vec<u8>, Failure> {
    if let Some(path) = &command.raw {
        return Ok(compose::with_crlf(&read(path, "--raw", command)?));
    }
    let mut fields = Vec::new();
    for text in &command.header {
        fields.push(compose::field(text).map_err(|unfit| Failure::new(unfit.to_string()))?);
    }
    let mut attachments = Vec::new();
    for file in &command.attach {
        attachments.push(attachment(file, command)?);
    }
    let html = match &command.html {
        Some(path) => Some(words(&read(path, "--html", command)?)?),
        None => None,
    };
    let token = || compose::token().map_err(|error| Failure::of("random numbers", &error));
    let (id, boundary) = (token()?, token()?);
    let draft = Draft {
        fields,
        from: from.address().map(ToString::to_string).unwrap_or_default(),
        to: recipients.iter().map(|recipient| recipient.address.to_string()).collect(),
        subject: command.subject.clone(),
        date: clock.now(),
        id: format!("{id}@{}", command.host.ehlo.as_ref().unwrap_or(&config.server.hostname)),
        text: body(command)?,
        html,
        attachments,
        boundary: format!("=_{boundary}"),
        is_utf8: command.smtputf8,
    };
    match &command.template {
        Some(path) => {
            let template = words(&read(path, "--template", command)?)?;
            let text = filled(&template, &draft).map_err(Failure::new)?;
            Ok(compose::with_crlf(text.as_bytes()))
        }
        None => Ok(compose::message(&draft)),
    }
}

fn body(command: &Send) -> Result<String, Failure> {
    match (&command.body, &command.body_file) {
        (Some(text), _) if text != "-" => Ok(text.clone()),
        (Some(_), _) => words(&read(Path::new("-"), "--body", command)?),
        (None, Some(path)) => words(&read(path, "--body-file", command)?),
        (None, None) => Ok("Sent by `mailwright send`, to try things out.\n".to_owned()),
    }
}

/// A template with what is between braces replaced; what comes in is not looked at again.
fn filled(template: &str, draft: &Draft) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((front, behind)) = rest.split_once("{{") {
        let (name, next) =
            behind.split_once("}}").ok_or("a `{{` of the template has no `}}` behind it")?;
        out.push_str(front);
        match name.trim() {
            "from" => out.push_str(&draft.from),
            "to" => out.push_str(&draft.to.join(", ")),
            "subject" => out.push_str(&draft.subject),
            "date" => out.push_str(&draft.date.rfc5322()),
            "id" => out.extend(["<", &draft.id, ">"]),
            "body" => out.push_str(&draft.text),
            other => {
                return Err(format!(
                    "the template knows no {other:?}: from, to, subject, date, id, body"
                ));
            }
        }
        rest = next;
    }
    out.push_str(rest);
    Ok(out)
}

fn attachment(file: &Attached, command: &Send) -> Result<Attachment, Failure> {
    let own = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = file.name.clone().or(own).unwrap_or_else(|| "attachment".to_owned());
    let kind = file.kind.clone().unwrap_or_else(|| compose::kind_of(&name).to_owned());
    Ok(Attachment { kind, name, bytes: read(&file.path, "--attach", command)? })
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

#[cfg(test)]
mod tests {
    use mailwright_words::Timestamp;

    use super::*;

    #[test]
    fn a_template_is_filled_once() {
        let draft = Draft {
            fields: Vec::new(),
            from: "ann@example.com".to_owned(),
            to: vec!["bob@example.com".to_owned(), "eve@example.com".to_owned()],
            subject: "{{to}}".to_owned(),
            date: Timestamp::new(1_795_500_937_042),
            id: "1@example.com".to_owned(),
            text: "Hello\n".to_owned(),
            html: None,
            attachments: Vec::new(),
            boundary: "=_b".to_owned(),
            is_utf8: false,
        };
        let text = "To: {{to}}\nSubject: {{ subject }}\nMessage-ID: {{id}}\n\n{{body}}}} {x}\n";
        assert_eq!(
            filled(text, &draft).unwrap(),
            "To: bob@example.com, eve@example.com\nSubject: {{to}}\n\
             Message-ID: <1@example.com>\n\nHello\n}} {x}\n"
        );
        assert!(filled("{{nothing}}", &draft).unwrap_err().contains("nothing"));
        assert!(filled("{{from", &draft).is_err());
    }
}
