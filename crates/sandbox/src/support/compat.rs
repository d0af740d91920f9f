//! The numbers of an HTML check as the API of Mailpit has them.
//!
//! Every version of every client counts as much as the other, what nobody tried counts as not
//! supported, and a feature weighs by how often it is used among all elements.

use super::check::Usage;
use super::table::{Feature, Support, table};
use crate::html::Page;

/// A feature that not everybody supports.
#[derive(Debug, Clone)]
pub struct CompatWarning {
    /// The feature.
    pub feature: &'static Feature,
    /// Each version of each client.
    pub results: Vec<CompatResult>,
    /// How much of them supports it.
    pub score: CompatScore,
}

/// What one version of a client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatResult {
    /// Family, platform and version as one writes them.
    pub name: String,
    /// The platform's short name.
    pub platform: &'static str,
    /// The family's short name.
    pub family: &'static str,
    /// The version.
    pub version: &'static str,
    /// `yes`, `no` or `partial`.
    pub support: &'static str,
    /// Numbers of notes, a comma between them.
    pub notes: String,
}

/// Shares of the tried versions, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompatScore {
    /// How often the feature is used.
    pub found: usize,
    /// Where it works.
    pub supported: f64,
    /// Where it works in part.
    pub partial: f64,
    /// Where it does not.
    pub unsupported: f64,
}

/// The message as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompatTotal {
    /// How many features were looked for.
    pub tests: usize,
    /// How many elements there are.
    pub nodes: usize,
    /// What is left of 100.
    pub supported: f64,
    /// The largest share of partial support.
    pub partial: f64,
    /// The largest share of no support.
    pub unsupported: f64,
}

/// The warnings, the worst first, and the whole.
pub fn compat(page: &Page<'_>, usages: &[Usage]) -> (Vec<CompatWarning>, CompatTotal) {
    let mut warnings: Vec<CompatWarning> = usages
        .iter()
        .filter_map(|usage| usage.feature().map(|feature| warning(feature, usage.count)))
        .filter(|warning| warning.score.partial > 0.0 || warning.score.unsupported > 0.0)
        .collect();
    let rank = |warning: &CompatWarning| warning.score.unsupported + warning.score.partial;
    warnings.sort_by(|a, b| {
        rank(b).total_cmp(&rank(a)).then_with(|| a.feature.slug.cmp(b.feature.slug))
    });
    let nodes = page.tags().count();
    let of = |share: f64, found: usize| share * number(found.min(nodes)) / number(nodes.max(1));
    let most = |share: &dyn Fn(&CompatScore) -> f64| {
        let all = warnings.iter().map(|w| of(share(&w.score), w.score.found));
        all.fold(0.0, f64::max)
    };
    let partial = most(&|score| score.partial);
    let unsupported = most(&|score| score.unsupported);
    let supported = (100.0 - partial - unsupported).max(0.0);
    let tests = table().features.len() - super::UNTESTABLE.len();
    (warnings, CompatTotal { tests, nodes, supported, partial, unsupported })
}

fn warning(feature: &'static Feature, found: usize) -> CompatWarning {
    let mut results = Vec::new();
    let mut counts = [0_usize; 3];
    for (client, versions) in &feature.tried {
        let Some(client) = table().clients.get(*client) else { continue };
        for tried in versions {
            let [yes, partly, no] = &mut counts;
            let support = match tried.support {
                Support::Yes => "yes",
                Support::Partly => "partial",
                Support::No | Support::Unknown => "no",
            };
            match support {
                "yes" => *yes += 1,
                "partial" => *partly += 1,
                _ => *no += 1,
            }
            let (family, platform) = (client.family_name, client.platform_name);
            results.push(CompatResult {
                name: format!("{family} {platform} ({})", tried.version),
                platform: client.platform,
                family: client.family,
                version: tried.version,
                support,
                notes: tried.notes.join(","),
            });
        }
    }
    let [yes, partly, no] = counts.map(number);
    let all = (yes + partly + no).max(1.0);
    let score = CompatScore {
        found,
        supported: yes / all * 100.0,
        partial: partly / all * 100.0,
        unsupported: no / all * 100.0,
    };
    CompatWarning { feature, results, score }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::scan;
    use crate::support::check;

    #[test]
    fn shares_add_up_and_the_worst_is_first() {
        let page = scan("<p style='display:grid;color:red'>x</p><p>y</p>");
        let (warnings, total) = compat(&page, &check(Some(&page), &[], &[]));
        assert_eq!(total.nodes, 2);
        assert_eq!(total.tests, 301);
        let sum = total.supported + total.partial + total.unsupported;
        assert!((sum - 100.0).abs() < 1e-6, "{sum}");
        let slugs: Vec<&str> = warnings.iter().map(|w| w.feature.slug).collect();
        assert!(slugs.contains(&"css-display-grid"), "{slugs:?}");
        for warning in &warnings {
            let score = warning.score;
            let sum = score.supported + score.partial + score.unsupported;
            assert!((sum - 100.0).abs() < 1e-6);
        }
        let ranks = warnings.iter().map(|w| -(w.score.unsupported + w.score.partial));
        assert!(ranks.is_sorted());
    }

    #[test]
    fn a_message_that_uses_nothing_is_whole() {
        let page = scan("text");
        let (warnings, total) = compat(&page, &[]);
        assert!(warnings.is_empty());
        assert!((total.supported - 100.0).abs() < f64::EPSILON);
    }
}
