//! The check: settings that are well formed, but cannot be or cannot go together.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::{Config, Host, TlsNeed};

/// A field that does not fit, and what would be right.
pub(crate) struct Unfit {
    pub(crate) field: String,
    pub(crate) message: String,
}

type Checked = Result<(), Unfit>;

/// Finds the first setting that cannot be.
pub(crate) fn check(config: &Config) -> Checked {
    server(config)?;
    limits(config)?;
    schedule(config)?;
    mailboxes(config)?;
    intake(config)?;
    door(config)?;
    verification(config)?;
    checks(config)?;
    listeners(config)?;
    relay(config)?;
    publish(config)?;
    release(config)?;
    config.routes.iter().try_for_each(|(domain, route)| {
        let field = format!("routes.{domain}");
        let name = domain.strip_prefix("*.").unwrap_or(domain);
        need(domain == "*" || is_name(name), &field, "is no domain; write \"example.com\"")?;
        pinned(&field, route.tls.unwrap_or_default(), &route.fingerprints)?;
        let mut asked = route.hosts.iter().chain(&route.backup).map(|hop| hop.tls).chain(route.tls);
        let right = "`tls = \"dane\"` and `\"dane-only\"` need `dns.dnssec = true`";
        need(config.dns.dnssec || !asked.any(TlsNeed::is_dane), &field, right)?;
        route.hosts.iter().chain(&route.backup).try_for_each(|hop| host(&field, hop))
    })
}

fn need(right: bool, field: &str, message: &str) -> Checked {
    let unfit = || Unfit { field: field.to_owned(), message: message.to_owned() };
    if right { Ok(()) } else { Err(unfit()) }
}

fn server(config: &Config) -> Checked {
    let server = &config.server;
    let right = "is no host name; write one such as \"mail.example.com\"";
    need(is_name(&server.hostname), "server.hostname", right)?;
    need(!server.data.as_os_str().is_empty(), "server.data", "names no folder")?;
    let user = server.group.is_none() || server.user.is_some();
    need(user, "server.group", "needs `server.user` too")?;
    config.tls.certificates.keys().try_for_each(|name| {
        let bare = name.strip_prefix("*.").unwrap_or(name);
        let field = format!("tls.certificates.{name}");
        need(name == "*" || is_name(bare), &field, "is no server name; write \"mail.example.com\"")
    })
}

