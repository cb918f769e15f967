use super::*;
use tavern_extension::Role;

fn candidate(title: &str, text: &str) -> Candidate {
    Candidate {
        id: title.into(),
        book: "book".into(),
        title: title.into(),
        keys: Vec::new(),
        tokens: 10,
        active: false,
        text: text.into(),
    }
}

fn said(texts: &[&str]) -> Vec<Message> {
    texts.iter().map(|text| Message::new("m", Role::User, *text)).collect()
}

fn library() -> Vec<Candidate> {
    vec![
        candidate(
            "The mill",
            "An old mill by the river, where flour is ground. The miller is called Hob.",
        ),
        candidate("The dragon", "A dragon sleeps below the mountain on its gold."),
        candidate(
            "The market",
            "Merchants sell flour, cloth and gold rings on the market of the old town.",
        ),
    ]
}

#[test]
fn what_shares_the_rarest_words_fits_best() {
    let scores = relevance(&said(&["Is it true that dragons sleep on mountains?"]), &library());
    assert!(scores[1] > 0.5 && scores[0] == 0.0 && scores[2] == 0.0, "{scores:?}");
    let scores = relevance(&said(&["We buy flour at the market."]), &library());
    assert!(
        scores[2] > scores[0] && scores[0] > 0.0 && scores[1] == 0.0,
        "{scores:?}"
    );
}

#[test]
fn the_last_message_says_most() {
    let scores = relevance(&said(&["the mill", "the dragon"]), &library());
    assert!(scores[1] > scores[0] && scores[0] > 0.0, "{scores:?}");
}

#[test]
fn a_title_or_a_key_says_more_than_the_text() {
    let mut keyed = candidate("b", "of something else entirely");
    keyed.keys.push("lantern".into());
    let scores = relevance(
        &said(&["A lantern!"]),
        &[candidate("a", "there hangs a lantern somewhere"), keyed],
    );
    assert!(scores[1] > scores[0] && scores[0] > 0.0, "{scores:?}");
}

#[test]
fn nothing_fits_nothing() {
    assert_eq!(relevance(&[], &library()), [0.0; 3]);
    assert_eq!(relevance(&said(&["xyzzy"]), &library()), [0.0; 3]);
    assert!(relevance(&said(&["dragon"]), &[]).is_empty());
}

#[test]
fn scores_stay_within_bounds_whatever_there_is() {
    let long = "dragon ".repeat(5_000);
    let entries: Vec<_> = (0..1_000).map(|index| candidate(&index.to_string(), &long)).collect();
    for score in relevance(&said(&[&long, "dragon 7"]), &entries) {
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
}

#[test]
fn a_large_library_is_read_as_far_as_there_is_fuel() {
    let filler = "word ".repeat(TEXT_BYTES / 5);
    let mut entries: Vec<_> = (0..ALL_BYTES / TEXT_BYTES - 1)
        .map(|_| candidate("", &filler))
        .collect();
    entries.extend([candidate("", "dragon"), candidate("", &filler), candidate("", &filler)]);
    entries.push(candidate("", "dragon"));
    let scores = relevance(&said(&["dragon"]), &entries);
    assert!(scores[ALL_BYTES / TEXT_BYTES - 1] > 0.0);
    assert_eq!(scores.last(), Some(&0.0));
}
