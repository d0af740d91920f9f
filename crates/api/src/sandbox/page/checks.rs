//! What the checks say of a message, to be read.

use axum::extract::{Path, State};
use mailwright_sandbox::{
    report::Report,
    spam::THRESHOLD,
    support::{Audience, table},
};
use maud::{Markup, html};

use super::{Broken, Page};
use crate::sandbox::{Sandbox, checks::Sender};

/// Features, or clients of a feature, that are shown.
const SHOWN_MAX: usize = 60;
const CLIENTS_MAX: usize = 12;

/// The checks of one message.
pub(super) async fn fragment(
    State(sandbox): State<Sandbox>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Page, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let context = sandbox.context(&entry, &bytes, Sender::default(), false).await?;
    let made = sandbox.apart(move || {
        let current = Report::new(&bytes, &Audience::Current, context.clone());
        let all = Report::new(&bytes, &Audience::All, context);
        markup(&current, &all)
    });
    Ok(Page(made.await?))
}

fn markup(current: &Report, all: &Report) -> Markup {
    html! {
        section aria-label="HTML and CSS" {
            h2 { "HTML and CSS" }
            p { span class="score" { (rounded(current.support.total)) }
                " of 100 in current clients, "
                (rounded(all.support.total)) " in all. All of it works for "
                (rounded(current.support.full)) " % of the current ones." }
            (features(current))
        }
        section aria-label="Spam score" {
            h2 { "Spam score" }
            p { span class="score" { (format!("{:.2}", current.spam.score)) }
                @if current.spam.is_spam() { ", spam" } @else { ", no spam" }
                " (spam from " (format!("{THRESHOLD:.1}")) ")" }
            table {
                tbody {
                    @for rule in &current.spam.hits {
                        tr {
                            td { (format!("{:+.2}", rule.points)) }
                            th scope="row" { (rule.name) }
                            td { (rule.explanation) }
                        }
                    }
                }
            }
        }
        (said(current))
        section aria-label="Links" {
            h2 { "Links" }
            p { (current.targets.len()) " links, " (current.links.len()) " faults." }
            table {
                tbody {
                    @for finding in current.links.iter().take(SHOWN_MAX) {
                        tr {
                            th scope="row" { (finding.fault.name()) }
                            td { (target(current, finding.link))
                                " " (finding.detail) }
                            td { (finding.fault.explanation()) }
                        }
                    }
                }
            }
        }
    }
}

/// Where it is from, and what lists and filters say; nothing where nobody was asked.
fn said(report: &Report) -> Markup {
    let verdicts = &report.verdicts;
    html! {
        @if let Some(auth) = &verdicts.auth {
            section aria-label="Origin" {
                h2 { "Origin" }
                p { @match auth.client {
                    Some(ip) => { "Sent from " (ip) "." }
                    None => { "The address that sends is not known." }
                } }
                (findings(report, "auth"))
            }
        }
        @if let Some(lists) = &verdicts.lists {
            section aria-label="Blocklists" {
                h2 { "Blocklists" }
                p { (lists.len()) " lists, " (verdicts.listed().count()) " entries." }
                (findings(report, "lists"))
            }
        }
        @for opinion in &verdicts.filters {
            section aria-label=(opinion.filter) {
                h2 { (opinion.filter) }
                @match &opinion.rating {
                    Err(why) => { p { "Not known: " (why) } }
                    Ok(rating) => {
                        p { span class="score" { (format!("{:.2}", rating.score)) }
                            @if rating.is_spam { ", spam" } @else { ", no spam" }
                            @if let Some(action) = &rating.action { " (" (action) ")" } }
                        table { tbody {
                            @for one in rating.symbols.iter().take(SHOWN_MAX) {
                                tr {
                                    td { (format!("{:+.2}", one.points)) }
                                    th scope="row" { (one.name) }
                                    td { (one.explanation) }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// The findings of an area.
fn findings(report: &Report, area: &str) -> Markup {
    let all = report.findings();
    let mut all = all.iter().filter(|finding| finding.area == area).peekable();
    html! {
        @if all.peek().is_none() {
            p { "Nothing is wrong with it." }
        } @else {
            table { tbody {
                @for finding in all {
                    tr {
                        td { (finding.level.as_str()) }
                        th scope="row" { (finding.rule) }
                        td { (finding.message) }
                    }
                }
            } }
        }
    }
}

fn rounded(number: f64) -> String {
    format!("{number:.0}")
}

fn features(report: &Report) -> Markup {
    let troubled: Vec<_> =
        report.usages.iter().filter(|usage| !usage.findings().is_empty()).collect();
    html! {
        table {
            tbody {
                @for usage in troubled.iter().take(SHOWN_MAX) {
                    @if let Some(feature) = usage.feature() {
                        tr {
                            th scope="row" {
                                a href=(feature.url()) target="_blank" rel="noopener noreferrer" {
                                    (feature.title)
                                }
                            }
                            td { @for place in usage.places.iter().take(5) {
                                (place.line) ":" (place.column) " "
                            } }
                            td { (clients(usage)) }
                        }
                    }
                }
            }
        }
    }
}

fn clients(usage: &mailwright_sandbox::support::Usage) -> String {
    let findings = usage.findings();
    let named = findings.iter().filter_map(|finding| table().clients.get(finding.client));
    let names: Vec<String> = named
        .take(CLIENTS_MAX)
        .map(|client| format!("{} {}", client.family_name, client.platform_name))
        .collect();
    let more = findings.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("not whole in {}{more}", names.join(", "))
}

fn target(report: &Report, link: usize) -> &str {
    report.targets.get(link).map_or("", |link| link.url.as_str())
}
