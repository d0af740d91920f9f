//! A message as clients show it in the dark: as it says itself, with light colours turned, or all.
//!
//! It is an estimate of what the three kinds of clients do; each does it in ways of its own.

use std::sync::LazyLock;

use mailwright_sandbox::colour::Colour;
use regex::{Captures, Regex};
use serde::Deserialize;

/// How a client makes a message dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dark {
    /// It leaves that to the message: `prefers-color-scheme: dark` holds.
    Scheme,
    /// It turns light backgrounds and dark texts.
    Partial,
    /// It turns every colour.
    Full,
}

static SCHEME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)prefers-color-scheme\s*:\s*(dark|light)").ok());
static STYLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix) (?P<name> (?: background(?:-color)? | bgcolor | color | border(?:-\w+)* ) )
           (?P<between> \s* [:=] \s* ["']? [^;"'<>{}]*? )
           (?P<colour> \#[0-9a-f]{6} \b | \#[0-9a-f]{3} \b | rgb\([^)]*\)
             | \b white \b | \b black \b )"#,
    )
    .ok()
});

/// What stands behind a message whose colours are turned.
const GROUND: &str = "<style>html{background:#121212;color:#e8eaed}a{color:#8ab4f8}</style>";
/// All colours turned, those of pictures turned back.
const TURNED: &str = "<style>html{background:#fff;filter:invert(1) hue-rotate(180deg)}\
    img,video,picture{filter:invert(1) hue-rotate(180deg)}</style>";

impl Dark {
    /// The HTML of a message, painted so.
    pub(crate) fn paint(self, html: &str) -> String {
        match self {
            Self::Scheme => scheme(html),
            Self::Partial => format!("{GROUND}{}", partial(html)),
            Self::Full => format!("{TURNED}{html}"),
        }
    }
}

/// The rules for the dark hold, those for the light do not.
fn scheme(html: &str) -> String {
    let Some(regex) = &*SCHEME else { return html.to_owned() };
    let told = regex.replace_all(html, |found: &Captures<'_>| {
        let is_dark = found.get(1).is_some_and(|word| word.as_str().eq_ignore_ascii_case("dark"));
        if is_dark { "min-width: 0px" } else { "max-width: 0px" }
    });
    told.into_owned()
}

fn partial(html: &str) -> String {
    let Some(regex) = &*STYLED else { return html.to_owned() };
    let told = regex.replace_all(html, |found: &Captures<'_>| {
        let text = |name: &str| found.name(name).map(|one| one.as_str()).unwrap_or_default();
        let (name, between, own) = (text("name"), text("between"), text("colour"));
        let Some(colour) = Colour::parse(own) else { return format!("{name}{between}{own}") };
        let is_text = name.eq_ignore_ascii_case("color");
        if is_light(colour) == is_text {
            return format!("{name}{between}{own}");
        }
        let [red, green, blue] = colour.channels.map(|channel| 255 - channel);
        // Not quite black and not quite white, as clients do.
        let soft = |channel: u8| channel.clamp(18, 232);
        format!("{name}{between}#{:02x}{:02x}{:02x}", soft(red), soft(green), soft(blue))
    });
    told.into_owned()
}

/// Whether the eye takes it for light. Source: ITU-R BT.601 (luma).
fn is_light(colour: Colour) -> bool {
    let [red, green, blue] = colour.channels.map(u32::from);
    red * 299 + green * 587 + blue * 114 > 128_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_knows_the_dark_is_asked_for_it() {
        let html = "<style>@media (prefers-color-scheme: dark) {p{color:#fff}}\
            @media (prefers-color-scheme:light) {p{color:#000}}</style>";
        let painted = Dark::Scheme.paint(html);
        assert!(painted.contains("(min-width: 0px)") && painted.contains("(max-width: 0px)"));
    }

    #[test]
    fn light_grounds_and_dark_texts_are_turned_and_no_others() {
        let html = "<p style='background: #ffffff; color: #111'>x</p>\
            <td bgcolor=\"#000000\"><font color=\"white\">y</font></td>";
        let painted = Dark::Partial.paint(html);
        assert!(painted.contains("background: #121212; color: #e8e8e8"), "{painted}");
        assert!(painted.contains("bgcolor=\"#000000\"><font color=\"white\">"), "{painted}");
        assert!(Dark::Full.paint(html).contains("invert(1)"));
    }
}
