//! The leaves of a message as a reader has them: its texts, what they show, what is beside them.

use crate::structure::{Kind, Part, Structure};

/// Leaves that are told of.
pub const LEAVES_MAX: usize = 2000;

/// What a leaf is to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafRole {
    /// The text itself, plain or as HTML.
    Text,
    /// Something that the text shows.
    Inline,
    /// Something beside it.
    Attachment,
}

/// A leaf of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its number, such as `1.2`.
    pub path: String,
    /// Its place among the parts of the structure.
    pub index: usize,
    /// What it is to a reader.
    pub role: LeafRole,
}

/// The leaves of a message, in its order; an attached message is one leaf.
pub fn leaves(structure: &Structure<'_>) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut open = vec![(0, String::new())];
    while let Some((index, path)) = open.pop() {
        let Some(part) = structure.part(index) else { continue };
        if found.len() >= LEAVES_MAX {
            break;
        }
        if part.kind() != Kind::Multipart {
            let path = if path.is_empty() { "1".to_owned() } else { path };
            found.push(Leaf { path, index, role: role(part) });
            continue;
        }
        let children: Vec<usize> = structure.children(index).take(LEAVES_MAX).collect();
        let numbered = children.into_iter().zip(1_u32..).map(|(child, number)| {
            let dot = if path.is_empty() { "" } else { "." };
            (child, format!("{path}{dot}{number}"))
        });
        let mut numbered: Vec<_> = numbered.collect();
        numbered.reverse();
        open.extend(numbered);
    }
    found
}

fn role(part: &Part<'_>) -> LeafRole {
    let disposition = part.disposition().map(|value| value.top.to_ascii_lowercase());
    let is_attached = disposition.as_deref() == Some(b"attachment");
    let media = part.media();
    let is_text = media.is("text", "plain") || media.is("text", "html");
    if is_text && !is_attached && part.file_name().is_none() {
        return LeafRole::Text;
    }
    if !is_attached && (part.id().is_some() || disposition.as_deref() == Some(b"inline")) {
        return LeafRole::Inline;
    }
    LeafRole::Attachment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_what_a_reader_has() {
        let message = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n\
            --x\r\nContent-Type: multipart/related; boundary=y\r\n\r\n\
            --y\r\nContent-Type: text/html\r\n\r\n<p>x\r\n\
            --y\r\nContent-Type: image/png\r\nContent-ID: <p>\r\n\r\nx\r\n--y--\r\n\
            --x\r\nContent-Type: text/plain; name=a.txt\r\n\r\nx\r\n\
            --x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nx\r\n\
            --x--\r\n";
        let structure = Structure::parse(message);
        let found: Vec<_> =
            leaves(&structure).into_iter().map(|leaf| (leaf.path, leaf.role)).collect();
        let wanted = [
            ("1.1", LeafRole::Text),
            ("1.2", LeafRole::Inline),
            ("2", LeafRole::Attachment),
            ("3", LeafRole::Attachment),
        ];
        assert_eq!(found, wanted.map(|(path, role)| (path.to_owned(), role)));
        assert_eq!(leaves(&Structure::parse(b"")).len(), 1);
    }
}
