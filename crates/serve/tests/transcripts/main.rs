//! Plays `tests/transcripts/smtp/*.smtp` over sockets: TCP, and TLS; behind them the stand-in of
//! `testkit`, and then the real door with a data folder.
//!
//! The pure session plays them too, at every cut of the input (`smtp`). Here the kernel, the
//! connection loop and rustls cut it. Time is the runtime's, which `@wait` moves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod door;
mod line;
mod stand_in;

use std::fs;
use std::path::{Path, PathBuf};

use mailwright_testkit::transcript::{Smtp, Transcript};

use door::House;
use line::{Line, Lines, Way};
use stand_in::StandIn;

fn transcripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/smtp");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &PathBuf| file.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|file| (name(file), fs::read_to_string(file).unwrap())).collect()
}

/// Whether a transcript is about a connection that is not encrypted. Over TLS it is played behind
/// a terminator: the connection is encrypted, and the session does not know.
fn is_about_plain(text: &str) -> bool {
    ["STARTTLS", "@tls", "AUTH", "plain", "= protocol"].iter().any(|word| text.contains(word))
}

async fn over(way: Way) {
    let lines = Lines::new();
    let mut wrong = Vec::new();
    for (name, text) in transcripts() {
        let transcript = Transcript::parse(&text).unwrap();
        let way = way.of(&text);
        let stand_in = StandIn::<Smtp>::new(&transcript, way);
        let line = Line::connect(&lines, way, stand_in.session()).await;
        let look = |noun: &str, want: &str| stand_in.check(noun, want);
        if let Err(mismatch) = line.play(&transcript, look).await {
            wrong.push(format!("{name} {way:?} {mismatch}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_transcript_plays_over_tcp() {
    over(Way::Tcp).await;
}

#[tokio::test]
async fn every_transcript_plays_over_tls() {
    over(Way::Tls).await;
}

/// Transcripts that the real door does not play, and why. The stand-in plays them over sockets.
const NOT_BEHIND_THE_DOOR: [(&str, &str); 7] = [
    ("binarymime_not_offered", "the door always offers it"),
    ("times_not_offered", "the door always offers DELIVERBY"),
    ("addresses", "the stand-in has a mailbox with a space in its name, and one at a literal"),
    ("hello_names", "the stand-in refuses a name that the door would take"),
    ("refused_message", "the stand-in refuses a message by its sender"),
    ("turned_away", "the stand-in turns a network away"),
    ("newlines_normalised", "the door normalises for clients that logged in or are trusted"),
];

async fn behind_the_door(way: Way) {
    let lines = Lines::new();
    let house = House::open().await;
    let mut wrong = Vec::new();
    let mut played = 0;
    for (name, text) in transcripts() {
        if NOT_BEHIND_THE_DOOR.iter().any(|(except, _)| *except == name) {
            continue;
        }
        let transcript = Transcript::parse(&text).unwrap();
        let way = way.of(&text);
        let Some(room) = house.room(&transcript, way) else { continue };
        let line = Line::connect(&lines, way, room.session()).await;
        let look = |noun: &str, want: &str| room.check(noun, want);
        if let Err(mismatch) = line.play(&transcript, look).await {
            wrong.push(format!("{name} {way:?} {mismatch}"));
        }
        played += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(played > 50, "{played} were played");
}

#[tokio::test]
async fn transcripts_play_over_tcp_behind_the_real_door() {
    behind_the_door(Way::Tcp).await;
}

#[tokio::test]
async fn transcripts_play_over_tls_behind_the_real_door() {
    behind_the_door(Way::Tls).await;
}

#[test]
fn what_the_door_does_not_play_is_there() {
    let names: Vec<String> = transcripts().into_iter().map(|(name, _)| name).collect();
    for (name, why) in NOT_BEHIND_THE_DOOR {
        assert!(names.iter().any(|known| known == name), "{name}: {why}");
    }
}
