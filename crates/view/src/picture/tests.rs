//! A client that believes only what it is told sees what the server has.

use proptest::prelude::*;

use super::*;
use crate::{
    FlagChange, Flags,
    snapshot::tests::{mailbox, row},
};

/// A client: the UIDs it counts, with what it last heard of their flags.
fn listen(client: &mut Vec<(u32, Flags)>, news: &News, picture: &Picture) {
    for &(seq, uid) in &news.expunged {
        let at = usize::try_from(seq).unwrap() - 1;
        assert_eq!(client.remove(at).0, uid);
    }
    if let Some(exists) = news.exists {
        for seq in client.len() + 1..=usize::try_from(exists).unwrap() {
            let row = picture.row(u32::try_from(seq).unwrap()).unwrap();
            client.push((row.uid, row.flags));
        }
    }
    for (seq, row) in &news.changed {
        let known = &mut client[usize::try_from(*seq).unwrap() - 1];
        assert_eq!(known.0, row.uid);
        known.1 = row.flags;
    }
}

fn picture_of(picture: &Picture) -> Vec<(u32, Flags)> {
    picture.rows().map(|(_, row)| (row.uid, row.flags)).collect()
}

#[test]
fn an_expunged_row_stays_readable_until_it_may_be_told() {
    let mut picture = Picture::new(mailbox(1..=5));
    let mut editor = picture.snapshot().edit();
    editor.expunge(&NumberSet::range(2..=2), 5);
    editor.append(row(6, 6));
    let new = editor.finish();
    let news = picture.advance(&new, Expunges::Keep);
    assert_eq!((news.exists, news.expunged.len()), (Some(6), 0));
    assert_eq!(picture.row(2).map(|row| row.uid), Some(2));
    assert_eq!(picture.row(6).map(|row| row.uid), Some(6));
    assert_eq!((picture.seq(2), picture.seq(3), picture.len()), (Some(2), Some(3), 6));
    let news = picture.advance(&new, Expunges::Tell);
    assert_eq!(news.expunged, [(2, 2)]);
    assert_eq!((picture.seq(2), picture.seq(3), picture.len()), (None, Some(2), 5));
    assert!(picture.advance(&new, Expunges::Tell).is_empty());
}

#[test]
fn a_message_that_came_and_went_is_never_told() {
    let mut picture = Picture::new(mailbox(1..=2));
    let mut editor = picture.snapshot().edit();
    editor.append(row(3, 5));
    editor.expunge(&NumberSet::range(3..=3), 6);
    assert!(picture.advance(&editor.finish(), Expunges::Tell).is_empty());
}

proptest! {
    #[test]
    fn a_client_that_hears_the_news_sees_the_mailbox(
        steps in prop::collection::vec((0_u8..4, 1_u32..3000, 0_u32..40, any::<bool>()), 1..40),
    ) {
        let mut snapshot = mailbox(1..=2500);
        let mut picture = Picture::new(snapshot.clone());
        let mut client = picture_of(&picture);
        for (modseq, (what, uid, more, tell)) in (10_u64..).zip(steps) {
            let mut editor = snapshot.edit();
            let uids = NumberSet::range(uid..=uid + more);
            match what {
                0 => (0..more).for_each(|_| editor.append(row(editor.identity.uidnext, modseq))),
                1 => drop(editor.expunge(&uids, modseq)),
                _ => {
                    let flag = FlagChange::Add(Flags::system(1 << (more % 5)));
                    drop(editor.change_flags(&uids, flag, modseq));
                }
            }
            snapshot = editor.finish();
            let expunges = if tell { Expunges::Tell } else { Expunges::Keep };
            let news = picture.advance(&snapshot, expunges);
            listen(&mut client, &news, &picture);
            prop_assert_eq!(&client, &picture_of(&picture));
            for (seq, row) in picture.rows().step_by(97) {
                prop_assert_eq!(picture.seq(row.uid), Some(seq));
                prop_assert_eq!(picture.row(seq), Some(&row));
            }
            let some = NumberSet::range(uid..=uid + more);
            let found = picture.by_seq(&some);
            let slow: Vec<_> = picture.rows().filter(|(seq, _)| some.contains(*seq)).collect();
            prop_assert_eq!(found, slow);
            let found = picture.by_uid(&some);
            let slow: Vec<_> = picture.rows().filter(|(_, row)| some.contains(row.uid)).collect();
            prop_assert_eq!(picture.count(&some), u32::try_from(slow.len()).unwrap());
            prop_assert_eq!(found, slow);
        }
        let news = picture.advance(&snapshot, Expunges::Tell);
        listen(&mut client, &news, &picture);
        let truth: Vec<_> = snapshot.rows().map(|row| (row.uid, row.flags)).collect();
        prop_assert_eq!(client, truth);
    }
}
