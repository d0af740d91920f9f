//! What carries messages away: the queue, the courier and the way to other servers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_config::{Config, Live};
use mailwright_deliver::{
    Deliverer, Names, Setup, Wire,
    ledger::Ledger,
    sts::{Policies, Shelf, StoreShelf, Web},
};
use mailwright_net::Clock;
use mailwright_queue::{Queue, Settings};
use mailwright_store::{Lane, StoreError, Tx, transport};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Failure, courier::Courier, office::Office, sessions::Counter, setup::Open, upkeep::repeat,
};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How often counts of sessions go to the store.
const COUNT: Duration = Duration::from_secs(10);
/// How often policies are looked through that want to be fetched again.
const REFRESH: Duration = Duration::from_mins(30);

/// The running queue, as far as a reload changes it.
pub(crate) struct Outgoing {
    queue: Queue<Courier>,
    deliverer: Live<Deliverer>,
    /// Where we listen: mail that would go there loops.
    listeners: Vec<SocketAddr>,
    counter: Arc<Counter>,
}

impl Outgoing {
    /// Starts the queue.
    ///
    /// Errors: the system's network cannot be used as configured.
    pub(crate) fn start(
        office: &Office,
        opened: &[Open],
        (tasks, stopping): (&mut JoinSet<()>, &watch::Receiver<bool>),
    ) -> Result<Self, Failure> {
        let config = office.config.now();
        let listeners: Vec<SocketAddr> = opened.iter().map(|open| open.address).collect();
        let counter = Arc::new(Counter::new(Arc::clone(&office.clock)));
        let deliverer = Live::new(deliverer(office, &config, (&listeners, &counter))?);
        let courier = Courier::new(office.clone(), deliverer.clone());
        let settings = settings(&config);
        let clock = Arc::clone(&office.clock);
        let queue = Queue::new(office.store.clone(), Arc::clone(&clock), courier, settings);
        let (running, receiver) = (queue.clone(), stopping.clone());
        tasks.spawn(async move { running.run(receiver).await });
        let sweeping = deliverer.clone();
        repeat(tasks, stopping, move || {
            let (clock, deliverer) = (Arc::clone(&clock), sweeping.now());
            async move {
                deliverer.sweep();
                clock.sleep(SWEEP).await;
            }
        });
        count(office, &counter, (tasks, stopping));
        refresh(office, &deliverer, (tasks, stopping));
        Ok(Self { queue, deliverer, listeners, counter })
    }

    /// Goes by the configuration that is in force now, which was `old` before.
    ///
    /// Errors: the network cannot be used so; what was in force stays.
    pub(crate) fn reload(&self, office: &Office, old: &Config) -> Result<(), Failure> {
        let config = office.config.now();
        let same = config.relay == old.relay
            && config.routes == old.routes
            && config.dns == old.dns
            && config.server.hostname == old.server.hostname;
        if !same {
            let fresh = deliverer(office, &config, (&self.listeners, &self.counter))?;
            let before = self.deliverer.now();
            self.deliverer.set(fresh);
            before.close();
        }
        self.queue.reload(settings(&config));
        Ok(())
    }
}

/// Takes what was counted of sessions to the store.
fn count(
    office: &Office,
    counter: &Arc<Counter>,
    (tasks, stopping): (&mut JoinSet<()>, &watch::Receiver<bool>),
) {
    let (office, counter) = (office.clone(), Arc::clone(counter));
    repeat(tasks, stopping, move || {
        let (office, counter) = (office.clone(), Arc::clone(&counter));
        async move {
            office.clock.sleep(COUNT).await;
            if office.config.now().reports.tls {
                counter.flush(&office.store).await;
            } else {
                counter.drop_all();
            }
        }
    });
}

/// Fetches policies again before they are out of date, and forgets those that are.
fn refresh(
    office: &Office,
    deliverer: &Live<Deliverer>,
    (tasks, stopping): (&mut JoinSet<()>, &watch::Receiver<bool>),
) {
    let (office, deliverer) = (office.clone(), deliverer.clone());
    repeat(tasks, stopping, move || {
        let (office, deliverer) = (office.clone(), deliverer.now());
        async move {
            office.clock.sleep(REFRESH).await;
            deliverer.refresh_policies().await;
            if let Err(error) = forget_policies(&office).await {
                tracing::warn!(%error, "Policies that are out of date are not removed.");
            }
        }
    });
}

async fn forget_policies(office: &Office) -> Result<(), StoreError> {
    let now = office.now();
    let forget = move |tx: &mut Tx<'_>| transport::forget_policies(tx, now);
    while office.store.write(Lane::Bulk, forget).await? > 0 {}
    Ok(())
}

fn deliverer(
    office: &Office,
    config: &Config,
    (listeners, counter): (&[SocketAddr], &Arc<Counter>),
) -> Result<Deliverer, Failure> {
    let shelf = Arc::new(StoreShelf::new(office.store.clone()));
    let ledger: Arc<dyn Ledger> = Arc::<Counter>::clone(counter);
    setup(config, &office.clock, (shelf, ledger), listeners).map(Deliverer::new)
}

/// What a deliverer is made of, as `config` has it: where policies are kept, and who is told of
/// sessions, is the caller's to say.
///
/// Errors: the network cannot be used so.
pub(crate) fn setup(
    config: &Config,
    clock: &Arc<dyn Clock>,
    (shelf, ledger): (Arc<dyn Shelf>, Arc<dyn Ledger>),
    listeners: &[SocketAddr],
) -> Result<Setup, Failure> {
    let wire =
        Wire::new(config, Arc::clone(clock)).map_err(|error| Failure::of("the network", &error))?;
    let wire = Arc::new(wire);
    let (names, web): (Arc<dyn Names>, Arc<dyn Web>) =
        (Arc::<Wire>::clone(&wire), Arc::<Wire>::clone(&wire));
    let policies = Policies::new(
        (Arc::clone(&names), web),
        shelf,
        Arc::clone(clock),
        (config.relay.lookup_timeout, config.relay.policy_timeout),
    );
    Ok(Setup {
        hostname: config.server.hostname.clone(),
        relay: config.relay.clone(),
        routes: config.routes.clone(),
        listeners: listeners.to_vec(),
        names,
        network: wire,
        policies: Arc::new(policies),
        ledger,
        clock: Arc::clone(clock),
    })
}

fn settings(config: &Config) -> Settings {
    let mut settings = Settings::new(&config.server.hostname, &config.queue);
    settings.shutdown = config.timeouts.shutdown;
    settings.last_words = config.relay.final_timeout;
    settings
}
