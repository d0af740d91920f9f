//! What a command works on: the store, and what stands on it.

use std::{sync::Arc, time::Duration};

use mailwright_config::{Config, Live};
use mailwright_directory::{Directory, DirectoryError, DomainKind};
use mailwright_intake::Intake;
use mailwright_net::{Clock, System};
use mailwright_store::{Lane, OpenError, Options, Store, Tx, queue};
use mailwright_words::{Domain, Timestamp};

use crate::Failure;

/// How often a data folder that another process has is tried, five seconds in all.
pub(crate) const TRIES: u32 = 100;
/// How long to wait between two tries.
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// The open store and what stands on it. Clones share everything.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) config: Live<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) intake: Intake,
    /// Whether this process serves, or only carries out a command.
    pub(crate) is_serving: bool,
}

impl Office {
    /// Opens the data folder to serve. A command that has it just now is waited for.
    ///
    /// Errors: it is in use, or cannot be used.
    pub(crate) async fn open(config: Config) -> Result<Self, Failure> {
        let clock = System::new();
        for _ in 0..TRIES {
            if let Some(office) = Self::open_if_free(config.clone()).await? {
                return Ok(office);
            }
            clock.sleep(BETWEEN_TRIES).await;
        }
        let folder = config.server.data.display();
        Err(Failure::new(format!("{folder} is in use by another process")))
    }

    /// Opens the data folder, unless another process has it.
    ///
    /// Errors: it cannot be used.
    pub(crate) async fn open_if_free(config: Config) -> Result<Option<Self>, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        Box::pin(Self::open_with(options(&config), config, clock)).await
    }

    /// As [`open_if_free`](Self::open_if_free), with a store opened otherwise.
    ///
    /// Errors: it cannot be used.
    pub(crate) async fn open_with(
        options: Options,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, Failure> {
        let store = match Store::open(options, clock.now()) {
            Ok(store) => store,
            Err(OpenError::Locked(_)) => return Ok(None),
            Err(error) => return Err(Failure::of("cannot open the data folder", &error)),
        };
        let settings = mailwright_directory::Settings::of(&config);
        let directory = Directory::open(store.clone(), settings)
            .await
            .map_err(|error| Failure::of("cannot open the directory", &error))?;
        let settings = mailwright_intake::Settings::of(&config)
            .map_err(|error| Failure::of("server.hostname", &error))?;
        let intake = Intake::new(store.clone(), directory.clone(), settings);
        Ok(Some(Self {
            config: Live::new(config),
            clock,
            store,
            directory,
            intake,
            is_serving: false,
        }))
    }

    /// Goes by another configuration, as far as that needs no restart.
    ///
    /// Errors: the host's name is no domain.
    pub(crate) fn reload(&self, config: Config) -> Result<(), Failure> {
        let settings = mailwright_intake::Settings::of(&config)
            .map_err(|error| Failure::of("server.hostname", &error))?;
        self.intake.reload(settings);
        self.directory.reload(mailwright_directory::Settings::of(&config));
        self.config.set(config);
        Ok(())
    }

    /// Frees what an earlier life had claimed, so that commands do not take it for active.
    ///
    /// Errors: those of the store.
    pub(crate) async fn free_claims(&self) -> Result<(), Failure> {
        let owner = self.store.owner();
        let free = move |tx: &mut Tx<'_>| queue::release_foreign(tx, owner);
        while self.store.write(Lane::Quick, free).await? > 0 {}
        Ok(())
    }

    /// Closes the data folder, if nobody else has it open.
    pub(crate) async fn close(self) {
        // The last one to go waits for the disk.
        if let Err(error) = tokio::task::spawn_blocking(move || drop(self)).await {
            tracing::error!(%error, "The store did not close in order.");
        }
    }

    /// Whether the accounts of a domain are ours.
    pub(crate) async fn is_ours(&self, name: &Domain) -> Result<bool, DirectoryError> {
        let domains = self.directory.domains().await?;
        let ours = |row: &mailwright_directory::Domain| {
            row.kind == DomainKind::Local && row.name.eq_ignore_ascii_case(name.as_str())
        };
        Ok(domains.iter().any(ours))
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(crate) fn options(config: &Config) -> Options {
    let mut options = Options::new(&config.server.data);
    options.node = config.server.node;
    options.body_memory_max =
        usize::try_from(config.limits.buffered_bodies_max).unwrap_or(usize::MAX);
    options.segment_bytes_max = config.storage.segment_size;
    options.views_size_max = config.mailboxes.views_size_max;
    options
}
