//! Which names of an account's list a `LIST` tells, and with which attributes.
//!
//! Source: RFC 9051 section 6.3.9, RFC 3348 (CHILDREN), RFC 5258 (LIST-EXTENDED), RFC 6154.

use std::collections::BTreeMap;

use crate::command::{List, Selection};
use crate::name::SEPARATOR;
use crate::{Folder, SpecialUse};

/// A name that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The name.
    pub(crate) name: String,
    /// Whether there is a mailbox of it.
    pub(crate) exists: bool,
    /// Whether the name itself is in the list; else it only stands above some that are.
    pub(crate) known: bool,
    /// Whether others are below it.
    pub(crate) children: bool,
    /// Whether it is subscribed to.
    pub(crate) subscribed: bool,
    /// What it is for.
    pub(crate) special_use: Option<SpecialUse>,
    /// Whether a name below it was selected that is not told by itself.
    /// Source: RFC 5258 section 3.5.
    pub(crate) child_info: bool,
}

/// A pattern with what is precomputed of it.
struct Pattern(Vec<char>);

impl Pattern {
    /// Whether the whole name is like it: `*` stands for anything, `%` for anything of one level.
    ///
    /// The states are the places of the pattern, so that the time is the product of the lengths.
    fn matches(&self, name: &str) -> bool {
        let Self(pattern) = self;
        let mut places = vec![false; pattern.len() + 1];
        let wild = |letter: Option<&char>| matches!(letter, Some('*' | '%'));
        let close = |places: &mut Vec<bool>| {
            for place in 0..pattern.len() {
                if places.get(place) == Some(&true)
                    && wild(pattern.get(place))
                    && let Some(next) = places.get_mut(place + 1)
                {
                    *next = true;
                }
            }
        };
        if let Some(first) = places.first_mut() {
            *first = true;
        }
        close(&mut places);
        for letter in name.chars() {
            let mut next = vec![false; pattern.len() + 1];
            for (place, wanted) in pattern.iter().enumerate() {
                if places.get(place) != Some(&true) {
                    continue;
                }
                let stays = *wanted == '*' || (*wanted == '%' && letter != SEPARATOR);
                let goes = !matches!(wanted, '*' | '%') && *wanted == letter;
                let to = if stays { place } else { place + 1 };
                if (stays || goes)
                    && let Some(next) = next.get_mut(to)
                {
                    *next = true;
                }
            }
            close(&mut next);
            places = next;
        }
        places.last() == Some(&true)
    }

    /// `reference` and `pattern` as one, with `INBOX` in upper case.
    fn new(reference: &str, pattern: &str) -> Self {
        let whole = format!("{reference}{pattern}");
        let whole = match whole.split_at_checked(5) {
            Some((head, tail))
                if head.eq_ignore_ascii_case("INBOX")
                    && (tail.is_empty() || tail.starts_with([SEPARATOR, '*', '%'])) =>
            {
                format!("INBOX{tail}")
            }
            _ => whole,
        };
        // Stars beside each other are one.
        let mut letters: Vec<char> = whole.chars().collect();
        letters.dedup_by(|next, before| *before == '*' && *next == '*');
        Self(letters)
    }
}

/// The names of `folders` that the command asks for, in order, with `INBOX` first.
pub(crate) fn listed(
    list: &List,
    reference: &str,
    patterns: &[String],
    folders: &[Folder],
) -> Vec<Listed> {
    let tree = tree(folders);
    let patterns: Vec<Pattern> = patterns.iter().map(|p| Pattern::new(reference, p)).collect();
    let like = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let mut told: BTreeMap<String, Listed> = BTreeMap::new();
    for entry in tree.values() {
        let selected = is_selected(list, entry);
        if selected && like(&entry.name) {
            let before = told.get(&entry.name).is_some_and(|before| before.child_info);
            told.insert(entry.name.clone(), Listed { child_info: before, ..entry.clone() });
        } else if selected && (list.select.recursive || list.lsub) {
            above(&entry.name, list, &tree, &like, &mut told);
        }
    }
    let (mut inbox, others): (Vec<_>, Vec<_>) =
        told.into_values().partition(|entry| entry.name == "INBOX");
    inbox.extend(others);
    inbox
}

