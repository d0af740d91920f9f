//! The HTML of a message as a tree, as browsers make one of it, within bounds.
//!
//! A tree may be far more than its HTML: what formatting is left open is made anew in each
//! paragraph, and each start looks at all that is open. So a page is fed piece by piece, and its
//! rest is left out once its tree, or what it takes to build it, is more than any letter needs.
//! Source: HTML standard, sections 13.2.4.3 and 13.2.6.

use std::{
    borrow::Cow,
    cell::{Cell, Ref},
};

use ego_tree::NodeId;
use html5ever::{
    Attribute, ParseOpts, QualName, parse_document,
    tendril::{StrTendril, TendrilSink as _},
    tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
};
use scraper::{Html, HtmlTreeSink};

/// Octets that are looked at.
const SIZE_MAX: usize = 8 << 20;
/// Nodes of a tree, or a few more.
pub(crate) const NODES_MAX: usize = 250_000;
/// Steps that building it may take, or a few more.
const STEPS_MAX: u64 = 100_000_000;
/// Octets that are fed at once, and where much formatting may be open.
const PIECE: usize = 2048;
const SMALL_PIECE: usize = 64;
/// How much formatting is much.
const MUCH: u64 = 200;
/// Elements that format. Source: HTML standard, section 13.2.4.3.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];

/// The tree of some HTML.
pub(crate) fn document(html: &str) -> Html {
    let mut parser = parse_document(Bounded::new(), ParseOpts::default());
    let mut rest = cut(html, SIZE_MAX);
    while !rest.is_empty() {
        let sink = &parser.tokenizer.sink.sink;
        let most = if sink.formatting.get() > MUCH { SMALL_PIECE } else { PIECE };
        let piece = cut(rest, most);
        rest = rest.get(piece.len()..).unwrap_or_default();
        sink.feed(piece);
        parser.process(StrTendril::from_slice(piece));
        if parser.tokenizer.sink.sink.is_over() {
            break;
        }
    }
    parser.finish()
}

/// The start of a text, cut between characters; at least one.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.ceil_char_boundary(most.min(text.len()))).unwrap_or(text)
}

/// Makes the tree, and counts what it takes.
struct Bounded {
    tree: HtmlTreeSink,
    steps: Cell<u64>,
    /// Elements that format, closed ones among them.
    formatting: Cell<u64>,
    /// Octets without which no attribute starts, since something was made.
    waiting: Cell<u64>,
}

impl Bounded {
    fn new() -> Self {
        let tree = HtmlTreeSink::new(Html::new_document());
        Self { tree, steps: Cell::new(0), formatting: Cell::new(0), waiting: Cell::new(0) }
    }

    fn is_over(&self) -> bool {
        self.tree.0.borrow().tree.nodes().len() > NODES_MAX || self.steps.get() > STEPS_MAX
    }

    fn step(&self, count: u64) {
        self.steps.set(self.steps.get().saturating_add(count));
    }

    /// Something is made, so that what was fed is read up to there.
    fn made(&self) {
        self.waiting.set(0);
    }

    /// A piece comes: each attribute of a tag is compared with those before it.
    fn feed(&self, piece: &str) {
        let is_one = |octet: &u8| octet.is_ascii_whitespace() || b"/\"'".contains(octet);
        let count = u64::try_from(piece.bytes().filter(is_one).count()).unwrap_or(u64::MAX);
        self.waiting.set(self.waiting.get().saturating_add(count));
        self.step(self.waiting.get().saturating_mul(count) / 4);
    }

    /// Attributes or children are looked at, each.
    fn looked_at(&self, count: usize) {
        self.step(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl TreeSink for Bounded {
    type Handle = NodeId;
    type Output = Html;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Html {
        self.tree.finish()
    }

    fn parse_error(&self, text: Cow<'static, str>) {
        self.tree.parse_error(text);
    }

    fn get_document(&self) -> NodeId {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        self.step(1);
        self.tree.elem_name(target)
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        flags: ElementFlags,
    ) -> NodeId {
        self.made();
        if FORMATTING.contains(&&*name.local) {
            let all = self.formatting.get().saturating_add(1);
            self.formatting.set(all);
            // It is compared with what formats already, more than once.
            self.step(all.saturating_mul(4));
        }
        self.looked_at(attributes.len());
        self.tree.create_element(name, attributes, flags)
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.made();
        self.tree.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.made();
        self.tree.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        if matches!(child, NodeOrText::AppendText(_)) {
            self.made();
        }
        self.tree.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &NodeId,
        before: &NodeId,
        child: NodeOrText<NodeId>,
    ) {
        self.made();
        self.tree.append_based_on_parent_node(element, before, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.made();
        self.tree.append_doctype_to_document(name, public, system);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.tree.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, node: NodeOrText<NodeId>) {
        self.made();
        self.tree.append_before_sibling(sibling, node);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        let own = self.tree.0.borrow().tree.get(*target).and_then(|node| {
            let element = node.value().as_element()?;
            Some(element.attrs().count())
        });
        // Each finds its place among those that are there, and moves what stands behind it.
        self.looked_at(own.unwrap_or(0).saturating_add(64).saturating_mul(attributes.len()));
        self.waiting.set(0);
        self.tree.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, parent: &NodeId) {
        let children = self.tree.0.borrow().tree.get(*node).map(|node| node.children().count());
        self.looked_at(children.unwrap_or(0));
        self.tree.reparent_children(node, parent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(html: &str) -> usize {
        document(html).tree.nodes().len()
    }

    #[test]
    fn a_letter_has_the_tree_that_browsers_make_of_it() {
        let rows = "<tr><td><p>a <b>b<i>c</b>d</i><a href=x>e</a><td>\u{e4}\u{f6}</tr>";
        let lists = "<ul><li>a<li><font color=red>b<p>c</font><!-- d --></ul>\n";
        let whole = format!(
            "<!doctype html><title>t</title><style>p{{}}</style><table>{}</table>{}<template>\
             <p>x</template><svg><title>y</title></svg>",
            rows.repeat(500),
            lists.repeat(500)
        );
        assert_eq!(document(&whole).html(), Html::parse_document(&whole).html());
        assert_eq!(document("").html(), Html::parse_document("").html());
    }

    #[test]
    fn what_would_be_endless_is_left_out() {
        let many = |count: usize, one: &dyn Fn(usize) -> String| -> String {
            (0..count).map(one).collect::<Vec<_>>().concat()
        };
        let open = many(6_000, &|n| format!("<b x{n}>"));
        for (what, html) in [
            ("formatting in each paragraph", format!("<p>{open}{}", "<p>x".repeat(12_000))),
            ("much formatting", many(60_000, &|n| format!("<b x{n}>"))),
            ("all of it open", "<div>".repeat(400_000)),
            ("all of it beside each other", "<br>".repeat(1_000_000)),
            ("attributes of one element", format!("<p {}>", many(200_000, &|n| format!(" a{n}")))),
            ("attributes of the page", many(200_000, &|n| format!("<html a{n}>"))),
            ("misnested", format!("<b>{}{}", "<p>".repeat(50_000), "</b><b>".repeat(50_000))),
            ("a cell that is none", format!("<table>{}", "<a><b>x".repeat(50_000))),
        ] {
            let made = nodes(&html);
            assert!(made <= NODES_MAX * 2, "{what}: {made} nodes");
        }
        assert!(nodes("<p>x</p>") < 10);
    }
}
