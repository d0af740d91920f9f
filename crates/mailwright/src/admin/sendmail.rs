//! `mailwright sendmail`: a message from a program on this machine.
//!
//! It takes the road of every other message, through intake and the spool; who may say it is who
//! may command the server. Lines end as the program's do, and become CRLF here.

pub(crate) mod handed;

use mailwright_config::Role;
use mailwright_intake::{Client, Taken, Transaction};
use mailwright_words::{Address, Envelope, HeaderBlock, Recipient, ReversePath, trace::Protocol};

use crate::{Failure, cli::Sendmail, console::Console, office::Office};

pub(super) async fn run(
    command: Sendmail,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut lines = Lines::new(keeps_dots(&command));
    let start = header(console, &mut lines, office.config.now().limits.header_size_max).await?;
    let recipients = recipients(&command, &start)?;
    let from = sender(&command, &start)?;
    let client = local_client(office, "sendmail");
    office
        .intake
        .sender(&client, &from, None, office.now())
        .await
        .map_err(|refusal| Failure::new(refusal.reply().to_string()))?;
    let (mut targets, mut taken) = (Vec::new(), Taken::default());
    for recipient in &recipients {
        let found = office.intake.recipient(&client, recipient.clone(), taken, office.now()).await;
        let target = found.map_err(|refusal| {
            Failure::new(format!("{}: {}", recipient.address, refusal.reply()))
        })?;
        taken.add(&target);
        targets.push(target);
    }
    let refused = |refusal: mailwright_intake::Refusal| Failure::new(refusal.reply().to_string());
    let mut incoming = office.intake.begin(&client, office.now()).map_err(refused)?;
    incoming.push(&start).await;
    loop {
        let chunk = console.read().await?;
        if chunk.is_empty() {
            break;
        }
        incoming.push(&lines.take(&chunk)).await;
    }
    incoming.push(&lines.end()).await;
    let transaction = Transaction::new(client, Envelope::new(from, recipients), targets);
    // The exit code is the acknowledgement: success only when the message is durable.
    office.intake.accept(incoming, transaction, office.now()).await.map(drop).map_err(refused)
}

/// Whether a line with a single dot is part of the message.
fn keeps_dots(command: &Sendmail) -> bool {
    command.ignore_dots || command.options.iter().any(|option| option == "i")
}

/// Who speaks for this server itself.
pub(crate) fn local_client(office: &Office, name: &str) -> Client {
    let config = office.config.now();
    Client {
        listener: name.to_owned(),
        role: Role::Msa,
        peer: None,
        hello: config.server.hostname.clone(),
        protocol: Protocol::Local,
        tls: None,
        identity: None,
        is_trusted: true,
        size_max: config.limits.message_size_max,
        recipients_max: config.limits.recipients_max,
        marks: Vec::new(),
        session: Box::default(),
    }
}

/// Reads until the header block is whole, with CRLF.
async fn header(
    console: &mut Console,
    lines: &mut Lines,
    size_max: u64,
) -> Result<Vec<u8>, Failure> {
    let mut start = Vec::new();
    let size_max = usize::try_from(size_max).unwrap_or(usize::MAX);
    while !start.windows(4).any(|four| four == b"\r\n\r\n") && start.len() <= size_max {
        let chunk = console.read().await?;
        if chunk.is_empty() {
            break;
        }
        start.extend(lines.take(&chunk));
    }
    Ok(start)
}

