use super::*;
use crate::notes::Note;
use tavern_extension::Role;

fn notes(texts: &[&str]) -> Notes {
    let mut notes = Notes::default();
    for text in texts {
        notes.add(Note::heard(text.to_string(), 1), 100);
    }
    notes
}

fn said(text: &str) -> Vec<Message> {
    vec![Message::new("1", Role::User, text)]
}

#[test]
fn what_fits_the_latest_messages_comes_first() {
    let notes = notes(&["Ana keeps bees", "Ana hates thunder", "Ana works nights"]);
    // A line is about six tokens here.
    let chosen = |text: &str| choose(&notes, &said(text), 8, "H:");
    assert_eq!(chosen("A storm! Thunder over Ana's house."), ["- Ana hates thunder"]);
    assert_eq!(chosen("Nothing of it."), ["- Ana works nights"]);
}

#[test]
fn as_many_as_fit_come_in_the_order_they_were_noted() {
    let notes = notes(&["one thing", "another matter", "third point"]);
    assert_eq!(
        choose(&notes, &said("third"), 100, "H:"),
        ["- one thing", "- another matter", "- third point"]
    );
    assert!(choose(&notes, &said("third"), 3, "H:").is_empty());
}

#[test]
fn the_summary_is_first_if_it_fits() {
    let mut notes = notes(&["one thing"]);
    notes.summary = "They met.".into();
    assert_eq!(choose(&notes, &[], 100, "H:"), ["They met.", "- one thing"]);
    notes.summary = "They met. ".repeat(100);
    assert_eq!(choose(&notes, &[], 100, "H:"), ["- one thing"]);
}
