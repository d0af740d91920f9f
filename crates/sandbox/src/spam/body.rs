//! Rules about what the text says.

use super::word::{capitals, count, has_any, is_disguised};
use super::{Rule, rule};
use crate::facts::Facts;

pub(super) const RULES: &[Rule] = &[
    rule(
        "GTUBE",
        1000.0,
        |f| f.message.bytes.windows(GTUBE.len()).any(|w| w == GTUBE),
        "The message holds the test text that every filter takes for spam.",
    ),
    rule(
        "UPPERCASE_50_75",
        0.8,
        |f| capitals(&shown(f), 200).is_some_and(|c| (50..75).contains(&c)),
        "More than half of the letters are capitals.",
    ),
    rule(
        "UPPERCASE_75_100",
        1.5,
        |f| capitals(&shown(f), 200).is_some_and(|c| c >= 75),
        "Nearly all letters are capitals.",
    ),
    rule(
        "BODY_EXCLAIMS",
        0.6,
        |f| f.words().matches('!').count() > 12,
        "There are more than twelve exclamation marks.",
    ),
    rule(
        "DEAR_FRIEND",
        2.6,
        |f| has_any(&f.lower, &["dear friend", "dear beloved", "dearest one"]),
        "It greets a friend without a name.",
    ),
    rule(
        "DEAR_SOMETHING",
        1.7,
        |f| {
            has_any(
                &f.lower,
                &[
                    "dear sir",
                    "dear madam",
                    "dear candidate",
                    "dear investor",
                    "dear traveler",
                    "dear traveller",
                    "dear winner",
                    "dear beneficiary",
                    "dear account owner",
                    "dear user",
                    "dear customer",
                    "dear email user",
                    "dear valued customer",
                ],
            )
        },
        "It greets nobody by name.",
    ),
    rule(
        "URG_BIZ",
        1.4,
        |f| {
            let what = [
                "assistance",
                "business",
                "buy",
                "confidential",
                "notice",
                "proposal",
                "reply",
                "request",
                "response",
            ];
            // So near behind it that both belong together.
            f.lower.split("urgent").skip(1).any(|behind| {
                let near: String = behind.chars().take(16 + 12).collect();
                what.iter().any(|word| near.find(word).is_some_and(|at| at <= 16))
            })
        },
        "It speaks of an urgent matter.",
    ),
    rule(
        "ADVANCE_FEE",
        2.2,
        |f| {
            count(
                &f.lower,
                &[
                    "next of kin",
                    "million dollars",
                    "million us dollars",
                    "million united states dollars",
                    "inheritance",
                    "beneficiary",
                    "barrister",
                    "fund transfer",
                    "bank of nigeria",
                    "late husband",
                    "transfer of the fund",
                    "foreign account",
                    "diplomat",
                    "consignment",
                ],
            ) >= 3
        },
        "It reads like a fee that is asked for in advance.",
    ),
    rule(
        "LOTTO",
        1.9,
        |f| {
            count(
                &f.lower,
                &[
                    "lottery",
                    "winning number",
                    "you have won",
                    "claim your prize",
                    "lucky winner",
                    "prize money",
                    "claims agent",
                ],
            ) >= 2
        },
        "It speaks of a lottery that was won.",
    ),
    rule("MONEY_LOTS", 0.7, |f| money(&f.lower), "It names a large sum of money."),
    rule(
        "MONEY_BACK",
        0.6,
        |f| has_any(&f.lower, &["money back guarantee", "money-back guarantee"]),
        "It promises money back.",
    ),
    rule(
        "GUARANTEED_100_PERCENT",
        1.4,
        |f| {
            has_any(
                &f.lower,
                &[
                    "100% guaranteed",
                    "guaranteed 100%",
                    "100% free",
                    "100% satisfaction",
                    "risk-free",
                    "no risk",
                ],
            )
        },
        "It promises a hundred percent.",
    ),
    rule(
        "ACT_NOW",
        0.8,
        |f| {
            count(
                &f.lower,
                &[
                    "act now",
                    "limited time",
                    "order now",
                    "buy now",
                    "hurry up",
                    "last chance",
                    "expires today",
                    "while supplies last",
                    "don't miss",
                    "once in a lifetime",
                ],
            ) >= 2
        },
        "It presses the reader to act at once, more than once.",
    ),
    rule(
        "CLICK_HERE",
        0.4,
        |f| {
            f.links.iter().any(|link| {
                let text = link.text.trim().to_lowercase();
                let text = text.trim_end_matches(['!', '.', '>']);
                matches!(text, "click here" | "click here now" | "click below" | "click now")
            })
        },
        "A link says click here; say where it leads.",
    ),
    rule(
        "WORK_AT_HOME",
        1.4,
        |f| {
            has_any(
                &f.lower,
                &[
                    "work from home and earn",
                    "work at home",
                    "make money online",
                    "earn extra cash",
                    "financial freedom",
                    "be your own boss",
                    "passive income",
                ],
            )
        },
        "It offers easy money.",
    ),
    rule(
        "INVESTMENT",
        1.0,
        |f| {
            count(
                &f.lower,
                &[
                    "investment opportunity",
                    "high returns",
                    "double your",
                    "guaranteed returns",
                    "stock alert",
                    "crypto investment",
                    "forex",
                    "trading bot",
                ],
            ) >= 2
        },
        "It offers an investment.",
    ),
    rule(
        "ONLINE_PHARMACY",
        2.0,
        |f| {
            has_any(
                &f.lower,
                &[
                    "online pharmacy",
                    "drugs online",
                    "medications online",
                    "canadian pharmacy",
                    "no prescription",
                    "cheap meds",
                    "without prescription",
                ],
            )
        },
        "It offers medicines.",
    ),
    rule(
        "DRUGS_NAMED",
        1.4,
        |f| {
            has_any(
                &f.lower,
                &["viagra", "cialis", "levitra", "xanax", "valium", "tramadol", "phentermine"],
            )
        },
        "It names medicines that spam sells.",
    ),
    rule(
        "FUZZY_WORDS",
        1.8,
        |f| {
            ["viagra", "cialis", "pharmacy", "casino", "mortgage"]
                .iter()
                .any(|w| is_disguised(&f.lower, w))
        },
        "It has a word of spam in disguise.",
    ),
    rule(
        "DIET",
        0.9,
        |f| {
            has_any(
                &f.lower,
                &["lose weight fast", "burn fat", "weight loss", "fat burner", "keto gummies"],
            )
        },
        "It speaks of losing weight.",
    ),
    rule(
        "GAMBLING",
        1.1,
        |f| {
            has_any(
                &f.lower,
                &["online casino", "free spins", "casino bonus", "sports betting", "slot machines"],
            )
        },
        "It speaks of gambling.",
    ),
    rule(
        "REPLICAS",
        1.3,
        |f| {
            has_any(
                &f.lower,
                &[
                    "replica watches",
                    "rolex replica",
                    "designer replica",
                    "luxury replica",
                    "fake rolex",
                ],
            )
        },
        "It offers fakes.",
    ),
    rule(
        "PHISH_ACCOUNT",
        1.8,
        |f| {
            count(
                &f.lower,
                &[
                    "verify your account",
                    "account has been suspended",
                    "account will be closed",
                    "confirm your identity",
                    "unusual activity",
                    "update your payment",
                    "mailbox is full",
                    "your password will expire",
                    "your account has been limited",
                    "login to your account",
                ],
            ) >= 2
        },
        "It presses the reader to log in, as phishing does.",
    ),
    rule(
        "BITCOIN_EXTORT",
        2.5,
        |f| {
            has_any(&f.lower, &["bitcoin", "btc wallet", "bitcoin wallet"])
                && count(
                    &f.lower,
                    &["webcam", "hacked", "malware", "recorded you", "your contacts", "48 hours"],
                ) >= 2
        },
        "It reads like blackmail for bitcoins.",
    ),
    rule(
        "EXCUSE_REMOVE",
        1.0,
        |f| {
            has_any(
                &f.lower,
                &[
                    "to be removed from our mailings",
                    "to be removed from these mailings",
                    "to be removed from future mailings",
                    "to be removed from this mailing",
                    "to be removed from our offers",
                    "to be removed from future offers",
                    "reply with remove",
                ],
            )
        },
        "It tells how to be removed from mailings; give a List-Unsubscribe instead.",
    ),
    rule(
        "SAYS_NO_SPAM",
        1.0,
        |f| has_any(&f.lower, &["this is not spam", "this message is not spam"]),
        "It says that it is no spam.",
    ),
    rule(
        "BODY_PLACEHOLDER",
        0.8,
        |f| crate::links::placeholder(f.words()).is_some(),
        "A variable of the template was left in the text.",
    ),
    rule(
        "LOREM_IPSUM",
        0.8,
        |f| f.lower.contains("lorem ipsum"),
        "A text was left in that only fills space.",
    ),
    rule(
        "INVISIBLE_CHARS",
        1.2,
        |f| invisible_in_words(f.words()) > 5,
        "Words are cut by characters that are not seen, so that filters do not read them.",
    ),
    rule(
        "MIXED_SCRIPTS",
        1.6,
        |f| mixed_words(f.words()) > 2,
        "Words mix letters of several scripts that look alike.",
    ),
];

