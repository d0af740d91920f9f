//! The rules of one inbox, with what they count.
//!
//! Given the same rules and the same moments they do the same: chance is drawn from a seed and a
//! count, and time is an argument. Memory is bounded: what is remembered of pairs goes, oldest
//! first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mailwright_config::{Fault, InboxSettings, Phase, Rate};
use mailwright_words::{Reply, Status, Timestamp};

use super::{Moment, Strike};

/// Pairs of sender and recipient that are remembered.
const PAIRS_MAX: usize = 10_000;

/// The rules of one inbox, and what they counted.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) settings: InboxSettings,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    rules: Vec<Count>,
    /// How often a recipient was put off by its own name.
    deferred: Pairs<u32>,
}

/// What one rule counted.
#[derive(Debug, Default, Clone)]
struct Count {
    /// Moments that fitted.
    fitted: u64,
    /// Those at which it struck.
    struck: u64,
    /// When the bucket of its rate is full again.
    full: i64,
    /// When each pair was first put off.
    seen: Pairs<Timestamp>,
}

/// What is remembered of some pairs.
#[derive(Debug, Clone)]
struct Pairs<T> {
    of: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self { of: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T: Copy> Pairs<T> {
    fn get_or(&mut self, key: &str, first: T) -> &mut T {
        if !self.of.contains_key(key) {
            self.order.push_back(key.to_owned());
            if self.order.len() > PAIRS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.of.remove(&oldest);
            }
        }
        self.of.entry(key.to_owned()).or_insert(first)
    }
}

impl Lab {
    pub(crate) fn new(settings: InboxSettings) -> Self {
        let rules = vec![Count::default(); settings.faults.len()];
        let counts = Mutex::new(Counts { rules, deferred: Pairs::default() });
        Self { settings, counts }
    }

    /// Whether it does nothing but what every inbox does.
    pub(crate) fn is_plain(&self) -> bool {
        self.settings == InboxSettings::default()
    }

    /// How often each rule struck.
    pub(crate) fn struck(&self) -> Vec<u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.rules.iter().map(|count| count.struck).collect()
    }

    /// Whether this pair was tried fewer times than `times` before. The next try after it is let
    /// through counts anew.
    pub(super) fn defers(&self, pair: &str, times: u32) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = counts.deferred.get_or(pair, 0);
        *tries = if *tries >= times { 0 } else { *tries + 1 };
        *tries > 0
    }

    /// What befalls a session at a moment: rule after rule, until one has the last word.
    pub(crate) fn strike(&self, moment: &Moment<'_>) -> Strike {
        let mut sum = Strike::default();
        if self.settings.faults.is_empty() {
            return sum;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (fault, count) in self.settings.faults.iter().zip(&mut counts.rules) {
            if sum.reply.is_some() || sum.drops || !fits(fault, moment) {
                continue;
            }
            count.fitted = count.fitted.saturating_add(1);
            if !is_due(fault, count, moment.now) {
                continue;
            }
            let struck = strike_of(fault, count, moment);
            if !struck.is_nothing() {
                count.struck = count.struck.saturating_add(1);
                sum = sum.and(struck);
            }
        }
        sum
    }
}

/// Whether a rule is about this moment.
fn fits(fault: &Fault, moment: &Moment<'_>) -> bool {
    // How many octets there are is seen while they come.
    let size = || moment.size.unwrap_or(0);
    let is_large = |least: u64| moment.at == Phase::Body || size() > least;
    let client = moment.client.map(|client| client.to_canonical());
    fault.at == moment.at
        && fault
            .client
            .as_ref()
            .is_none_or(|network| client.is_some_and(|client| network.contains(&client)))
        && fault.hello.as_ref().is_none_or(|pattern| is_like(pattern, moment.hello))
        && fault
            .sender
            .as_ref()
            .is_none_or(|pattern| moment.sender.is_some_and(|sender| is_like(pattern, sender)))
        && fault
            .recipient
            .as_ref()
            .is_none_or(|pattern| moment.recipients.iter().any(|one| is_like(pattern, one)))
        && fault.larger_than.is_none_or(is_large)
}

/// Whether `text` is like `pattern`, in which `*` stands for anything, in any case of letters.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether it is this one's turn, of all that fitted.
fn is_due(fault: &Fault, count: &mut Count, now: Timestamp) -> bool {
    let fitted = count.fitted;
    let is_turn = fault.nth.is_none_or(|nth| fitted == nth)
        && fault.every.is_none_or(|every| fitted.is_multiple_of(every))
        && fault.first.is_none_or(|first| fitted <= first);
    if !is_turn || fault.rate.as_ref().is_some_and(|rate| has_room(rate, count, now)) {
        return false;
    }
    fault.probability.is_none_or(|share| draw(fault.seed, fitted) < share)
}

/// Whether a rate lets one more through.
fn has_room(rate: &Rate, count: &mut Count, now: Timestamp) -> bool {
    let span = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX);
    let each = (span / i64::from(rate.count)).max(1);
    let next = count.full.max(now.ms()).saturating_add(each);
    let has_room = next.saturating_sub(now.ms()) <= span;
    if has_room {
        count.full = next;
    }
    has_room
}

/// A number from 0 to 1 that is the same for the same seed and count.
///
/// Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), the function
/// known as `SplitMix64`.
fn draw(seed: u64, count: u64) -> f64 {
    let mut x = seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    f64::from(u32::try_from(x >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

/// What a rule does.
fn strike_of(fault: &Fault, count: &mut Count, moment: &Moment<'_>) -> Strike {
    if let Some(wait) = fault.greylist
        && !is_greylisted(wait, count, moment)
    {
        return Strike::default();
    }
    let greylisted = || {
        let text = "Greylisted, try again later";
        fault.greylist.map(|_| Reply::new(450, Some(Status::new(4, 7, 1)), text))
    };
    Strike {
        delay: fault.delay.unwrap_or_default(),
        reply: fault.reply.as_deref().map(reply).or_else(greylisted),
        drops: fault.drop,
        breaks: fault.break_tls,
        throttle: fault.throttle,
        keeps: fault.keep,
        beyond: fault.larger_than.unwrap_or(0),
    }
}

/// Whether a pair comes for the first time, or too soon.
fn is_greylisted(wait: Duration, count: &mut Count, moment: &Moment<'_>) -> bool {
    let to = moment.recipients.first().map(|one| one.to_lowercase()).unwrap_or_default();
    let pair = format!("{}\n{to}", moment.sender.unwrap_or_default().to_lowercase());
    let first = *count.seen.get_or(&pair, moment.now);
    first.plus(wait) > moment.now
}

/// A reply as it is written in a rule: code, enhanced status where there is one, text.
pub(crate) fn reply(text: &str) -> Reply {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let code = code.parse().unwrap_or(451);
    let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
    match word.parse::<Status>() {
        Ok(status) => Reply::new(code, Some(status), more),
        Err(_) => Reply::new(code, None, rest),
    }
}
