//! Signs what is sent: the octets as the next hop takes them, once a variant of a message.
//!
//! A message has few variants: as it is stored, and as it is converted for hosts that take less.
//! The signature of each is kept in memory for its other recipients and later attempts; when it is
//! gone, it is made again. Reading is streamed, signing is done off the threads of connections.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use mailwright_mailauth::sign::{Digester, Signer};
use mailwright_net::Clock;
use mailwright_words::Id;
use tokio::sync::{OnceCell, Semaphore};

use crate::convert::{Room, unreadable};
use crate::headed::Headed;
use crate::outcome::{Content, Outcome};

/// Variants of one generation whose signatures are kept, a kilobyte each.
const GENERATION_MAX: usize = 2048;

/// Who vouches for a message.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The message.
    pub message: Id,
    /// The keys of its author's domain.
    pub signer: Arc<Signer>,
    /// How long a signature is good for; none is for ever.
    pub lifetime: Option<Duration>,
    /// Our name, where the message is another's and what we saw of it is sealed; it is signed
    /// otherwise.
    pub sealed_by: Option<Arc<str>>,
}

/// Fields to stand before a variant; none when it cannot be signed.
type Fields = Option<Arc<[u8]>>;

/// A message, what it was converted for, and which signature of a row of short-lived ones.
type Key = (Id, Option<Room>, i64);

/// Makes signatures, and keeps them for a while.
pub(crate) struct Signatures {
    clock: Arc<dyn Clock>,
    kept: Mutex<[HashMap<Key, Arc<OnceCell<Fields>>>; 2]>,
    /// Signatures that are made at once.
    places: Arc<Semaphore>,
}

impl Signatures {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let places = available_parallelism().map_or(1, usize::from);
        Self { clock, kept: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// The message with its signatures before it.
    ///
    /// Errors: the outcome for its recipients when it cannot be read.
    pub(crate) async fn sign(
        &self,
        signing: &Signing,
        room: Option<Room>,
        content: Arc<dyn Content>,
    ) -> Result<Arc<dyn Content>, Outcome> {
        let cell = self.cell((signing.message, room, self.turn(signing.lifetime)));
        let fields = cell.get_or_try_init(|| self.fields(signing, content.as_ref())).await;
        match fields {
            Ok(Some(fields)) => Ok(Arc::new(Headed::new(Arc::clone(fields), content))),
            Ok(None) => Ok(content),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// A signature that ends is made anew when half of its time is over.
    fn turn(&self, lifetime: Option<Duration>) -> i64 {
        let half = lifetime.and_then(|lifetime| i64::try_from(lifetime.as_millis() / 2).ok());
        half.filter(|half| *half > 0).map_or(0, |half| self.clock.now().ms() / half)
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Fields>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *kept;
        let found = young.get(&key).or_else(|| old.get(&key)).map(Arc::clone);
        let cell = found.unwrap_or_default();
        if young.len() >= GENERATION_MAX {
            *old = std::mem::take(young);
        }
        young.insert(key, Arc::clone(&cell));
        cell
    }

    async fn fields(&self, signing: &Signing, content: &dyn Content) -> io::Result<Fields> {
        let mut digester = Digester::default();
        let mut pieces = content.open().await?;
        while let Some(piece) = pieces.next().await? {
            digester.push(&piece);
        }
        let Some(digest) = digester.finish() else {
            tracing::warn!(spool = %signing.message, "The header of a message cannot be signed.");
            return Ok(None);
        };
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (signing, now) = (signing.clone(), self.clock.now());
        let work = move || {
            let signer = &signing.signer;
            let made = match &signing.sealed_by {
                Some(host) => digest.seal(signer, host, now),
                None => digest.sign(signer, now, signing.lifetime).map(Some),
            };
            drop(place);
            made
        };
        let made = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?;
        made.map(|fields| fields.map(Into::into)).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
