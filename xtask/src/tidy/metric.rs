//! Rules about metrics: code counts by the constants of `words::metric`, with their labels.

use mailwright_words::metric::METRICS;

use super::Source;

const MACROS: [&str; 3] = ["counter!(", "gauge!(", "histogram!("];

/// Checks every place that counts, and that each metric is counted somewhere.
pub(super) fn check(sources: &[Source], findings: &mut Vec<String>) {
    let mut used = Vec::new();
    let code = |source: &&Source| !source.is_test() && !source.path.starts_with("xtask/");
    for source in sources.iter().filter(code) {
        for call in calls(&source.text) {
            match METRICS.iter().find(|metric| is_named(call, metric.constant)) {
                Some(metric) => {
                    used.push(metric.constant);
                    let labels = labels(call);
                    if labels != metric.labels {
                        let path = &source.path;
                        let known = metric.labels;
                        findings.push(format!(
                            "{path}: {} has the labels {known:?}, not {labels:?}",
                            metric.constant
                        ));
                    }
                }
                None => findings.push(format!(
                    "{}: `{}` names no constant of words::metric",
                    source.path,
                    call.lines().next().unwrap_or_default()
                )),
            }
        }
    }
    let unused = METRICS.iter().filter(|metric| !used.contains(&metric.constant));
    findings.extend(unused.map(|metric| format!("{} is never counted", metric.constant)));
}

/// The arguments of each call of a macro that counts.
fn calls(text: &str) -> Vec<&str> {
    let starts = MACROS.iter().flat_map(|name| {
        let counts = |at: &usize| !text.get(..*at).is_some_and(|head| head.ends_with("describe_"));
        let places = text.match_indices(name).map(|(at, _)| at).filter(counts);
        places.map(|at| at + name.len()).collect::<Vec<_>>()
    });
    starts.filter_map(|start| closed(text.get(start..)?)).collect()
}

/// The text up to the parenthesis that closes it.
fn closed(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(..at);
        }
    }
    None
}

fn is_named(call: &str, constant: &str) -> bool {
    let first = call.split(',').next().unwrap_or_default().trim();
    first.rsplit("::").next() == Some(constant)
}

fn labels(call: &str) -> Vec<&str> {
    let before = |part: &'_ str| part.rfind('"').map(|_| ());
    let mut labels = Vec::new();
    for part in call.split("=>").collect::<Vec<_>>().split_last().map_or(&[][..], |(_, all)| all) {
        if before(part).is_some()
            && let Some(label) =
                part.trim_end().strip_suffix('"').and_then(|p| p.rsplit('"').next())
        {
            labels.push(label);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(code: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let source = Source { path: "crates/a/src/lib.rs".to_owned(), text: code.to_owned() };
        check(&[source], &mut findings);
        findings.retain(|finding| !finding.ends_with("is never counted"));
        findings
    }

    #[test]
    fn constants_with_their_labels_are_fine_and_nothing_else_is() {
        let right = "metrics::counter!(\n metric::REFUSALS, \"listener\" => name.clone(),\n \
                     \"class\" => if a() { \"temporary\" } else { \"b\" }).increment(1);";
        assert!(findings(right).is_empty(), "{:?}", findings(right));
        assert!(findings("histogram!(COMMIT_GROUP).record(1.0);").is_empty());
        for wrong in [
            "metrics::counter!(\"mailwright_x_total\").increment(1);",
            "metrics::counter!(metric::REFUSALS, \"listener\" => name).increment(1);",
            "metrics::gauge!(metric::QUEUE_BLOCKED, \"site\" => site).set(1.0);",
        ] {
            assert_eq!(findings(wrong).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_metric_that_nothing_counts_is_found() {
        let mut found = Vec::new();
        check(&[], &mut found);
        assert_eq!(found.len(), METRICS.len());
    }
}
