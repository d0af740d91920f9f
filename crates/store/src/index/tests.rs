//! The index on a real folder.

use std::fs;

use mailwright_words::Id;

use super::*;
use crate::capture::Brief;

fn id(number: i64) -> Id {
    Id::from_i64(number)
}

fn entry(account: i64, message: i64) -> Entry {
    let digest = message.to_le_bytes().to_vec();
    let signature = vec![u8::try_from(message % 251).unwrap(); 3000];
    let brief = (message % 2 == 0).then(|| format!("{message} 0\n\n"));
    let imprint = Arc::new(Imprint { digest, signature, brief });
    Entry { account: id(account), message: id(message), imprint }
}

fn found(index: &Index, account: i64, wanted: &[i64], indexed: Indexed) -> Vec<i64> {
    let wanted: Vec<Id> = wanted.iter().copied().map(id).collect();
    let mut found = Vec::new();
    index
        .scan(id(account), &wanted, indexed, &mut |place, bytes| {
            let number = wanted[place].get();
            match indexed {
                Indexed::Digest => assert_eq!(bytes, number.to_le_bytes()),
                Indexed::Brief => {
                    let attachments = i64::try_from(Brief::from_bytes(bytes).unwrap().attachments);
                    assert_eq!((attachments.unwrap(), number % 2), (number, 0));
                }
                Indexed::Signature => {
                    assert_eq!(bytes.len(), 3000);
                    assert_eq!(i64::from(bytes[9]), number % 251);
                }
            }
            found.push(number);
            true
        })
        .unwrap();
    found
}

#[test]
fn entries_are_found_in_their_account_however_far_apart() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path(), 1, 2).unwrap();
    let entries: Vec<Entry> =
        (1..=900).map(|message| entry(1 + i64::from(message % 3 == 0), message)).collect();
    index.keep(&entries, Some(id(900))).unwrap();
    for wanted in [
        vec![],
        vec![1, 2, 3, 4, 5, 6, 7],
        vec![1, 500, 899, 900, 901],
        vec![5000],
        (1..=900).step_by(37).collect(),
        (0..=950).collect(),
        vec![4, 4, 4, 5],
    ] {
        let expected: Vec<i64> =
            wanted.iter().copied().filter(|n| (1..=900).contains(n) && n % 3 != 0).collect();
        assert_eq!(found(&index, 1, &wanted, Indexed::Digest), expected);
        assert_eq!(found(&index, 1, &wanted, Indexed::Signature), expected);
        let even: Vec<i64> = expected.into_iter().filter(|n| n % 2 == 0).collect();
        assert_eq!(found(&index, 1, &wanted, Indexed::Brief), even);
    }
    let all: Vec<Id> = (1..=900).map(id).collect();
    let mut count = 0;
    let mut three = |_: usize, _: &[u8]| {
        count += 1;
        count < 3
    };
    index.scan(id(1), &all, Indexed::Digest, &mut three).unwrap();
    assert_eq!(count, 3);
}

#[test]
fn entries_that_go_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path(), 1, 2).unwrap();
    index.keep(&[entry(1, 1), entry(1, 2), entry(2, 3)], None).unwrap();
    assert_eq!(index.after((id(0), id(0)), 2).unwrap(), [(id(1), id(1)), (id(1), id(2))]);
    assert_eq!(index.after((id(1), id(2)), 2).unwrap(), [(id(2), id(3))]);
    index.forget(&[(id(1), id(1)), (id(9), id(9))]).unwrap();
    assert_eq!(found(&index, 1, &[1, 2, 3], Indexed::Digest), [2]);
    assert_eq!(found(&index, 1, &[1, 2, 3], Indexed::Signature), [2]);
    index.forget(&[(id(1), id(2))]).unwrap();
    assert!(found(&index, 1, &[1, 2, 3], Indexed::Brief).is_empty());
}

#[test]
fn an_index_stays_for_the_lives_that_follow_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let open = |epoch| Index::open(folder.path(), epoch, 2).unwrap();
    open(5).keep(&[entry(1, 1)], Some(id(7))).unwrap();
    let later = open(6);
    assert_eq!(found(&later, 1, &[1], Indexed::Digest), [1]);
    assert_eq!(later.mark().unwrap(), id(7));
    later.keep(&[], Some(id(3))).unwrap();
    assert_eq!(later.mark().unwrap(), id(7));
    drop(later);
    // The same life again: the rest of the folder was put back from a copy.
    assert!(found(&open(6), 1, &[1], Indexed::Digest).is_empty());
}

#[test]
fn what_is_no_index_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    fs::write(&path, b"no database, but a file that is long enough for a header".repeat(99))
        .unwrap();
    let index = Index::open(folder.path(), 1, 2).unwrap();
    index.keep(&[entry(1, 1)], Some(id(1))).unwrap();
    index.writer().pragma_update(None, "user_version", 1).unwrap();
    drop(index);
    let index = Index::open(folder.path(), 2, 2).unwrap();
    assert_eq!((index.mark().unwrap(), found(&index, 1, &[1], Indexed::Digest)), (id(0), vec![]));
}
