//! What the checks say of a message, to be read; whom they ask, and for whom, is said in a form.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use mailwright_sandbox::{
    report::Report,
    spam::THRESHOLD,
    structure::Level,
    support::{Audience, Score, Usage, table},
};
use mailwright_words::percent::escaped;
use maud::{Markup, html};

use super::{Broken, Page, form::Form, link, verdicts, whole};
use crate::sandbox::{ApiError, Sandbox, checks::Sender};

/// Features, or clients of a feature, that are shown.
const SHOWN_MAX: usize = 60;
const CLIENTS_MAX: usize = 12;
/// Whose clients count, and how that reads.
const AUDIENCES: [(&str, &str); 3] = [
    ("current", "current clients"),
    ("all", "all that were ever tried"),
    ("shares", "these shares"),
];

/// The checks of one message, asked for nothing.
pub(super) async fn plain(
    state: State<Sandbox>,
    place: Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Broken> {
    asked(state, place, headers, Bytes::new()).await
}

/// The checks of one message, as a form asks for them.
pub(super) async fn asked(
    State(sandbox): State<Sandbox>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Broken> {
    let (inbox, form) = (sandbox.inbox(&name).await?, Form::read(&body));
    let entry = sandbox.entry(&inbox, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let path = format!("/inbox/{}/message/{id}/checks", link(&inbox.name));
    let may = sandbox.backing.egress.is_some();
    let shown = match sandbox.checked(&entry, bytes, &form).await {
        Ok((report, scores)) => html! {
            (wishes(&path, &form, may))
            (markup(&report, &scores, &id))
        },
        Err(error @ ApiError::Bad(_)) => html! {
            (wishes(&path, &form, may))
            p role="alert" class="wrong" { (error.to_string()) }
        },
        Err(error) => return Err(error.into()),
    };
    // Without the module a link leads here.
    let alone = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    Ok(if alone {
        let body = html! { main class="alone checks" { (shown) } };
        super::form::has_forms(whole("Checks", &body).into_response())
    } else {
        Page(shown).into_response()
    })
}

/// How well those whom it is for see it, and others beside.
struct Scores {
    /// Whom the report is for, as it was asked.
    clients: String,
    /// For current clients, and for all.
    beside: [Score; 2],
}

/// Who is meant by a form.
fn audience(form: &Form) -> Result<(Audience, String), ApiError> {
    let shares = form.value("shares");
    let text = match form.value("clients") {
        "shares" if shares.is_empty() => return Err(ApiError::bad("no shares are given")),
        "shares" => shares,
        other => other,
    };
    let audience = Audience::parse(text).map_err(|error| ApiError::bad(error.to_string()))?;
    Ok((audience, text.to_owned()))
}

impl Sandbox {
    /// Checks a message as a form wants it.
    async fn checked(
        &self,
        entry: &mailwright_store::capture::Entry,
        bytes: Vec<u8>,
        form: &Form,
    ) -> Result<(Report, Scores), ApiError> {
        let (audience, clients) = audience(form)?;
        let ip = form.given("ip").map(str::parse).transpose();
        let sender = Sender {
            ip: ip.ok().ok_or_else(|| ApiError::bad("the address that sends is none"))?,
            helo: form.given("helo").map(str::to_owned),
            from: form.given("from").map(str::to_owned),
            records: form.value("records").to_owned(),
        };
        let is_online = form.value("online") == "on";
        let context = self.context(entry, &bytes, sender, is_online).await?;
        let made = self.apart(move || {
            let report = Report::new(&bytes, &audience, context);
            let beside = [Audience::Current, Audience::All];
            let beside = beside
                .map(|audience| mailwright_sandbox::support::score(&report.usages, &audience));
            (report, Scores { clients, beside })
        });
        let (mut report, scores) = made.await?;
        if let Some(egress) = self.backing.egress.as_ref().filter(|_| is_online) {
            let settings = egress.settings();
            report.ask_links(egress, (settings.links_max, settings.at_once)).await;
        }
        Ok((report, scores))
    }
}

/// What is asked for: for whom, who will send, and whether somebody may be asked.
fn wishes(path: &str, form: &Form, may_ask: bool) -> Markup {
    let field = |name: &'static str, called: &str, example: &str| {
        html! {
            label { (called) input name=(name) value=(form.value(name)) placeholder=(example)
                autocomplete="off" spellcheck="false"; }
        }
    };
    let chosen = form.value("clients");
    html! {
        form method="post" action=(path) class="wishes" {
            div class="line" {
                label { "Score for " select name="clients" {
                    @for (value, called) in AUDIENCES {
                        option value=(value) selected[value == chosen] { (called) }
                    }
                } }
                label { span class="hidden" { "Shares" }
                    input name="shares" value=(form.value("shares")) size="26"
                        placeholder="gmail.*=60, outlook.*=40" autocomplete="off"
                        spellcheck="false"; }
                @if may_ask {
                    label class="check" {
                        input type="checkbox" name="online" checked[form.value("online") == "on"];
                        " Ask links and the DNS" }
                }
                button { "Check" }
            }
            details open[["ip", "helo", "from", "records"].iter()
                .any(|name| form.given(name).is_some())] {
                summary { "Who will send it" }
                div class="fields-form" {
                    (field("ip", "From the address", "192.0.2.1"))
                    (field("helo", "Calls itself", "mail.example.com"))
                    (field("from", "Reverse-path", "bounces@example.com"))
                }
                label { "Records that the DNS will have, as in a zone file"
                    textarea name="records" rows="4" spellcheck="false"
                        placeholder="example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"" {
                        (form.whole("records")) }
                }
            }
        }
    }
}

fn markup(report: &Report, scores: &Scores, id: &str) -> Markup {
    let [current, all] = &scores.beside;
    html! {
        (summary(report, &scores.clients, id))
        section aria-label="HTML and CSS" {
            h2 { "HTML and CSS" }
            p { span class="score" { (rounded(report.support.total)) }
                " of 100 for " (called(&scores.clients)) "; " (rounded(current.total))
                " in current ones, "
                (rounded(all.total)) " in all. All of it works for "
                (rounded(report.support.full)) " %." }
            (features(report))
            (by_client(report))
        }
        section aria-label="Spam score" {
            h2 { "Spam score" }
            p { span class="score" { (format!("{:.2}", report.spam.score)) }
                @if report.spam.is_spam() { ", spam" } @else { ", no spam" }
                " (spam from " (format!("{THRESHOLD:.1}")) ")" }
            table {
                tbody {
                    @for rule in &report.spam.hits {
                        tr {
                            td class="points" { (format!("{:+.2}", rule.points)) }
                            th scope="row" { (rule.name) }
                            td { (rule.explanation) }
                        }
                    }
                }
            }
        }
        (verdicts::filters(report))
        (verdicts::origin(report))
        (verdicts::lists(report))
        (verdicts::links(report))
        section aria-label="Structure" {
            h2 { "Structure" }
            (verdicts::findings(report, "structure"))
        }
    }
}

/// How an audience reads.
fn called(clients: &str) -> &str {
    let known = AUDIENCES.iter().find(|(value, _)| *value == clients);
    known.map_or(if clients.is_empty() { "current clients" } else { clients }, |(_, name)| name)
}

/// The report in one line of numbers, and as programs read it.
fn summary(report: &Report, clients: &str, id: &str) -> Markup {
    let count = |level: Level| {
        report.findings().iter().filter(|finding| finding.level == level).count().to_string()
    };
    let number = |name: &str| report.number(name).map_or_else(|| "?".to_owned(), rounded);
    let auth = report.verdicts.auth.as_ref().map(|_| number("auth"));
    let lists = report.verdicts.lists.as_ref().map(|_| number("lists"));
    let spam = format!("{:.1}", report.spam.score);
    let all = [
        ("HTML", Some(rounded(report.support.total)), report.support.total < 80.0),
        ("Spam", Some(spam), report.spam.is_spam()),
        ("Broken links", Some(number("links.broken")), number("links.broken") != "0"),
        ("Origin", auth.clone(), auth.is_some_and(|faults| faults != "0")),
        ("Listed", lists.clone(), lists.is_some_and(|listed| listed != "0")),
        ("Errors", Some(count(Level::Error)), count(Level::Error) != "0"),
        ("Warnings", Some(count(Level::Warning)), false),
    ];
    html! {
        dl class="numbers" aria-label="Summary" {
            @for (name, value, is_bad) in &all {
                div class=[is_bad.then_some("bad")] {
                    dt { (name) }
                    dd { @match value {
                        Some(value) => (value),
                        None => { span title="not asked" { "\u{2013}" } }
                    } }
                }
            }
        }
        p class="note" { "The report as "
            @for (place, format) in ["json", "junit", "sarif", "text"].into_iter().enumerate() {
                @if place > 0 { ", " }
                a href={ "/api/messages/" (id) "/check?format=" (format)
                    "&clients=" (escaped(clients, b"")) } download={
                    "check-" (id) "." (match format {
                        "junit" => "xml", "sarif" => "sarif", "text" => "txt", _ => "json",
                    }) } { (format) }
            }
        }
    }
}

/// How well each client shows it, the worst first.
fn by_client(report: &Report) -> Markup {
    let mut all: Vec<_> = report
        .support
        .clients
        .iter()
        .filter_map(|one| Some((table().clients.get(one.client)?, one.score, one.weight)))
        .filter(|(.., weight)| *weight > 0.0)
        .collect();
    all.sort_by(|one, other| one.1.total_cmp(&other.1));
    html! {
        details class="by-client" {
            summary { "By client" }
            table { tbody { @for (client, score, _) in all {
                tr {
                    th scope="row" { (client.family_name) ", " (client.platform_name) }
                    td { meter min="0" max="100" low="60" high="90" optimum="100"
                        value=(rounded(score)) aria-label="Score" { } }
                    td { (rounded(score)) }
                }
            } } }
        }
    }
}

fn rounded(number: f64) -> String {
    format!("{number:.0}")
}

fn features(report: &Report) -> Markup {
    let troubled: Vec<&Usage> =
        report.usages.iter().filter(|usage| !usage.findings().is_empty()).collect();
    let more = troubled.len().saturating_sub(SHOWN_MAX);
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
        @if more > 0 { p class="note" { "And " (more) " more; the report has them all." } }
    }
}

fn clients(usage: &Usage) -> String {
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
