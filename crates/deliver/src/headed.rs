//! A message with fields in front that are known only once it is sent.

use std::io;
use std::sync::Arc;

use crate::outcome::{Content, Later, Pieces};

/// A message behind further fields.
#[derive(Debug)]
pub(crate) struct Headed {
    fields: Arc<[u8]>,
    content: Arc<dyn Content>,
}

impl Headed {
    /// `content` behind whole `fields`, each with its CRLF.
    pub(crate) const fn new(fields: Arc<[u8]>, content: Arc<dyn Content>) -> Self {
        Self { fields, content }
    }
}

impl Content for Headed {
    fn size(&self) -> u64 {
        let fields = u64::try_from(self.fields.len()).unwrap_or(u64::MAX);
        self.content.size().saturating_add(fields)
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        Box::pin(async move {
            let rest = self.content.open().await?;
            let pieces: Box<dyn Pieces> =
                Box::new(Behind { first: Some(self.fields.to_vec()), rest });
            Ok(pieces)
        })
    }
}

/// Octets, and then the pieces of something else.
struct Behind {
    first: Option<Vec<u8>>,
    rest: Box<dyn Pieces>,
}

impl Pieces for Behind {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        match self.first.take() {
            Some(first) => Box::pin(async move { Ok(Some(first)) }),
            None => self.rest.next(),
        }
    }
}
