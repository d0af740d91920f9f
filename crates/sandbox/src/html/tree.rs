//! Which elements are open at a token, as far as checks need to know it.
//!
//! It is no tree builder: an end tag closes the nearest element of its name, what has no end closes
//! with its parent, and no element is moved.

use super::{Item, Node};

/// The most elements that are open at once; deeper ones are not counted.
const DEPTH_MAX: usize = 512;

/// The elements that are open, with the index of their start tags.
#[derive(Debug, Clone, Default)]
pub struct OpenElements {
    open: Vec<(String, usize)>,
}

impl OpenElements {
    /// Takes the token of this index.
    pub fn take(&mut self, index: usize, node: &Node) {
        match &node.item {
            Item::Start(tag) if !is_void(&tag.name) && self.open.len() < DEPTH_MAX => {
                self.close_implied(&tag.name);
                self.open.push((tag.name.clone(), index));
            }
            Item::End(name) => {
                if let Some(place) = self.open.iter().rposition(|(open, _)| open == name) {
                    self.open.truncate(place);
                }
            }
            _ => {}
        }
    }

    /// Whether an element of this name is open.
    pub fn is_in(&self, name: &str) -> bool {
        self.nearest(name).is_some()
    }

    /// The start tag of the innermost open element of this name.
    pub fn nearest(&self, name: &str) -> Option<usize> {
        self.open.iter().rfind(|(open, _)| open == name).map(|(_, index)| *index)
    }

    /// The start tags of all open elements, the outermost first.
    pub fn starts(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.open.iter().map(|(_, index)| *index)
    }

    /// A new paragraph, item, row or cell ends the one before it, with what is open in it; not one
    /// outside of the list or table that it stands in.
    fn close_implied(&mut self, name: &str) {
        let (siblings, within): (&[&str], &[&str]) = match name {
            "p" => (&["p"], &["td", "th", "div", "li", "table", "button"]),
            "li" => (&["li"], &["ul", "ol"]),
            "td" | "th" => (&["td", "th"], &["table"]),
            "tr" => (&["tr"], &["table"]),
            "option" => (&["option"], &["select"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            _ => return,
        };
        let open = &self.open;
        let is_one = |names: &[&str], place: usize| {
            open.get(place).is_some_and(|(open, _)| names.contains(&open.as_str()))
        };
        let place =
            (0..open.len()).rev().find(|place| is_one(siblings, *place) || is_one(within, *place));
        if let Some(place) = place.filter(|place| is_one(siblings, *place)) {
            self.open.truncate(place);
        }
    }
}

/// Whether an element never has an end tag. Source: HTML Standard, section 13.1.2.
pub fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::scan;

    #[test]
    fn elements_close_as_writers_mean_it() {
        let page = scan("<table><tr><td><p>a<p>b<td>c</table><b>d");
        let mut open = OpenElements::default();
        let mut seen = Vec::new();
        for (index, node) in page.nodes.iter().enumerate() {
            open.take(index, node);
            if let Item::Text(text) = &node.item {
                let path: Vec<&str> = open.open.iter().map(|(name, _)| name.as_str()).collect();
                seen.push(format!("{text}:{}", path.join(">")));
            }
        }
        assert_eq!(seen, ["a:table>tr>td>p", "b:table>tr>td>p", "c:table>tr>td", "d:b"]);
    }
}