fn limits(config: &Config) -> Checked {
    let limits = &config.limits;
    let least = [
        ("limits.message_size_max", limits.message_size_max, 64 << 10),
        ("limits.line_max", limits.line_max, 998),
        ("limits.header_size_max", limits.header_size_max, 8 << 10),
        ("limits.recipients_max", wide(limits.recipients_max), 100),
        ("limits.header_fields_max", wide(limits.header_fields_max), 50),
        ("limits.mime_depth_max", wide(limits.mime_depth_max), 4),
        ("limits.hops_max", wide(limits.hops_max), 5),
        ("limits.errors_max", wide(limits.errors_max), 1),
        ("limits.commands_max", wide(limits.commands_max), 10),
        ("limits.messages_max", wide(limits.messages_max), 1),
        ("limits.auth_failures_max", wide(limits.auth_failures_max), 1),
        ("limits.sessions_max", wide(limits.sessions_max), 1),
        ("limits.sessions_per_address_max", wide(limits.sessions_per_address_max), 1),
        ("auth.checks_max", wide(config.auth.checks_max), 1),
        ("egress.at_once", wide(config.egress.at_once), 1),
        ("egress.size_max", config.egress.size_max, 1 << 10),
        ("checks.filter_size_max", config.checks.filter_size_max, 1 << 10),
        ("relay.messages_per_connection_max", wide(config.relay.messages_per_connection_max), 1),
        ("relay.recipients_max", wide(config.relay.recipients_max), 1),
        ("relay.hosts_max", wide(config.relay.hosts_max), 1),
        ("queue.window_first", wide(config.queue.window_first), 1),
        ("queue.attempts_max", wide(config.queue.attempts_max), 1),
        ("queue.local_max", wide(config.queue.local_max), 1),
        ("queue.recipients_in_memory_max", wide(config.queue.recipients_in_memory_max), 100),
        ("storage.group_messages_max", wide(config.storage.group_messages_max), 1),
        ("storage.segment_size", config.storage.segment_size, 4 << 20),
        ("mailboxes.sessions_per_account_max", wide(config.mailboxes.sessions_per_account_max), 1),
        ("mailboxes.searches_max", wide(config.mailboxes.searches_max), 1),
        (
            "mailboxes.pop3_sessions_per_account_max",
            wide(config.mailboxes.pop3_sessions_per_account_max),
            1,
        ),
        ("mailboxes.folders_max", wide(config.mailboxes.folders_max), 10),
        ("mailboxes.folder_name_max", wide(config.mailboxes.folder_name_max), 100),
        ("mailboxes.append_messages_max", wide(config.mailboxes.append_messages_max), 1),
    ];
    least.into_iter().try_for_each(|(field, is, least)| {
        need(is >= least, field, &format!("is too small; {least} is the least that works"))
    })?;
    let fits = limits.buffered_body_max <= config.storage.segment_size / 2;
    let right = "has to be at most half of `storage.segment_size`";
    need(fits, "limits.buffered_body_max", right)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn schedule(config: &Config) -> Checked {
    let queue = &config.queue;
    need(!queue.retry_first.is_zero(), "queue.retry_first", "has to be more than nothing")?;
    let ordered = queue.retry_first <= queue.retry_longest;
    need(ordered, "queue.retry_first", "has to be at most `queue.retry_longest`")?;
    let ordered = queue.retry_longest <= queue.lifetime;
    need(ordered, "queue.retry_longest", "has to be at most `queue.lifetime`")?;
    let ordered = queue.window_first <= queue.connections_max;
    need(ordered, "queue.window_first", "has to be at most `queue.connections_max`")?;
    for rule in &queue.replies {
        let message = format!("\"{}\" is no regular expression", rule.pattern);
        need(regex::Regex::new(&rule.pattern).is_ok(), "queue.replies", &message)?;
    }
    need(!config.dns.timeout.is_zero(), "dns.timeout", "has to be more than nothing")?;
    let timeouts = &config.timeouts;
    let ordered = timeouts.command <= timeouts.session;
    need(ordered, "timeouts.command", "has to be at most `timeouts.session`")
}

fn mailboxes(config: &Config) -> Checked {
    let mailboxes = &config.mailboxes;
    let waits = [
        ("mailboxes.imap_timeout", mailboxes.imap_timeout),
        ("mailboxes.pop3_timeout", mailboxes.pop3_timeout),
        ("mailboxes.pop3_session_timeout", mailboxes.pop3_session_timeout),
        ("mailboxes.login_timeout", mailboxes.login_timeout),
    ];
    waits
        .into_iter()
        .try_for_each(|(field, wait)| need(!wait.is_zero(), field, "has to be more than nothing"))
}

fn intake(config: &Config) -> Checked {
    let separator = &config.intake.subaddress_separator;
    let one = separator.chars().count() <= 1;
    let fits = one && separator.chars().all(|c| c.is_ascii_punctuation() && !"@\"\\".contains(c));
    need(fits, "intake.subaddress_separator", "has to be one character such as \"+\", or empty")?;
    need(config.intake.priority_max <= 9, "intake.priority_max", "has to be at most 9")?;
    config.intake.backup_domains.iter().try_for_each(|domain| {
        let message = format!("\"{domain}\" is no domain; write \"example.com\"");
        need(is_name(domain), "intake.backup_domains", &message)
    })
}

fn door(config: &Config) -> Checked {
    let door = &config.door;
    door.lists.iter().try_for_each(|list| {
        let message = format!("\"{}\" is no zone; write \"zen.example.com\"", list.zone);
        need(is_name(&list.zone), "door.lists", &message)?;
        let message = format!("{} has no answers that count", list.zone);
        need(!list.answers.is_empty(), "door.lists", &message)
    })?;
    need(!door.list_timeout.is_zero(), "door.list_timeout", "has to be more than nothing")?;
    let waits = door.greylist_wait < door.greylist_retry;
    need(waits, "door.greylist_retry", "has to be longer than `door.greylist_wait`")?;
    let kept = door.greylist_retry <= door.greylist_kept;
    need(kept, "door.greylist_kept", "has to be as long as `door.greylist_retry` at least")
}

fn verification(config: &Config) -> Checked {
    let rules = &config.verification;
    need(!rules.timeout.is_zero(), "verification.timeout", "has to be more than nothing")?;
    let some = rules.signatures_max > 0;
    need(some, "verification.signatures_max", "has to be more than nothing")?;
    rules.trusted_sealers.iter().try_for_each(|domain| {
        let message = format!("\"{domain}\" is no domain; write \"example.com\"");
        need(is_name(domain), "verification.trusted_sealers", &message)
    })
}

fn checks(config: &Config) -> Checked {
    let checks = &config.checks;
    need(!checks.timeout.is_zero(), "checks.timeout", "has to be more than nothing")?;
    let lists = [
        ("checks.address_lists", &checks.address_lists),
        ("checks.domain_lists", &checks.domain_lists),
    ];
    for (field, zones) in lists {
        zones.iter().try_for_each(|zone| {
            let message = format!("\"{zone}\" is no zone; write \"zen.example.com\"");
            need(is_name(zone) && zone.contains('.'), field, &message)
        })?;
    }
    let named = checks.helo.as_deref().is_none_or(is_name);
    need(named, "checks.helo", "is no host name; write one such as \"mail.example.com\"")?;
    let web = checks.rspamd.as_deref().is_none_or(|url| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
    });
    need(web, "checks.rspamd", "is no address; write \"http://127.0.0.1:11333\"")?;
    let place = checks.spamd.as_deref().is_none_or(|place| {
        let port = place.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        place.starts_with('/') || port.is_some_and(|port| port > 0)
    });
    need(place, "checks.spamd", "is no place; write \"127.0.0.1:783\" or the path of a socket")
}