/// Tells the names above a selected one that is not told itself.
fn above(
    name: &str,
    list: &List,
    tree: &BTreeMap<&str, Listed>,
    like: &impl Fn(&str) -> bool,
    told: &mut BTreeMap<String, Listed>,
) {
    for (end, _) in name.match_indices(SEPARATOR) {
        let Some(parent) = name.get(..end).filter(|parent| like(parent)) else { continue };
        if let Some(entry) = told.get_mut(parent) {
            entry.child_info = true;
            continue;
        }
        let Some(entry) = tree.get(parent) else { continue };
        // LSUB tells a name that is not subscribed to itself as one that cannot be selected.
        let exists = entry.exists && !list.lsub;
        let child_info = true;
        told.insert(parent.to_owned(), Listed { exists, child_info, ..entry.clone() });
    }
}

fn is_selected(list: &List, entry: &Listed) -> bool {
    let Selection { subscribed, recursive: _, special_use } = list.select;
    if subscribed || special_use {
        return (!subscribed || entry.subscribed) && (!special_use || entry.special_use.is_some());
    }
    // A name that is only subscribed to is no mailbox.
    entry.exists || (!entry.known && entry.children)
}

/// Each name and each name above it.
fn tree(folders: &[Folder]) -> BTreeMap<&str, Listed> {
    let mut tree: BTreeMap<&str, Listed> = BTreeMap::new();
    for folder in folders {
        let exists = folder.mailbox.is_some();
        let children = tree.get(folder.name.as_str()).is_some_and(|entry| entry.children);
        let entry = Listed {
            name: folder.name.clone(),
            exists,
            known: true,
            children,
            subscribed: folder.subscribed,
            special_use: folder.special_use,
            child_info: false,
        };
        tree.insert(&folder.name, entry);
        for (end, _) in folder.name.match_indices(SEPARATOR) {
            let Some(parent) = folder.name.get(..end) else { continue };
            let entry = tree.entry(parent).or_insert_with(|| Listed {
                name: parent.to_owned(),
                exists: false,
                known: false,
                children: false,
                subscribed: false,
                special_use: None,
                child_info: false,
            });
            entry.children |= exists;
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use mailwright_words::Id;

    use super::*;
    use crate::command::Return;

    fn folder(name: &str, exists: bool, subscribed: bool) -> Folder {
        let mailbox = exists.then(|| Id::from_i64(1));
        Folder { name: name.to_owned(), mailbox, special_use: None, subscribed }
    }

    fn names(select: Selection, lsub: bool, reference: &str, pattern: &str) -> Vec<String> {
        let folders = [
            folder("INBOX", true, true),
            folder("a", true, false),
            folder("a/b", true, true),
            folder("a/b/c", true, false),
            folder("gone/x", false, true),
            folder("z/y", true, false),
        ];
        let list = List {
            reference: Box::default(),
            patterns: Vec::new(),
            select,
            returns: Return::default(),
            lsub,
            extended: false,
        };
        let mark = |listed: Listed| {
            let exists = if listed.exists { "" } else { "-" };
            let children = if listed.children { "+" } else { "" };
            let info = if listed.child_info { "!" } else { "" };
            format!("{}{exists}{children}{info}", listed.name)
        };
        listed(&list, reference, &[pattern.to_owned()], &folders).into_iter().map(mark).collect()
    }

    #[test]
    fn patterns_choose_names() {
        let all = Selection::default();
        for (reference, pattern, want) in [
            ("", "*", "INBOX a+ a/b+ a/b/c z-+ z/y"),
            ("", "%", "INBOX a+ z-+"),
            ("", "%/%", "a/b+ z/y"),
            ("a/", "%", "a/b+"),
            ("a/", "*c", "a/b/c"),
            ("", "inbox", "INBOX"),
            ("", "A", ""),
            ("", "***/c", "a/b/c"),
            ("", "a/%b%", "a/b+"),
        ] {
            assert_eq!(
                names(all, false, reference, pattern).join(" "),
                want,
                "{reference} {pattern}"
            );
        }
    }

    #[test]
    fn subscriptions_choose_names() {
        let subscribed = Selection { subscribed: true, ..Selection::default() };
        assert_eq!(names(subscribed, false, "", "*").join(" "), "INBOX a/b+ gone/x-");
        assert_eq!(names(subscribed, false, "", "%").join(" "), "INBOX");
        let recursive = Selection { recursive: true, ..subscribed };
        assert_eq!(names(recursive, false, "", "%").join(" "), "INBOX a+! gone-!");
        assert_eq!(names(subscribed, true, "", "%").join(" "), "INBOX a-+! gone-!");
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = Pattern::new("", &format!("{}x", "*a%".repeat(300)));
        assert!(!pattern.matches(&"a".repeat(1000)));
    }
}