/// Source: <https://spamassassin.apache.org/gtube/>.
const GTUBE: &[u8] = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// The text without addresses, whose capitals say nothing.
fn shown(facts: &Facts<'_>) -> String {
    let words = facts.words().split_whitespace().filter(|word| !word.contains("://"));
    words.collect::<Vec<_>>().join(" ")
}

/// `$1,000,000`, `2.5 million usd`.
fn money(lower: &str) -> bool {
    let large = |text: &str| text.chars().filter(char::is_ascii_digit).count() >= 6;
    let is_sum = |word: &str| {
        let number = word.trim_start_matches(['$', '\u{20ac}', '\u{a3}']);
        number.len() < word.len()
            && number.starts_with(|c: char| c.is_ascii_digit())
            && large(number)
    };
    let mut before = "";
    lower.split(' ').any(|word| {
        let is_million = before.starts_with(|c: char| c.is_ascii_digit() || c == '$')
            && matches!(word.trim_end_matches(['.', ',']), "million" | "billion");
        before = word;
        is_sum(word) || is_million
    })
}

/// How often an invisible character stands between two letters of one word.
///
/// Emoji and scripts such as Persian join characters by one; they are left out.
fn invisible_in_words(text: &str) -> usize {
    let mut last = [' ', ' '];
    let mut count = 0;
    for c in text.chars() {
        let is_cut =
            matches!(last[1], '\u{200b}' | '\u{200c}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
        count += usize::from(is_cut && last[0].is_ascii_alphabetic() && c.is_ascii_alphabetic());
        last = [last[1], c];
    }
    count
}

/// How many words mix Latin letters with Cyrillic or Greek ones.
fn mixed_words(text: &str) -> usize {
    let words = text.split(|c: char| !c.is_alphabetic());
    words
        .filter(|word| {
            let is_other = |c: char| matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{4ff}');
            word.contains(|c: char| c.is_ascii_alphabetic()) && word.contains(is_other)
        })
        .count()
}
