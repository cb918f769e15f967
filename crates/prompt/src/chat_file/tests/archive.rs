use std::io::{Cursor, Read};

use super::*;

fn unpacked(bytes: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    let files = (0..archive.len()).map(|index| {
        let mut file = archive.by_index(index).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        (file.name().expect("UTF-8").into_owned(), text)
    });
    files.collect()
}

#[test]
fn names_are_made_safe_and_told_apart() {
    let long = "é".repeat(200);
    let cut = format!("{}.jsonl", "é".repeat(100));
    for (name, expected) in [
        ("Mira", "Mira.jsonl"),
        ("mira.jsonl", "mira (2).jsonl"),
        ("MIRA", "MIRA (3).jsonl"),
        ("Mira (2)", "Mira (2) (2).jsonl"),
        ("../../etc/passwd", "_.._etc_passwd.jsonl"),
        ("C:\\x", "C__x.jsonl"),
        ("", "chat.jsonl"),
        ("..", "chat (2).jsonl"),
        ("con", "_con.jsonl"),
        ("NUL.tar", "_NUL.tar.jsonl"),
        ("a\0b\u{202e}gpj", "a_b_gpj.jsonl"),
        ("dot. ", "dot.jsonl"),
        (long.as_str(), cut.as_str()),
    ] {
        // What stands before, in this order, is what a name can clash with.
        let before = ["Mira", "mira.jsonl", "MIRA", "Mira (2)", ""];
        let at = before.iter().position(|it| *it == name).unwrap_or(before.len());
        let mut chats: Vec<_> = before.iter().take(at).map(|name| (*name, "x")).collect();
        chats.push((name, "y"));
        let files = unpacked(write_archive(&chats).expect("small"));
        assert_eq!(files.last(), Some(&(expected.to_owned(), "y".to_owned())));
    }
}

#[test]
fn the_same_chats_give_the_same_bytes() {
    let chats = [("A", "{}\n{}"), ("B", "")];
    let archive = write_archive(&chats).expect("small");
    assert_eq!(write_archive(&chats).expect("small"), archive);
    let expected = [("A.jsonl", "{}\n{}"), ("B.jsonl", "")];
    assert_eq!(
        unpacked(archive),
        expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

#[test]
fn thousands_of_one_name_stay_apart() {
    let chats = vec![("x", ""); 3_000];
    let mut names: Vec<_> = unpacked(write_archive(&chats).expect("small"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3_000);
}