fn listeners(config: &Config) -> Checked {
    let mut taken = BTreeMap::<SocketAddr, String>::new();
    let http = config.http.addresses.iter().map(|address| ("http".to_owned(), address));
    let mail = config.listeners.iter().flat_map(|(name, listener)| {
        listener.addresses.iter().map(move |address| (format!("listeners.{name}"), address))
    });
    let web = [("https", &config.https.addresses), ("acme", &config.acme.http_addresses)];
    let web = web.into_iter().flat_map(|(section, addresses)| {
        addresses.iter().map(move |address| (section.to_owned(), address))
    });
    for (section, address) in http.chain(web).chain(mail) {
        let field = format!("{section}.addresses");
        if address.port() == 0 {
            continue;
        }
        if let Some(other) = taken.insert(*address, section) {
            need(false, &field, &format!("{address} is taken by `{other}` already"))?;
        }
    }
    config.listeners.iter().try_for_each(|(name, listener)| {
        let field = format!("listeners.{name}.addresses");
        need(!listener.addresses.is_empty(), &field, "is empty; write [\"[::]:25\"]")
    })
}

fn publish(config: &Config) -> Checked {
    let acme = &config.acme;
    let asks = !acme.names.is_empty() || acme.mta_sts;
    let answers = !acme.http_addresses.is_empty() || !config.https.addresses.is_empty();
    let right = "needs `https.addresses` or `acme.http_addresses`, where challenges are answered";
    need(!asks || answers, "acme.names", right)?;
    let right = "has to be true before an authority is asked";
    need(!asks || acme.agree_to_terms, "acme.agree_to_terms", right)?;
    acme.names.iter().try_for_each(|name| {
        let message = format!("\"{name}\" is no name that an authority could vouch for");
        need(is_name(name) && name.contains('.'), "acme.names", &message)
    })?;
    let is_https = acme.directory.starts_with("https://");
    need(is_https, "acme.directory", "has to begin with https://")?;
    need(!acme.retry_first.is_zero(), "acme.retry_first", "has to be more than nothing")?;
    config.mta_sts.mx.iter().try_for_each(|pattern| {
        let message = format!("\"{pattern}\" is no server; write \"mail.example.com\"");
        need(is_name(pattern.strip_prefix("*.").unwrap_or(pattern)), "mta_sts.mx", &message)
    })?;
    subdomains(config)?;
    let fits = config.mta_sts.max_age.as_secs() <= 31_557_600;
    need(fits, "mta_sts.max_age", "is more than a year, which nobody keeps to")?;
    let from = config.reports.from.as_deref().is_none_or(is_address);
    need(from, "reports.from", "is no address; write \"reports@example.com\"")?;
    let sends = config.reports.tls || config.reports.dmarc;
    let reports = !sends || config.reports.from.is_some();
    need(reports, "reports.from", "has to be set before a report can be sent")
}

