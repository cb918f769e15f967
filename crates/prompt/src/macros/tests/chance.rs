use super::*;
use std::collections::BTreeSet;

/// All that `text` comes to over many seeds.
fn over_seeds(text: &str) -> BTreeSet<String> {
    (0..200)
        .map(|seed| Macros::new(scene(), Variables::new(), Variables::new(), seed).expand(text))
        .collect()
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn lists_are_written_in_several_ways() {
    for (about, list, items) in [
        ("double colons", "::a::b::c", &["a", "b", "c"][..]),
        ("commas", ":a,b, c", &["a", "b", "c"]),
        ("commas behind a blank", " a,b", &["a", "b"]),
        ("commas behind double colons", "::a,b", &["a", "b"]),
        ("double colons behind one", ":a, b::c", &["a, b", "c"]),
        ("a comma that is text", r":a\,b,c", &["a,b", "c"]),
        ("a comma that is text, alone", r":a\,b", &["a,b"]),
        ("one item", "::a", &["a"]),
        ("empty items", ":a,,b", &["a", "", "b"]),
        ("no item", "", &[""]),
        ("commas among double colons", "::a,b::c", &["a,b", "c"]),
        ("macros as items", ":{{char}},{{user}}", &["Mira", "Tom"]),
        ("a list of a macro", ":{{setvar::l::a,b}}{{getvar::l}}", &["a", "b"]),
        (
            "a value's commas in a list",
            ":{{setvar::l::a,b}}{{getvar::l}},c",
            &["a,b", "c"],
        ),
        ("braces", r":\{a,b\}", &["{a", "b}"]),
    ] {
        assert_eq!(over_seeds(&format!("{{{{random{list}}}}}")), set(items), "{about}");
        let picked: BTreeSet<_> = (0..200)
            .map(|chat_seed| macros(Scene { chat_seed, ..scene() }).expand(&format!("{{{{pick{list}}}}}")))
            .collect();
        assert_eq!(picked, set(items), "{about}, picked");
    }
}

#[test]
fn every_item_of_a_list_is_evaluated_in_order() {
    assert_eq!(over_seeds("{{random::{{.n++}}::{{.n++}}}}{{.n}}"), set(&["12", "22"]));
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let text = "{{random:a,b,c,d,e,f,g,h}}{{roll:1000000}}";
    let drawn = |seed| Macros::new(scene(), Variables::new(), Variables::new(), seed).expand(text);
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let mut stream = macros(scene());
    assert_ne!(stream.expand(text), stream.expand(text));
}

#[test]
fn draws_stay_what_they_were_in_earlier_releases() {
    let mut macros = macros(Scene {
        chat_seed: 5,
        ..scene()
    });
    let text =
        "{{roll:1000}} {{roll:3d6}} {{random:a,b,c,d}} {{pick:a,b,c,d,e,f,g,h,i,j}} {{pick:a,b,c,d,e,f,g,h,i,j}}";
    assert_eq!(macros.expand(text), "56 10 d g f");
}

#[test]
fn a_pick_stays_in_its_chat_text_and_place() {
    let list = "{{pick:a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p}}";
    let picked = |chat_seed, text: &str| macros(Scene { chat_seed, ..scene() }).expand(text);
    let twice = format!("{list}{list}");
    let mut macros = macros(scene());
    macros.expand("{{random:a,b}}");
    assert_eq!(
        macros.expand(&twice),
        macros.expand(&twice),
        "whatever is drawn between"
    );
    let places: BTreeSet<_> = picked(1, &list.repeat(20)).chars().collect();
    assert!(places.len() > 4, "places differ: {places:?}");
    let chats: BTreeSet<_> = (0..20).map(|chat| picked(chat, list)).collect();
    assert!(chats.len() > 4, "chats differ: {chats:?}");
    let texts: BTreeSet<_> = (0..20)
        .map(|text| picked(1, &format!("{list}{text}")).remove(0))
        .collect();
    assert!(texts.len() > 4, "texts differ: {texts:?}");
}

#[test]
fn a_pick_in_the_card_is_the_same_wherever_the_card_is_put_in() {
    let scene = Scene {
        card: CardScene {
            description: "{{pick:a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p}}".into(),
            ..CardScene::default()
        },
        ..scene()
    };
    let mut macros = macros(scene);
    let first = macros.expand("{{description}}");
    assert_eq!(macros.expand("And here: {{description}}"), format!("And here: {first}"));
}

#[test]
fn throws_stay_within_their_dice() {
    for (formula, lowest, highest) in [
        ("1d6", 1, 6),
        ("d6", 1, 6),
        ("D6", 1, 6),
        ("6", 1, 6),
        ("1d1", 1, 1),
        ("3d2+4", 7, 10),
        ("2d2 - 10", -8, -6),
        (" 1 d 2 ", 1, 2),
    ] {
        let thrown: BTreeSet<i64> = over_seeds(&format!("{{{{roll::{formula}}}}}"))
            .iter()
            .map(|sum| sum.parse().expect("a throw is a number"))
            .collect();
        assert_eq!(thrown.first(), Some(&lowest), "{formula}");
        assert_eq!(thrown.last(), Some(&highest), "{formula}");
    }
}

#[test]
fn what_is_no_throw_stays() {
    for formula in [
        "x",
        "d",
        "0",
        "0d6",
        "1d0",
        "1d6+",
        "6+1",
        "1d6kh1",
        "1d6+1+1",
        "-1d6",
        "1001d6",
        "1d1000000001",
        "1d6*2",
        "99999999999999999999d6",
    ] {
        let text = format!("{{{{roll::{formula}}}}}");
        assert_eq!(expand(&text), text);
    }
}
