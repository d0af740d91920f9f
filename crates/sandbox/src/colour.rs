//! Colours, and how well one is seen on another. Source: CSS Color Level 4, WCAG 2.2 section 1.4.3.

/// A colour without transparency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue.
    pub channels: [u8; 3],
}

/// The names that mail uses.
const NAMES: [(&str, [u8; 3]); 22] = [
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("lime", [0, 255, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("orange", [255, 165, 0]),
    ("purple", [128, 0, 128]),
    ("gray", [128, 128, 128]),
    ("grey", [128, 128, 128]),
    ("silver", [192, 192, 192]),
    ("maroon", [128, 0, 0]),
    ("navy", [0, 0, 128]),
    ("teal", [0, 128, 128]),
    ("aqua", [0, 255, 255]),
    ("cyan", [0, 255, 255]),
    ("fuchsia", [255, 0, 255]),
    ("magenta", [255, 0, 255]),
    ("olive", [128, 128, 0]),
    ("lightgray", [211, 211, 211]),
    ("lightgrey", [211, 211, 211]),
];

impl Colour {
    /// Reads `#rgb`, `#rrggbb`, a common name, or `rgb(r,g,b)` with whole numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some((_, channels)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Some(Self { channels: *channels });
        }
        if let Some(inner) = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')')) {
            let mut numbers =
                inner.split([',', ' ']).filter(|n| !n.is_empty()).map(|n| n.parse::<u8>().ok());
            let channels = [numbers.next()??, numbers.next()??, numbers.next()??];
            return numbers.next().is_none().then_some(Self { channels });
        }
        let hex = text.strip_prefix('#')?;
        let digits: Option<Vec<u8>> =
            hex.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
        match digits?.as_slice() {
            [r, g, b] => Some(Self { channels: [r * 17, g * 17, b * 17] }),
            [red, ed, green, een, blue, ue] => {
                Some(Self { channels: [red * 16 + ed, green * 16 + een, blue * 16 + ue] })
            }
            _ => None,
        }
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.channels.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// How well one colour is seen on another: 1 is not at all, 21 is black on white.
pub fn contrast(a: Colour, b: Colour) -> f64 {
    let (a, b) = (a.luminance(), b.luminance());
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_compared() {
        let of = |text: &str| Colour::parse(text).map(|colour| colour.channels);
        assert_eq!(of("#fff"), Some([255, 255, 255]));
        assert_eq!(of("#0A0b0C"), Some([10, 11, 12]));
        assert_eq!(of("rgb(1, 2,3)"), Some([1, 2, 3]));
        assert_eq!(of(" Red "), Some([255, 0, 0]));
        for none in ["", "#ff", "#ggg", "rgb(1,2)", "rgb(1,2,3,4)", "rgb(999,0,0)", "inherit"] {
            assert_eq!(of(none), None, "{none}");
        }
        let ratio =
            |a: &str, b: &str| contrast(Colour::parse(a).unwrap(), Colour::parse(b).unwrap());
        assert!((ratio("black", "white") - 21.0).abs() < 0.01);
        assert!((ratio("#777", "white") - 4.48).abs() < 0.01);
        assert!((ratio("white", "white") - 1.0).abs() < 0.001);
    }
}
