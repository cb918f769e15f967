use super::*;

fn heard(text: &str) -> Note {
    Note::heard(text.into(), 1)
}

fn texts(notes: &Notes) -> Vec<&str> {
    notes.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn what_is_said_again_is_one_note_and_stays_marked() {
    let mut notes = Notes::default();
    notes.add(Note::marked("Ana likes ripe plums most".into(), 1), 10);
    notes.add(heard("Bo is tall"), 10);
    notes.add(heard("ANA likes ripe plums most!"), 10);
    assert_eq!(texts(&notes), ["Bo is tall", "ANA likes ripe plums most!"]);
    assert!(notes.notes[1].marked);
}

#[test]
fn the_oldest_that_nobody_marked_goes_first() {
    let mut notes = Notes::default();
    notes.add(Note::marked("first".into(), 1), 3);
    for text in ["second", "third", "fourth"] {
        notes.add(heard(text), 3);
    }
    assert_eq!(texts(&notes), ["first", "third", "fourth"]);
    for text in ["fifth", "sixth", "seventh"] {
        notes.add(Note::marked(text.into(), 1), 3);
    }
    assert_eq!(texts(&notes), ["fifth", "sixth", "seventh"]);
}

#[test]
fn a_reply_that_is_replaced_takes_its_notes_along() {
    let mut notes = Notes::default();
    notes.add(heard("from the user").clone(), 10);
    notes.add(heard("another reply").of_reply(), 10);
    notes.add(Note::heard("reply elsewhere".into(), 2).of_reply(), 10);
    notes.forget_reply(1);
    assert_eq!(texts(&notes), ["from the user", "reply elsewhere"]);
}
