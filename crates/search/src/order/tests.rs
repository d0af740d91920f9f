//! Orders, against a slow way to the same.

use mailwright_mime::digest_of_message;
use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};
use proptest::prelude::*;

use super::*;

fn row(uid: u32, size: u64, date: i64) -> Row {
    Row {
        uid,
        flags: Flags::default(),
        message: Id::from_i64(i64::from(uid)),
        modseq: 1,
        size,
        internal_date: Timestamp::new(date),
        save_date: Timestamp::new(date),
    }
}

fn sorted(keys: &[SortKey], messages: &[(u64, i64, &str)]) -> Vec<u32> {
    let mut order = Order::new(keys);
    for (uid, (size, date, message)) in (1_u32..).zip(messages) {
        let bytes = digest_of_message(message.as_bytes());
        order.add(&row(uid, *size, *date), Digest::from_bytes(&bytes).as_ref());
    }
    order.finish()
}

fn by(by: Criterion) -> SortKey {
    SortKey { reverse: false, by }
}

#[test]
fn each_key_compares_what_the_standard_says() {
    let messages = [
        (30, 3_000_000, "From: Zoe <ann@x>\r\nTo: b@x\r\nSubject: re: B_\r\n\r\n"),
        (10, 2_000_000, "From: Ann <ZOE@x>\r\nTo: A@x\r\nCc: q@x\r\nSubject: ba\r\n\r\n"),
        (20, 1_000_000, "Date: 1 Jan 1970 00:50:00 +0000\r\nFrom: bob@x\r\nSubject: [l] a\r\n\r\n"),
    ];
    for (criterion, expected) in [
        (Criterion::Arrival, [3, 2, 1]),
        (Criterion::Date, [2, 1, 3]),
        (Criterion::Size, [2, 3, 1]),
        (Criterion::From, [1, 3, 2]),
        (Criterion::To, [3, 2, 1]),
        (Criterion::Cc, [1, 3, 2]),
        (Criterion::Subject, [3, 2, 1]),
        (Criterion::DisplayFrom, [2, 3, 1]),
        (Criterion::DisplayTo, [3, 2, 1]),
    ] {
        assert_eq!(sorted(&[by(criterion)], &messages), expected, "{criterion:?}");
    }
    // Equal ones stand by UID, also in an order that is turned around.
    let reverse = SortKey { reverse: true, by: Criterion::Cc };
    assert_eq!(sorted(&[reverse], &messages), [2, 1, 3]);
    assert_eq!(sorted(&[], &messages), [1, 2, 3]);
    let days = [(1, 5, ""), (1, 7, ""), (1, 5, "")];
    assert_eq!(sorted(&[SortKey { reverse: true, by: Criterion::Arrival }], &days), [2, 1, 3]);
}

#[test]
fn a_message_that_is_gone_is_sorted_by_its_row() {
    let mut order = Order::new(&[by(Criterion::Date), by(Criterion::Subject)]);
    order.add(&row(1, 1, 9), None);
    order.add(&row(2, 1, 8), None);
    assert_eq!(order.finish(), [2, 1]);
}

const HEADER: &str = "(From: [ab]@x\r\n|)(Subject: (re: )?[ab]{0,2}\r\n|)";

fn criterion() -> impl Strategy<Value = Criterion> {
    prop::sample::select(vec![
        Criterion::Arrival,
        Criterion::Date,
        Criterion::Size,
        Criterion::From,
        Criterion::Subject,
    ])
}

proptest! {
    #[test]
    fn an_order_is_that_of_its_keys_one_behind_the_other(
        keys in prop::collection::vec((criterion(), any::<bool>()), 0..4),
        messages in prop::collection::vec((0_u64..3, 0_i64..3, HEADER), 0..20),
    ) {
        let keys: Vec<SortKey> =
            keys.into_iter().map(|(by, reverse)| SortKey { reverse, by }).collect();
        let given: Vec<(u64, i64, &str)> =
            messages.iter().map(|(size, date, text)| (*size, *date, text.as_str())).collect();
        // A stable sort by each key, the last one first.
        let each = (1_u32..).zip(&given);
        let mut slow: Vec<(u32, Vec<String>)> = each.map(|(uid, (size, date, text))| {
            let bytes = digest_of_message(text.as_bytes());
            let digest = Digest::from_bytes(&bytes).unwrap();
            let text = |text| String::from_utf8_lossy(digest.sort_text(text)).into_owned();
            let values = keys.iter().map(|key| match key.by {
                Criterion::Size => format!("{size:09}"),
                Criterion::From => text(SortText::From),
                Criterion::Subject => text(SortText::Subject),
                _ => format!("{date:09}"),
            });
            (uid, values.collect())
        }).collect();
        for (place, key) in keys.iter().enumerate().rev() {
            slow.sort_by(|(_, ours), (_, theirs)| {
                let order = ours[place].cmp(&theirs[place]);
                if key.reverse { order.reverse() } else { order }
            });
        }
        let slow: Vec<u32> = slow.into_iter().map(|(uid, _)| uid).collect();
        prop_assert_eq!(sorted(&keys, &given), slow);
    }
}
