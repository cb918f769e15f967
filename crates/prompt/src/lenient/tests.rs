use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn faults_of_one_kind_make_one_warning() {
    let mut notes = Notes::new("entry");
    for place in 3..=14 {
        assert_eq!(notes.at("depth", place).integer(&json!(""), 0, 9), None);
    }
    assert_eq!(notes.at("role", 2).integer::<u32>(&Value::Null, 0, 2), None);
    notes.say("The book has no name.");
    assert_eq!(
        notes.into_warnings(),
        [
            "The book has no name.",
            "`depth` was an empty text; the default was used (entry 3 and 11 more).",
            "`role` was null; the default was used (entry 2)."
        ]
    );
}

#[test]
fn numbers_are_taken_from_what_means_one() {
    for (what, value, expected, warnings) in [
        ("a number", json!(4), Some(4), 0),
        ("a text", json!(" 4 "), Some(4), 1),
        ("a fraction", json!(3.5), Some(4), 1),
        ("a whole fraction", json!(4.0), Some(4), 0),
        ("a truth value", json!(true), Some(1), 1),
        ("too large", json!(1e300), Some(9), 1),
        ("too small", json!(-1), Some(0), 1),
        ("a text too large", json!("10"), Some(9), 2),
        ("not a number", json!("NaN"), None, 1),
        ("a word", json!("four"), None, 1),
        ("null", json!(null), None, 1),
        ("a list", json!([4]), None, 1),
    ] {
        let mut notes = Notes::new("entry");
        assert_eq!(notes.at("x", 1).integer::<u32>(&value, 0, 9), expected, "{what}");
        assert_eq!(notes.into_warnings().len(), warnings, "{what}");
    }
}

#[test]
fn depth_and_count_of_values_are_bounded_on_both_sides() {
    let limits = Limits {
        card_json_depth: 2,
        file_json_values: 5,
        ..Limits::default()
    };
    let parse = |text| parse(text, &limits, &mut limits.file_json_values.clone()).map(|(value, _)| value);
    assert_eq!(parse("[[1,2,3]]"), Ok(json!([[1, 2, 3]])));
    assert_eq!(parse("[[[]]]"), Err(JsonError::TooDeep { limit: 2 }));
    assert_eq!(parse("[[1,2,3,4]]"), Err(JsonError::TooManyValues { limit: 5 }));
    assert_eq!(
        parse(r#"["[[[,,,,,,"]"#),
        Ok(json!(["[[[,,,,,,"])),
        "texts do not count"
    );
}

proptest! {
    #[test]
    fn every_number_keeps_its_digits(value in any::<f64>().prop_filter("JSON has no others", |value| value.is_finite())) {
        let written = number(value).to_string();
        prop_assert_eq!(serde_json::from_str::<f64>(&written).expect("a number"), value);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let (text, _) = decode(&bytes);
        let _ = parse(&text, &Limits::default(), &mut 1000);
    }
}
