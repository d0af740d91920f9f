//! The base subject of a message: its subject without what replies and forwards add.
//!
//! Source: RFC 5256 section 2.1.

/// The most characters of a subject that are looked at; removal is bounded by it.
const SUBJECT_MAX: usize = 998;

/// What remains of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// The text, in the case it was written in.
    pub text: String,
    /// Whether it was a reply or a forward, which `THREAD=REFERENCES` asks in its step 5.
    pub is_reply: bool,
}

/// The base subject of a decoded subject.
pub fn base_subject(subject: &str) -> BaseSubject {
    let folded = fold_blanks(subject);
    let mut text = folded.as_str();
    let mut is_reply = false;
    loop {
        text = trailers(text, &mut is_reply);
        text = leaders(text, &mut is_reply);
        let Some(inner) = forwarded(text) else { break };
        is_reply = true;
        text = inner;
    }
    BaseSubject { text: text.to_owned(), is_reply }
}

/// One blank for each run of blanks, none at the ends.
fn fold_blanks(subject: &str) -> String {
    let mut folded = String::with_capacity(subject.len().min(SUBJECT_MAX));
    for word in subject.split_ascii_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().take(SUBJECT_MAX));
        if folded.len() > SUBJECT_MAX {
            break;
        }
    }
    folded
}

/// Step 2: blanks and `(fwd)` at the end.
fn trailers<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_end_matches(' ');
        let Some(rest) = strip_end(text, "(fwd)") else { return text };
        *is_reply = true;
        text = rest;
    }
}

/// Steps 3 to 5: `Re:`, `Fwd:` and `[..]` at the start.
fn leaders<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_start_matches(' ');
        if let Some(rest) = leader(text) {
            *is_reply = true;
            text = rest;
            continue;
        }
        match blob(text) {
            Some(rest) if !rest.is_empty() => text = rest,
            _ => return text,
        }
    }
}

/// What follows `[list] Re [2]:` and its like.
fn leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = blob(rest) {
        rest = after;
    }
    let word = ["fwd", "fw", "re"].iter().find_map(|word| strip_start(rest, word))?;
    let word = word.trim_start_matches(' ');
    blob(word).unwrap_or(word).strip_prefix(':')
}

/// What follows a text in square brackets and its blanks.
fn blob(text: &str) -> Option<&str> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    (!inner.contains('[')).then(|| rest.trim_start_matches(' '))
}

/// Step 6: the inside of `[fwd: ..]`.
fn forwarded(text: &str) -> Option<&str> {
    strip_start(text, "[fwd:")?.strip_suffix(']')
}

fn strip_start<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_end<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_and_forwards_add_goes() {
        for (subject, base, is_reply) in [
            ("Hello", "Hello", false),
            ("Re: Hello", "Hello", true),
            ("RE : re[2]:  Hello \t there", "Hello there", true),
            ("Fwd: Fw: Hello (fwd) (FWD)", "Hello", true),
            ("[list] Re: [list] Hello", "Hello", true),
            ("[list] Hello", "Hello", false),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("[fwd: Re: Hello (fwd)]", "Hello", true),
            ("[Fwd: [a] b]", "b", true),
            ("Re: ", "", true),
            ("Re Hello", "Re Hello", false),
            ("Rendering: x", "Rendering: x", false),
            ("[a[b] Re: x", "[a[b] Re: x", false),
            ("", "", false),
        ] {
            let expected = BaseSubject { text: base.to_owned(), is_reply };
            assert_eq!(base_subject(subject), expected, "{subject}");
        }
    }

    #[test]
    fn long_subjects_take_no_time() {
        for piece in ["[a]", "re:", "(fwd)", "[fwd:", "[", "[a] "] {
            let subject = piece.repeat(200_000);
            assert!(base_subject(&subject).text.len() <= SUBJECT_MAX * 5);
        }
    }
}
