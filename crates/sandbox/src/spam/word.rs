//! Looking for words and counting letters.

/// Whether a text in lower case has one of these phrases, not as a part of other words.
pub(super) fn has_any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| has(text, phrase))
}

/// How many of these phrases a text in lower case has.
pub(super) fn count(text: &str, phrases: &[&str]) -> usize {
    phrases.iter().filter(|phrase| has(text, phrase)).count()
}

fn has(text: &str, phrase: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(phrase).any(|(at, found)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|tail| tail.chars().next());
        !is_word(before) && !is_word(after)
    })
}

/// How many of a text's cased letters are capitals, in percent; nothing where there are few.
pub(super) fn capitals(text: &str, least: usize) -> Option<usize> {
    let mut upper = 0_usize;
    let mut all = 0_usize;
    for c in text.chars() {
        upper += usize::from(c.is_uppercase());
        all += usize::from(c.is_uppercase() || c.is_lowercase());
    }
    (all >= least).then(|| upper * 100 / all.max(1))
}

/// Whether letters of a word were parted so that filters do not read it: `v i a g r a`, `V1agra`.
pub(super) fn is_disguised(text: &str, word: &str) -> bool {
    text.split(' ').any(|shown| is_look_alike(shown, word)) || is_gappy(text, word)
}

/// The word with digits and signs for letters, yet not the word itself.
fn is_look_alike(shown: &str, word: &str) -> bool {
    let plain: String = shown.chars().filter_map(letter).collect();
    plain == word && shown.trim_matches(|c: char| !c.is_alphanumeric() && c != '@') != word
}

fn letter(c: char) -> Option<char> {
    Some(match c {
        '0' | '\u{43e}' => 'o',
        '1' | '!' | '|' | '\u{ec}' | '\u{ed}' | '\u{ee}' | '\u{ef}' | '\u{456}' => 'i',
        '3' | '\u{e8}' | '\u{e9}' | '\u{ea}' | '\u{eb}' | '\u{435}' => 'e',
        '4' | '@' | '\u{e0}' | '\u{e1}' | '\u{e2}' | '\u{e3}' | '\u{e4}' | '\u{430}' => 'a',
        '5' | '$' => 's',
        '\u{440}' => 'p',
        '\u{441}' => 'c',
        c if c.is_alphanumeric() => c,
        _ => return None,
    })
}

/// The letters of the word, each a word of its own, or with a sign between two.
fn is_gappy(text: &str, word: &str) -> bool {
    let spaced = |gap: &str| {
        let letters: Vec<String> = word.chars().map(String::from).collect();
        letters.join(gap)
    };
    [" ", ".", "-", "_", "*"].iter().any(|gap| has(text, &spaced(gap)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_whole_words() {
        assert!(has_any("a dear friend.", &["dear friend"]));
        assert!(!has_any("a dear friendship", &["dear friend"]));
        assert_eq!(count("one two", &["one", "two", "three"]), 2);
    }

    #[test]
    fn disguised_words_are_read() {
        for text in ["buy v1agra now", "v i a g r a", "vi@gra", "v.i.a.g.r.a!"] {
            assert!(is_disguised(text, "viagra"), "{text}");
        }
        for text in ["viagra", "viagra.", "via gra", "niagara"] {
            assert!(!is_disguised(text, "viagra"), "{text}");
        }
    }

    #[test]
    fn capitals_are_counted_among_letters() {
        assert_eq!(capitals("AB cd 12", 4), Some(50));
        assert_eq!(capitals("AB", 4), None);
    }
}
