use super::*;

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn marks_are_kept_whoever_makes_them() {
    assert_eq!(
        marked("Well. [[remember: the key is\n under the mat]] And [[remember:Bo]] [[remember: ]] [[remember: open"),
        ["the key is under the mat", "Bo"]
    );
}

#[test]
fn a_sentence_is_kept_where_its_beginning_begins_something() {
    let facts = list(&["my name is", "i'm from", "i like"]);
    for (text, kept) in [
        ("My name is Ana.", "My name is Ana."),
        ("\"I’m from Graz!\" she says", "I’m from Graz!"),
        ("Hello, I like plums.", "Hello, I like plums."),
        ("He sleeps and I like it", "He sleeps and I like it"),
    ] {
        assert_eq!(beginning(text, &facts), [kept], "{text}");
    }
    for text in [
        "",
        "Is my name is what you ask?",
        "He thinks my name is odd.",
        "I liked plums.",
        "[[remember: i like plums]]",
    ] {
        assert_eq!(beginning(text, &facts), list(&[]), "{text}");
    }
}

#[test]
fn one_message_gives_so_many_notes_of_such_a_length() {
    let text = format!("I like {}. ", "ü".repeat(400)).repeat(20);
    let notes = beginning(&text, &list(&["i like"]));
    assert_eq!(notes.len(), MAX_NOTES);
    assert!(notes.iter().all(|note| note.len() <= MAX_NOTE && note.ends_with('…')));
}