fn release(config: &Config) -> Checked {
    let release = &config.sandbox.release;
    let from = release.from.as_deref().is_none_or(is_address);
    need(from, "sandbox.release.from", "is no address; write \"test@example.com\"")?;
    let webhooks = &config.sandbox.webhooks;
    let waits = [
        ("sandbox.webhooks.timeout", webhooks.timeout),
        ("sandbox.webhooks.retry_first", webhooks.retry_first),
    ];
    waits.into_iter().try_for_each(|(field, wait)| {
        need(!wait.is_zero(), field, "has to be more than nothing")
    })?;
    need(webhooks.attempts_max > 0, "sandbox.webhooks.attempts_max", "has to be 1 at least")
}

/// Whether it looks like an address.
fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_name(domain))
}

fn subdomains(config: &Config) -> Checked {
    let crate::Subdomains { return_path, tracking } = &config.subdomains;
    let taken = ["mta-sts", "autoconfig", "autodiscover"];
    for (field, label) in
        [("subdomains.return_path", return_path), ("subdomains.tracking", tracking)]
    {
        let Some(label) = label.as_deref() else { continue };
        let right = "is no label; write one such as \"bounces\"";
        need(is_name(label) && !label.contains(['.', '_']), field, right)?;
        let is_free = !taken.iter().any(|name| label.eq_ignore_ascii_case(name));
        need(is_free, field, "is a name that others look for something else at")?;
    }
    let same = return_path.is_some() && return_path == tracking;
    need(!same, "subdomains.tracking", "is that of the return path, whose mail comes here")
}

fn relay(config: &Config) -> Checked {
    let waits = [
        ("relay.lookup_timeout", config.relay.lookup_timeout),
        ("relay.policy_timeout", config.relay.policy_timeout),
    ];
    waits.into_iter().try_for_each(|(field, wait)| {
        need(!wait.is_zero(), field, "has to be more than nothing")
    })?;
    let right = "has its certificates in a route: use `routes.NAME.tls`";
    need(config.relay.tls != TlsNeed::Fingerprint, "relay.tls", right)?;
    let right = "needs `dns.dnssec = true`";
    need(config.dns.dnssec || !config.relay.tls.is_dane(), "relay.tls", right)?;
    let anchors = config.dns.dnssec || config.dns.trust_anchors.is_none();
    need(anchors, "dns.trust_anchors", right)?;
    let v4 = config.relay.source_ipv4.is_none_or(|address| address.is_ipv4());
    need(v4, "relay.source_ipv4", "is no IPv4 address")?;
    for (name, provider) in &config.relay.providers {
        let field = format!("relay.providers.{name}");
        need(is_name(name), &field, "is no end of a server's name; write \"example.com\"")?;
        let limits = [provider.connections_max, provider.messages_per_connection_max];
        let some = !limits.contains(&Some(0)) && provider.messages_per_minute != Some(0);
        need(some, &field, "would take nothing; leave the limit out or write 1")?;
    }
    let v6 = config.relay.source_ipv6.is_none_or(|address| address.is_ipv6());
    need(v6, "relay.source_ipv6", "is no IPv6 address")
}

/// Fingerprints stand beside the policy that is about them, and nowhere else.
fn pinned(field: &str, tls: TlsNeed, fingerprints: &[String]) -> Checked {
    let both = (tls == TlsNeed::Fingerprint) != fingerprints.is_empty();
    need(both, field, "`tls = \"fingerprint\"` and `fingerprints` go together")?;
    fingerprints.iter().try_for_each(|text| {
        let message = format!("\"{text}\" is no SHA-256: write its 64 hexadecimal digits");
        need(crate::relay::fingerprint(text).is_some(), field, &message)
    })
}

fn host(field: &str, host: &Host) -> Checked {
    let address = host.host.parse::<IpAddr>().ok();
    let message = format!("\"{}\" is no host; write a name or an address", host.host);
    need(address.is_some() || is_name(&host.host), field, &message)?;
    let both = host.user.is_some() == host.password.is_some();
    need(both, field, "`user` and `password` go together")?;
    pinned(field, host.tls, &host.fingerprints)?;
    let safe = host.tls.is_authenticated() || address.is_some_and(|address| address.is_loopback());
    let right = "a password is sent over verified TLS only; set `tls = \"verified\"`";
    need(host.password.is_none() || safe, field, right)
}

/// Whether `text` may stand as a host or domain name.
///
/// Source: RFC 1123 section 2.1; international names are written as A-labels.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
