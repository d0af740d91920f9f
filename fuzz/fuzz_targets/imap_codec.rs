//! Where imap-codec and we both take a command, we take it for the same.
#![no_main]

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::command::{Command as Theirs, CommandBody as Body};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::flag::{StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use libfuzzer_sys::fuzz_target;
use mailwright_imap::command::{Command, Nothing, Order, Set};
use mailwright_imap::{Change, Settings};

fuzz_target!(|input: &[u8]| {
    let line = [b"a ", input, b"\r\n"].concat();
    let Ok((b"", theirs)) = CommandCodec::default().decode(&line) else { return };
    let Ok(ours) = Command::parse(input, &Settings::new("mx"), &Nothing) else { return };
    assert!(same(&ours, &theirs), "{ours:?}\n{theirs:?}");
});

fn same(ours: &Command, theirs: &Theirs<'_>) -> bool {
    match (ours, &theirs.body) {
        (Command::Capability, Body::Capability)
        | (Command::Noop, Body::Noop)
        | (Command::Check, Body::Check)
        | (Command::Logout, Body::Logout)
        | (Command::StartTls, Body::StartTLS)
        | (Command::Close, Body::Close)
        | (Command::Unselect, Body::Unselect)
        | (Command::Idle, Body::Idle)
        | (Command::Enable(_), Body::Enable { .. })
        | (Command::Status(..), Body::Status { .. })
        | (Command::GetQuota(_), Body::GetQuota { .. })
        | (Command::GetQuotaRoot(_), Body::GetQuotaRoot { .. })
        | (Command::SetQuota, Body::SetQuota { .. })
        | (Command::Id(_), Body::Id { .. })
        | (Command::Authenticate { .. }, Body::Authenticate { .. })
        | (Command::Expunge(None), Body::Expunge) => true,
        (Command::Login { name, password }, Body::Login { username, password: secret }) => {
            **name == *octets(username) && password.0 == octets(secret.declassify())
        }
        (Command::Select(select), Body::Select { mailbox, .. }) => {
            !select.read_only && named(&select.name, mailbox)
        }
        (Command::Select(select), Body::Examine { mailbox, .. }) => {
            select.read_only && named(&select.name, mailbox)
        }
        (Command::Create { name, .. }, Body::Create { mailbox })
        | (Command::Delete(name), Body::Delete { mailbox })
        | (Command::Subscribe(name, true), Body::Subscribe { mailbox })
        | (Command::Subscribe(name, false), Body::Unsubscribe { mailbox }) => named(name, mailbox),
        (Command::Rename(old, new), Body::Rename { from, to }) => {
            named(old, from) && named(new, to)
        }
        (Command::List(list), Body::List { .. }) => !list.lsub,
        (Command::List(list), Body::Lsub { .. }) => list.lsub,
        _ => same_of_messages(ours, theirs),
    }
}

fn same_of_messages(ours: &Command, theirs: &Theirs<'_>) -> bool {
    match (ours, &theirs.body) {
        (Command::Expunge(Some(set)), Body::ExpungeUid { sequence_set }) => {
            equal(set, sequence_set)
        }
        (Command::Fetch(fetch), Body::Fetch { sequence_set, uid, .. }) => {
            fetch.uid == *uid && equal(&fetch.set, sequence_set)
        }
        (Command::Store(store), Body::Store { sequence_set, kind, response, uid, .. }) => {
            let kinds = matches!(
                (&store.change, kind),
                (Change::Set { .. }, StoreType::Replace)
                    | (Change::Add { .. }, StoreType::Add)
                    | (Change::Remove { .. }, StoreType::Remove)
            );
            let silent = matches!(response, StoreResponse::Silent);
            kinds && store.silent == silent && store.uid == *uid && equal(&store.set, sequence_set)
        }
        (
            Command::Copy { set, uid, to, moves },
            Body::Copy { sequence_set, mailbox, uid: theirs },
        ) => !moves && uid == theirs && equal(set, sequence_set) && named(to, mailbox),
        (
            Command::Copy { set, uid, to, moves },
            Body::Move { sequence_set, mailbox, uid: theirs },
        ) => *moves && uid == theirs && equal(set, sequence_set) && named(to, mailbox),
        (Command::Search(search), Body::Search { criteria, uid, charset }) => {
            let keys = search.program.keys.len() == criteria.as_ref().len();
            let order = search.order == Order::Mailbox;
            order && search.uid == *uid && keys && search.charset == charset.is_some()
        }
        (Command::Search(search), Body::Sort { sort_criteria, uid, search_criteria, .. }) => {
            let Order::Sort(keys) = &search.order else { return false };
            let count = search.program.keys.len() == search_criteria.as_ref().len();
            keys.len() == sort_criteria.as_ref().len() && search.uid == *uid && count
        }
        (Command::Search(search), Body::Thread { uid, .. }) => {
            matches!(search.order, Order::Thread(_)) && search.uid == *uid
        }
        _ => false,
    }
}

fn octets(text: &AString<'_>) -> Vec<u8> {
    text.as_ref().to_vec()
}

fn named(ours: &[u8], theirs: &Mailbox<'_>) -> bool {
    match theirs {
        Mailbox::Inbox => ours.eq_ignore_ascii_case(b"INBOX"),
        Mailbox::Other(other) => other.as_ref() == ours,
    }
}

fn equal(ours: &Set, theirs: &SequenceSet) -> bool {
    let Set::Ranges(ours) = ours else { return false };
    let bound = |place: &SeqOrUid| match place {
        SeqOrUid::Value(number) => Some(number.get()),
        SeqOrUid::Asterisk => None,
    };
    let theirs: Vec<(Option<u32>, Option<u32>)> = theirs
        .0
        .as_ref()
        .iter()
        .map(|sequence| match sequence {
            Sequence::Single(place) => (bound(place), bound(place)),
            Sequence::Range(first, last) => (bound(first), bound(last)),
        })
        .collect();
    *ours == theirs
}
