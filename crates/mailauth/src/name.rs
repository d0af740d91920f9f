//! Names of domains: whether one can be asked for, and which is below which.

/// Whether a question about a name can be asked: its labels have one to 63 octets.
pub(crate) fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        // `%_` of SPF is a blank, and may stand in a name.
        let octets = label.bytes().all(|one| one == b' ' || one.is_ascii_graphic());
        (1..=63).contains(&label.len()) && octets
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a name is a domain, or below it.
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches('.');
    let at = name.len().checked_sub(domain.len());
    let Some((above, end)) = at.and_then(|at| name.split_at_checked(at)) else { return false };
    end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_asked_for_are_told_from_others() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = format!("{}example", "a.".repeat(130));
        for (name, expected) in [
            ("a.example", true),
            ("a.example.", true),
            ("_dmarc.a.example", true),
            ("a..example", false),
            (".example", false),
            ("", false),
            ("b\u{fc}cher.example", false),
            (&long, false),
            (&longer, false),
        ] {
            assert_eq!(is_host_name(name), expected, "{name}");
        }
        assert!(is_within("a.B.example", "b.example") && is_within("b.example", "b.example."));
        assert!(!is_within("ab.example", "b.example") && !is_within("example", "b.example"));
    }
}
