use proptest::prelude::*;

use super::*;

/// Three bytes are a token.
fn count() -> Count {
    Arc::new(|text| u32::try_from(text.len().div_ceil(3)).expect("short"))
}

#[test]
fn what_fits_stays_and_what_does_not_is_cut_between_characters() {
    for (text, max, cut) in [
        ("", 0, ""),
        ("abc", 0, ""),
        ("abc", 1, "abc"),
        ("abcd", 1, "abc"),
        ("日本語", 2, "日本"),
        ("aé日🎲", 2, "aé日"),
        ("🎲", 1, ""),
    ] {
        assert_eq!(truncate(&count(), text.into(), max), cut, "{text} {max}");
    }
}

proptest! {
    #[test]
    fn no_longer_beginning_would_fit(text in "\\PC{0,200}", max in 0_u32..100) {
        let cut = truncate(&count(), text.clone(), max);
        prop_assert!(text.starts_with(&cut));
        prop_assert!(count()(&cut) <= max);
        if let Some(next) = text[cut.len()..].chars().next() {
            prop_assert!(count()(&text[..cut.len() + next.len_utf8()]) > max);
        }
    }
}
