use super::*;

fn all(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    stems(text, |stem| found.push(stem.to_owned()));
    found
}

#[test]
fn the_forms_of_a_word_are_one() {
    for forms in [
        "horse horses Horse's",
        "run running runs",
        "city cities",
        "dragon dragons DRAGON",
        "walk walked walking walks",
        "happy happily happiness",
        "glass glasses",
        "bell bells",
    ] {
        let stems = all(forms);
        assert!(stems.iter().all(|stem| *stem == stems[0]), "{forms}: {stems:?}");
    }
}

#[test]
fn other_words_stay_apart() {
    for (one, other) in [
        ("sing", "sea"),
        ("red", "reed"),
        ("bus", "but"),
        ("king", "kind"),
        ("dress", "dread"),
    ] {
        assert_ne!(all(one), all(other));
    }
}

#[test]
fn what_says_nothing_is_left_out() {
    assert!(COMMON.is_sorted(), "it is searched by halves");
    assert_eq!(all("And then they were with the king of it."), ["king"]);
    assert_eq!(all("Über 竜の門 été"), ["über", "竜の門", "été"]);
    assert!(all("").is_empty());
}
