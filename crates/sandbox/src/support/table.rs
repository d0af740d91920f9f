//! Reads the table that `cargo xtask caniemail` writes.
//!
//! Each line begins with a mark and a tab: `v` package and date, `f` and `p` names of families and
//! platforms, `c` a client's letter, `=` a feature (slug, category, last test, title), `d` `k` `t`
//! its description, keywords and tags, `n` a numbered note, `@` the clients of one history and the
//! history, oldest version first: `2019-02y` or `16.80a#1#2`.

use std::sync::OnceLock;

/// What a client makes of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// It does not work.
    No,
    /// It works in part, or under conditions.
    Partly,
    /// It works.
    Yes,
    /// Nobody tried it.
    Unknown,
}

impl Support {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Partly => "partial",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }
}

/// A mail client on a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its family, such as `outlook`.
    pub family: &'static str,
    /// Its platform, such as `windows`.
    pub platform: &'static str,
    /// The family as one writes it.
    pub family_name: &'static str,
    /// The platform as one writes it.
    pub platform_name: &'static str,
}

/// What was seen when a version of a client was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The version, or the month.
    pub version: &'static str,
    /// What came of it.
    pub support: Support,
    /// Numbers of notes.
    pub notes: Vec<&'static str>,
}

/// Something of HTML, CSS or images that clients support or not.
#[derive(Debug, Clone)]
pub struct Feature {
    /// Its name in addresses and here.
    pub slug: &'static str,
    /// `html`, `css`, `image` or `others`.
    pub category: &'static str,
    /// The day of its last test.
    pub tested: &'static str,
    /// Its name as one writes it.
    pub title: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Words to find it by.
    pub keywords: &'static str,
    /// What it is about, such as `accessibility`.
    pub tags: Vec<&'static str>,
    /// Notes by their number.
    pub notes: Vec<(&'static str, &'static str)>,
    /// Clients by their place in [`Table::clients`], with what each version did, the oldest first.
    pub tried: Vec<(usize, Vec<Tried>)>,
}

impl Feature {
    /// Where people read about it.
    pub fn url(&self) -> String {
        format!("https://www.caniemail.com/features/{}/", self.slug)
    }

    /// What the newest version of a client does.
    pub fn newest(&self, client: usize) -> Option<&Tried> {
        self.tried.iter().find(|(place, _)| *place == client).and_then(|(_, all)| all.last())
    }
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The package it came from.
    pub package: &'static str,
    /// The day of the data.
    pub date: &'static str,
    /// Clients, in the order of their names.
    pub clients: Vec<Client>,
    /// Features, in the order of their slugs.
    pub features: Vec<Feature>,
}

impl Table {
    /// The place of a feature.
    pub fn find(&self, slug: &str) -> Option<usize> {
        self.features.binary_search_by(|feature| feature.slug.cmp(slug)).ok()
    }
}

/// The table, read when it is first asked for.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| read(include_str!("caniemail.txt")))
}

fn read(text: &'static str) -> Table {
    let mut table = Table::default();
    let mut letters = String::new();
    let mut names: Vec<(char, &str, &str)> = Vec::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        let mark = cells.next().and_then(|mark| mark.chars().next()).unwrap_or(' ');
        let mut cell = || cells.next().unwrap_or_default();
        let (first, second) = (cell(), cell());
        match mark {
            'v' => (table.package, table.date) = (first, second),
            'f' | 'p' => names.push((mark, first, second)),
            'c' => {
                let platform = cell();
                let name = |kind, name| {
                    let found = names.iter().find(|(of, key, _)| *of == kind && *key == name);
                    found.map_or(name, |(_, _, title)| *title)
                };
                letters.push_str(first);
                table.clients.push(Client {
                    family: second,
                    platform,
                    family_name: name('f', second),
                    platform_name: name('p', platform),
                });
            }
            '=' => table.features.push(Feature {
                slug: first,
                category: second,
                tested: cell(),
                title: cell(),
                description: "",
                keywords: "",
                tags: Vec::new(),
                notes: Vec::new(),
                tried: Vec::new(),
            }),
            _ => {
                if let Some(feature) = table.features.last_mut() {
                    more(feature, mark, (first, second), &letters);
                }
            }
        }
    }
    for feature in &mut table.features {
        feature.tried.sort_by_key(|(client, _)| *client);
    }
    table
}

fn more(feature: &mut Feature, mark: char, cells: (&'static str, &'static str), letters: &str) {
    let (first, second) = cells;
    match mark {
        'd' => feature.description = first,
        'k' => feature.keywords = first,
        't' => feature.tags = first.split(',').collect(),
        'n' => feature.notes.push((first, second)),
        '@' => {
            let history: Vec<Tried> = second.split(' ').filter_map(tried).collect();
            let clients = first.chars().filter_map(|letter| letters.find(letter));
            feature.tried.extend(clients.map(|client| (client, history.clone())));
        }
        _ => {}
    }
}

/// Reads `16.80a#1#2`.
fn tried(text: &'static str) -> Option<Tried> {
    let mut parts = text.split('#');
    // A version may have letters, too; the state is the last one.
    let head = parts.next()?;
    let (version, state) = head.split_at_checked(head.len().checked_sub(1)?)?;
    let support = match state {
        "y" => Support::Yes,
        "a" => Support::Partly,
        "n" => Support::No,
        "u" => Support::Unknown,
        _ => return None,
    };
    Some(Tried { version, support, notes: parts.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let table = table();
        assert_eq!(table.features.len(), 302);
        assert_eq!(table.clients.len(), 48);
        let text = include_str!("caniemail.txt");
        let histories = text.lines().filter(|line| line.starts_with("@\t"));
        let points: usize = histories
            .map(|line| {
                let (clients, history) = line.get(2..).unwrap().split_once('\t').unwrap();
                clients.len() * history.split(' ').count()
            })
            .sum();
        let read = table.features.iter().flat_map(|feature| &feature.tried);
        assert_eq!(read.map(|(_, all)| all.len()).sum::<usize>(), points);
        assert!(points > 15_000, "{points}");
        let is_sorted = table.features.is_sorted_by_key(|feature| feature.slug);
        assert!(is_sorted);
        for (slug, feature) in table.features.iter().map(|feature| (feature.slug, feature)) {
            assert!(!feature.title.is_empty() && !feature.tried.is_empty(), "{slug}");
            for note in feature.tried.iter().flat_map(|(_, all)| all).flat_map(|t| &t.notes) {
                let is_note = note.parse::<u8>().is_ok();
                assert!(is_note, "{slug}: {note}");
            }
        }
    }

    #[test]
    fn a_client_is_what_its_newest_version_is() {
        let table = table();
        let client = |family: &str, platform: &str| {
            let is_it = |c: &Client| c.family == family && c.platform == platform;
            table.clients.iter().position(is_it).unwrap()
        };
        let flex = &table.features[table.find("css-variables").unwrap()];
        assert_eq!(flex.newest(client("outlook", "macos")).unwrap().support, Support::No);
        let grid = &table.features[table.find("css-aspect-ratio").unwrap()];
        assert_eq!(grid.newest(client("apple-mail", "ios")).unwrap().support, Support::Yes);
        assert_eq!(table.find("css-none"), None);
    }
}
