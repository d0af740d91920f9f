//! What carries messages away: the queue, the courier and the way to other servers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_config::{Config, Live};
use mailwright_deliver::{Deliverer, Setup, Wire};
use mailwright_queue::{Queue, Settings};
use tokio::{sync::watch, task::JoinSet};

use crate::{Failure, courier::Courier, office::Office, setup::Open, upkeep::repeat};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// The running queue, as far as a reload changes it.
pub(crate) struct Outgoing {
    queue: Queue<Courier>,
    deliverer: Live<Deliverer>,
    /// Where we listen: mail that would go there loops.
    listeners: Vec<SocketAddr>,
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
        let deliverer = Live::new(deliverer(office, &config, &listeners)?);
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
        Ok(Self { queue, deliverer, listeners })
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
            let fresh = deliverer(office, &config, &self.listeners)?;
            let before = self.deliverer.now();
            self.deliverer.set(fresh);
            before.close();
        }
        self.queue.reload(settings(&config));
        Ok(())
    }
}

fn deliverer(
    office: &Office,
    config: &Config,
    listeners: &[SocketAddr],
) -> Result<Deliverer, Failure> {
    let wire = Wire::new(config, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("the network", &error))?;
    let wire = Arc::new(wire);
    Ok(Deliverer::new(Setup {
        hostname: config.server.hostname.clone(),
        relay: config.relay.clone(),
        routes: config.routes.clone(),
        listeners: listeners.to_vec(),
        names: Arc::<Wire>::clone(&wire),
        network: wire,
        clock: Arc::clone(&office.clock),
    }))
}

fn settings(config: &Config) -> Settings {
    let mut settings = Settings::new(&config.server.hostname, &config.queue);
    settings.shutdown = config.timeouts.shutdown;
    settings.last_words = config.relay.final_timeout;
    settings
}
