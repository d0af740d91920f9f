//! A message's priority in a field of its header, for hosts that do not know the extension.
//!
//! Source: RFC 6758.

use std::io;
use std::sync::Arc;

use mailwright_words::headers::{Gathered, Gatherer};

use crate::headed::Headed;
use crate::outcome::Content;

/// The field's name.
const FIELD: &str = "MT-Priority";
/// Octets of a header in which the field is looked for.
const HEADER_MAX: usize = 256 * 1024;

/// `content` with its `priority` in the header, unless that tells one already.
pub(super) async fn told(content: Arc<dyn Content>, priority: i8) -> Arc<dyn Content> {
    match tells(content.as_ref()).await {
        Ok(false) => {
            let field = format!("{FIELD}: {priority}\r\n").into_bytes();
            Arc::new(Headed::new(field.into(), content))
        }
        Ok(true) => content,
        Err(error) => {
            // Whoever sends it meets the same error, and says what follows.
            tracing::debug!(%error, "The header of a message could not be read.");
            content
        }
    }
}

async fn tells(content: &dyn Content) -> io::Result<bool> {
    let mut pieces = content.open().await?;
    let mut header = Gatherer::new(HEADER_MAX);
    while let Some(piece) = pieces.next().await? {
        if header.push(&piece) != Gathered::More {
            break;
        }
    }
    Ok(header.block().find(FIELD).is_some())
}
