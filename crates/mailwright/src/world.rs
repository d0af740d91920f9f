//! What examinations look at: the real network, the DNS of the configuration, the machine's clock.

use std::{sync::Arc, time::Duration};

use mailwright_config::{Config, Live};
use mailwright_doctor::{Family, Wire, World};
use mailwright_net::{
    Clock, System, dns,
    egress::Egress,
    tls::{Inspector, Version, Wishes},
};

use crate::{
    Failure,
    cli::{HostOptions, TlsVersion},
};

/// The world as `config` and options have it.
///
/// Errors: certificates cannot be read, or the system's DNS configuration.
pub(crate) fn open(config: &Config, options: &HostOptions) -> Result<World, Failure> {
    let unread = |error| Failure::of("certificates", &error);
    let mut world = plain(config, Duration::from_secs(options.timeout))?;
    world.inspector = Inspector::new(&options.tls_ca, Arc::clone(&world.clock)).map_err(unread)?;
    if let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key) {
        world.inspector = world.inspector.with_identity(certificate, key).map_err(unread)?;
    }
    let wishes = Wishes {
        sni: options.tls_sni.clone(),
        version: options.tls_version.map(|version| match version {
            TlsVersion::Tls12 => Version::Tls12,
            TlsVersion::Tls13 => Version::Tls13,
        }),
        ciphers: options.tls_cipher.clone(),
    };
    world.inspector =
        world.inspector.with_wishes(wishes).map_err(|error| Failure::of("--tls-cipher", &error))?;
    world.network = Arc::new(Wire { source: options.local });
    world.family = match (options.ipv4, options.ipv6) {
        (true, _) => Family::Four,
        (_, true) => Family::Six,
        _ => Family::Both,
    };
    if let Some(name) = &options.ehlo {
        world.hostname.clone_from(name);
    }
    Ok(world)
}

/// The world as `config` has it.
///
/// Errors: the system's DNS configuration cannot be read.
pub(crate) fn plain(config: &Config, timeout: Duration) -> Result<World, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let inspector = Inspector::new(&[], Arc::clone(&clock))
        .map_err(|error| Failure::of("certificates", &error))?;
    let resolver = dns::System::new(&config.dns)
        .map_err(|error| Failure::of("configuration of the DNS", &error))?;
    Ok(World {
        network: Arc::new(Wire::default()),
        family: Family::Both,
        resolver: Arc::new(resolver),
        clock,
        inspector,
        timeout,
        hostname: config.server.hostname.clone(),
    })
}

/// The client for servers that messages name.
///
/// Errors: the system's DNS configuration cannot be read.
pub(crate) fn egress(config: &Live<Config>) -> Result<Egress, Failure> {
    let World { resolver, inspector, .. } = plain(&config.now(), Duration::ZERO)?;
    Ok(Egress::new(resolver, inspector, config.clone()))
}
