//! What others say of a message: its origin, lists, filters, and the targets of its links.

use mailwright_sandbox::{
    report::Report,
    verdict::{Auth, Found, List, ListKind, Word},
};
use maud::{Markup, html};

/// Rows of a table that are shown.
const SHOWN_MAX: usize = 60;

/// A result, in a colour that says how good it is.
fn word(word: Word) -> Markup {
    let class = match word {
        Word::Pass => "good",
        Word::Fail | Word::PermError | Word::Policy => "bad",
        _ => "so-so",
    };
    html! { span class={ "word " (class) } { (word.as_str()) } }
}

/// SPF, DKIM, DMARC and one click, as they would come out.
pub(super) fn origin(report: &Report) -> Markup {
    html! {
        section aria-label="Origin" {
            h2 { "Origin" }
            @match &report.verdicts.auth {
                None => { p class="note" { "Nobody was asked. Have the DNS asked, or give the "
                    "records that it will have, to see SPF, DKIM and DMARC come out." } }
                Some(auth) => {
                    p { @match auth.client {
                        Some(ip) => { "Sent from " (ip) "." }
                        None => { "The address that will send is not known; say it above." }
                    } }
                    (results(auth, report))
                    (findings(report, "auth"))
                }
            }
        }
    }
}

fn results(auth: &Auth, report: &Report) -> Markup {
    html! {
        table class="results" { tbody {
            @if let Some(spf) = &auth.spf {
                tr { th scope="row" { "SPF" } td { (word(spf.word)) }
                    td { (spf.domain) } td { (spf.reason) } }
            }
            @for one in auth.dkim.iter().take(SHOWN_MAX) {
                tr { th scope="row" { "DKIM" } td { (word(one.word)) }
                    td { (one.domain) @if !one.selector.is_empty() { ", " (one.selector) } }
                    td { (one.reason) } }
            }
            @if auth.dkim.is_empty() {
                tr { th scope="row" { "DKIM" } td { (word(Word::None)) } td {} td {} }
            }
            @if let Some(dmarc) = &auth.dmarc {
                tr { th scope="row" { "DMARC" } td { (word(dmarc.word)) }
                    td { (dmarc.domain) }
                    td {
                        @if dmarc.record.is_some() {
                            "policy " (dmarc.policy.as_str()) "; SPF "
                            @if !dmarc.spf_aligned { "not " } "aligned, DKIM "
                            @if !dmarc.dkim_aligned { "not " } "aligned; "
                        }
                        (dmarc.reason)
                    } }
            }
            @if let Some(click) = &report.one_click {
                tr { th scope="row" { "One-click unsubscribing" } td colspan="3" {
                    (click.as_str()) } }
            }
        } }
    }
}

/// What blocklists say.
pub(super) fn lists(report: &Report) -> Markup {
    html! {
        section aria-label="Blocklists" {
            h2 { "Blocklists" }
            @match &report.verdicts.lists {
                None => { p class="note" { "None was asked." } }
                Some(lists) => {
                    p { "Lists asked: " (lists.len()) "; entries found: "
                        (report.verdicts.listed().count()) "." }
                    table class="lists" { tbody { @for list in lists { (of_list(list)) } } }
                }
            }
        }
    }
}

fn of_list(list: &List) -> Markup {
    let kind = if list.kind == ListKind::Addresses { "addresses" } else { "domains" };
    html! {
        tr {
            th scope="row" { (list.zone) }
            td { (kind) }
            td {
                @if let Some(why) = &list.unsound {
                    span class="word so-so" { "unsound" } " " (why)
                } @else if list.entries.is_empty() {
                    "nothing to ask for"
                }
                @for entry in list.entries.iter().take(SHOWN_MAX) {
                    div { @match &entry.found {
                        Found::Free => { span class="word good" { "free" } " " (entry.what) }
                        Found::Unknown(why) => {
                            span class="word so-so" { "unknown" } " " (entry.what) ": " (why)
                        }
                        Found::Listed { codes, reason } => {
                            span class="word bad" { "listed" } " " (entry.what) " ("
                            @for (place, code) in codes.iter().enumerate() {
                                @if place > 0 { ", " } (code)
                            }
                            ")"
                            @if let Some(reason) = reason { ": " (reason) }
                        }
                    } }
                }
            }
        }
    }
}

/// What other programs that judge mail say; nothing where none was asked.
pub(super) fn filters(report: &Report) -> Markup {
    html! {
        @for opinion in &report.verdicts.filters {
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
                                    td class="points" { (format!("{:+.2}", one.points)) }
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

/// The links, what is wrong with them by their look, and whether they answer.
pub(super) fn links(report: &Report) -> Markup {
    html! {
        section aria-label="Links" {
            h2 { "Links" }
            p { (report.targets.len()) " links, " (report.links.len()) " faults"
                @if report.statuses.is_none() { "; none was asked" } "." }
            table {
                tbody {
                    @for finding in report.links.iter().take(SHOWN_MAX) {
                        tr {
                            th scope="row" { (finding.fault.name()) }
                            td { (target(report, finding.link)) " " (finding.detail) }
                            td { (finding.fault.explanation()) }
                        }
                    }
                }
            }
            @if let Some(all) = &report.statuses {
                table class="statuses" { tbody {
                    @for one in all.iter().take(SHOWN_MAX) {
                        tr {
                            td { span class={ "word "
                                (if one.verdict.is_broken() { "bad" } else { "good" }) } {
                                (one.verdict.as_str()) } }
                            td { @if let Some(status) = one.status { (status) } }
                            td { (one.url)
                                @for next in &one.redirects { " \u{2192} " (next) }
                                @if let Some(error) = &one.error { ": " (error) } }
                        }
                    }
                } }
            }
        }
    }
}

/// The findings of an area.
pub(super) fn findings(report: &Report, area: &str) -> Markup {
    let all = report.findings();
    let mut all = all.iter().filter(|finding| finding.area == area).take(SHOWN_MAX).peekable();
    html! {
        @if all.peek().is_none() {
            p { "Nothing is wrong with it." }
        } @else {
            table { tbody {
                @for finding in all {
                    tr {
                        td { span class={ "word " (match finding.level.as_str() {
                            "error" => "bad", _ => "so-so" }) } { (finding.level.as_str()) } }
                        th scope="row" { (finding.rule) }
                        td { (finding.message) }
                    }
                }
            } }
        }
    }
}

fn target(report: &Report, link: usize) -> &str {
    report.targets.get(link).map_or("", |link| link.url.as_str())
}
