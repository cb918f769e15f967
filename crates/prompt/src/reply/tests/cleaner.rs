use proptest::prelude::*;

use super::*;

fn options() -> CleanOptions {
    CleanOptions {
        stops: vec!["\nAda:".to_owned(), "### Input".to_owned(), "é!".to_owned()],
        speaker: "Mira".to_owned(),
        partner: "Ada".to_owned(),
        ..CleanOptions::default()
    }
}

fn clean(options: &CleanOptions, pieces: &[&str]) -> (String, bool) {
    let mut cleaner = ReplyCleaner::new(options.clone());
    let mut text = String::new();
    for piece in pieces {
        text.push_str(&cleaner.push(piece));
    }
    let finished = cleaner.finish();
    (text + &finished.text, finished.stopped)
}

#[test]
fn a_reply_is_cleaned() {
    let plain = options();
    let sentences = CleanOptions {
        trim_sentences: true,
        ..options()
    };
    let lines = CleanOptions {
        collapse_newlines: true,
        ..options()
    };
    let continues = CleanOptions {
        continues: true,
        ..options()
    };
    for (name, options, text, expected, stopped) in [
        ("nothing to do", &plain, "Hello.\n\nYou?", "Hello.\n\nYou?", false),
        ("blanks at both ends", &plain, "\n  Hello. \n", "Hello.", false),
        ("the speaker's name", &plain, "Mira: Hello.", "Hello.", false),
        ("blanks around the name", &plain, " Mira:\n Hello.", "Hello.", false),
        ("the name once", &plain, "Mira: Mira: Hi", "Mira: Hi", false),
        (
            "the name without a colon",
            &plain,
            "Mira smiles.",
            "Mira smiles.",
            false,
        ),
        ("a part of the name", &plain, "Mir", "Mir", false),
        ("a stop string", &plain, "Hello.\nAda: Hi", "Hello.", true),
        ("the partner at the start", &plain, "Ada: Hi", "", true),
        (
            "the partner behind the speaker's name",
            &plain,
            "Mira: Ada: Hi",
            "",
            true,
        ),
        (
            "the partner's name in a sentence",
            &plain,
            "Say Ada: Hi",
            "Say Ada: Hi",
            false,
        ),
        ("a reply that the partner's name starts with", &plain, "Ad", "Ad", false),
        ("the first of two", &plain, "a### Input\nAda:", "a", true),
        ("a stop string beyond ASCII", &plain, "caffé!x", "caff", true),
        ("a marker", &plain, "Hello.<|im_end|>x", "Hello.", true),
        ("a partial stop string", &plain, "Hello.\nAd", "Hello.", false),
        ("a partial marker", &plain, "Hello. <|endof", "Hello.", false),
        ("too little for one", &plain, "x <", "x <", false),
        ("a start that starts again", &plain, "\n\nAda\nAda:", "Ada", true),
        (
            "no incomplete sentence",
            &sentences,
            "One. Two. Thr",
            "One. Two.",
            false,
        ),
        ("a quotation is an end", &sentences, "\"One\" and", "\"One\"", false),
        ("an emoji is an end", &sentences, "One 🐉 and", "One 🐉", false),
        (
            "nothing but an incomplete sentence",
            &sentences,
            "One and",
            "One and",
            false,
        ),
        (
            "an incomplete sentence before a stop",
            &sentences,
            "One. Tw\nAda: x",
            "One.",
            true,
        ),
        ("line ends become one", &lines, "a\n\n\nb\n \nc", "a\nb\n \nc", false),
        ("a start goes on", &continues, " and\n", " and", false),
        ("a name is no start", &continues, "Mira: x", "Mira: x", false),
        ("nothing", &plain, "", "", false),
        ("blanks only", &plain, " \n ", "", false),
    ] {
        assert_eq!(clean(options, &[text]), (expected.to_owned(), stopped), "{name}");
    }
}

#[test]
fn what_is_certain_is_given_out_at_once() {
    let mut cleaner = ReplyCleaner::new(options());
    for (piece, expected) in [
        ("Mi", ""),
        ("nt ", "Mint"),
        ("and", " and"),
        (" # ", " #"),
        ("##", ""),
        ("# Out", " ### Out"),
        ("\nA", ""),
        ("h", "\nAh"),
        ("\nAda", ""),
        (":", ""),
        ("more", ""),
    ] {
        assert_eq!(cleaner.push(piece), expected, "{piece}");
    }
    assert!(cleaner.is_stopped());
    assert_eq!(
        cleaner.finish(),
        Finished {
            text: String::new(),
            stopped: true
        }
    );
}

#[test]
fn a_sentence_too_long_to_be_left_out_is_kept() {
    let options = CleanOptions {
        trim_sentences: true,
        ..options()
    };
    let long = "a".repeat(MAX_SENTENCE + 1);
    assert_eq!(clean(&options, &["One. ", &long]).0, format!("One. {long}"));
}

#[test]
fn only_so_many_blanks_are_kept() {
    let (text, _) = clean(&options(), &["a", &" ".repeat(100_000), "b"]);
    assert_eq!(text.len(), MAX_BLANKS + 2);
}

#[test]
fn stop_strings_that_cannot_be_used_are_left_out() {
    let options = CleanOptions {
        stops: vec![String::new(), "x".repeat(MAX_STOP_BYTES + 1)],
        ..CleanOptions::default()
    };
    assert_eq!(clean(&options, &["a"]), ("a".to_owned(), false));
}

proptest! {
    #[test]
    fn pieces_do_not_matter_and_little_is_held_back(
        text in "(Mira|Ada|:|\n| |#|##|### Input|é|!|<|im_end|>|[.]|a|<\\|im_end\\|>){0,30}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        trim_sentences: bool,
        collapse_newlines: bool,
        continues: bool,
    ) {
        let options = CleanOptions { trim_sentences, collapse_newlines, continues, ..options() };
        let whole = clean(&options, &[&text]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        prop_assert_eq!(clean(&options, &pieces), whole);
    }

    #[test]
    fn what_is_held_back_is_bounded(text in "[ab \n.:#]{1,20}", times in 1_usize..2000) {
        let options = CleanOptions { trim_sentences: true, ..options() };
        let mut cleaner = ReplyCleaner::new(options);
        for _ in 0..times {
            let _ = cleaner.push(&text);
        }
        prop_assert!(cleaner.finish().text.len() <= 3 * 1024);
    }
}