fn recipients(command: &Sendmail, start: &[u8]) -> Result<Vec<Recipient>, Failure> {
    let mut found = Vec::new();
    for text in &command.recipients {
        found.extend(addresses(text));
    }
    if command.from_headers {
        let block = HeaderBlock::new(start);
        let names = ["to", "cc", "bcc"];
        let fields = block
            .fields()
            .filter(|field| names.iter().any(|name| field.name.eq_ignore_ascii_case(name)));
        fields.for_each(|field| found.extend(addresses(&field.text())));
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    for text in found {
        let address = Address::parse(&text)
            .map_err(|error| Failure::of(&format!("{text:?} is no address"), &error))?;
        if !recipients.iter().any(|known| known.address == address) {
            recipients.push(Recipient::new(address));
        }
    }
    if recipients.is_empty() {
        return Err(Failure::new("there is no recipient: name some, or use -t"));
    }
    Ok(recipients)
}

fn sender(command: &Sendmail, start: &[u8]) -> Result<ReversePath, Failure> {
    let block = HeaderBlock::new(start);
    let from = || block.find("From").and_then(|field| addresses(&field.text()).into_iter().next());
    let text = match &command.sender {
        Some(text) => text.trim_start_matches('<').trim_end_matches('>').to_owned(),
        None => {
            from().ok_or_else(|| Failure::new("there is no sender: use -f, or a From field"))?
        }
    };
    ReversePath::parse(&text)
        .map_err(|error| Failure::of(&format!("{text:?} is no sender"), &error))
}

/// The addresses of a list, without names, comments and groups.
///
/// Source: RFC 5322 section 3.4.
fn addresses(list: &str) -> Vec<String> {
    let (mut found, mut word, mut angle) = (Vec::new(), String::new(), None);
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for c in list.chars().chain([',']) {
        let plain = !quoted && depth == 0;
        match c {
            _ if escaped => {
                escaped = false;
                word.push(c);
            }
            '\\' => {
                escaped = true;
                word.push(c);
            }
            '"' if depth == 0 => {
                quoted = !quoted;
                word.push(c);
            }
            '(' if !quoted => depth = depth.saturating_add(1),
            ')' if !quoted && depth > 0 => depth -= 1,
            '<' if plain => word.clear(),
            '>' if plain => angle = Some(std::mem::take(&mut word)),
            ':' if plain && angle.is_none() => word.clear(),
            ',' | ';' if plain => {
                let address = angle.take().unwrap_or_else(|| std::mem::take(&mut word));
                word.clear();
                found.push(address.trim().to_owned());
            }
            _ if depth == 0 => word.push(c),
            _ => {}
        }
    }
    found.retain(|address| !address.is_empty());
    found
}

/// Turns a program's line ends into CRLF, and sees the line that ends the message.
struct Lines {
    keep_dots: bool,
    /// The last octet was a CR that is not written yet.
    held: bool,
    /// Octets of the present line that could still be a lone dot.
    at_start: bool,
    dot: bool,
    over: bool,
}

impl Lines {
    fn new(keep_dots: bool) -> Self {
        Self { keep_dots, held: false, at_start: true, dot: false, over: false }
    }

    fn take(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 32);
        for byte in chunk {
            if self.over {
                break;
            }
            self.byte(*byte, &mut out);
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => self.line_end(out),
            // A CR in front of LF is part of the line's end; a lone one is a line's end of old.
            b'\r' if !self.held => self.held = true,
            b'\r' => self.line_end_then(out, true),
            _ => {
                if self.held {
                    self.line_end(out);
                }
                self.octet(byte, out);
            }
        }
    }

    fn octet(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if self.at_start && byte == b'.' && !self.keep_dots {
            self.dot = true;
        } else {
            if std::mem::take(&mut self.dot) {
                out.push(b'.');
            }
            out.push(byte);
        }
        self.at_start = false;
    }

    fn line_end_then(&mut self, out: &mut Vec<u8>, held: bool) {
        self.line_end(out);
        self.held = held;
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        self.held = false;
        if self.dot {
            self.over = true;
            return;
        }
        out.extend_from_slice(b"\r\n");
        self.at_start = true;
    }

    /// What is missing at the end of input: the end of the last line.
    fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.held || (!self.at_start && !self.over && !self.dot) {
            self.line_end(&mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_among_names_and_comments() {
        let list = "Ann <ann@example.com>, bob@example.com (the builder, really), \
                    \"Doe, Jane\" <jane@example.com>, Friends: a@x.example, b@x.example;";
        let found = [
            "ann@example.com",
            "bob@example.com",
            "jane@example.com",
            "a@x.example",
            "b@x.example",
        ];
        assert_eq!(addresses(list), found);
        assert_eq!(addresses("\"odd,local\"@example.com"), ["\"odd,local\"@example.com"]);
        assert!(addresses(" , ;").is_empty());
    }

    fn converted(text: &str, keep_dots: bool) -> String {
        let whole = {
            let mut lines = Lines::new(keep_dots);
            [lines.take(text.as_bytes()), lines.end()].concat()
        };
        let mut lines = Lines::new(keep_dots);
        let mut cut: Vec<u8> = text.bytes().flat_map(|byte| lines.take(&[byte])).collect();
        cut.extend(lines.end());
        assert_eq!(cut, whole, "{text:?}");
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn line_ends_become_crlf_and_a_lone_dot_ends() {
        assert_eq!(converted("a\nb\r\nc\rd", true), "a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(converted("a\n.\nb\n", true), "a\r\n.\r\nb\r\n");
        assert_eq!(converted("a\n.\nb\n", false), "a\r\n");
        assert_eq!(converted("a\n.b\n..\n", false), "a\r\n.b\r\n..\r\n");
        assert_eq!(converted("", false), "");
    }
}
