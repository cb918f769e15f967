use super::*;

fn limits() -> PluginLimits {
    PluginLimits {
        log_lines: 3,
        log_line_bytes: 20,
        log_bytes: 50,
        ..PluginLimits::default()
    }
}

#[test]
fn a_strangers_text_is_one_plain_line() {
    for (text, cleaned) in [
        ("plain", "plain"),
        ("two\nlines\tand\u{2028}more", "two lines and more"),
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}]0;title\u{7}", "]0;title"),
        ("\u{1b}[", ""),
        ("turned \u{202e}around", "turned around"),
        ("null\0 bell\u{7} delete\u{7f} csi\u{9b}", "null bell delete csi"),
        ("日本語 🎲", "日本語 🎲"),
    ] {
        assert_eq!(clean(text), cleaned, "{text:?}");
    }
}

#[test]
fn lines_are_cut_and_counted() {
    let mut log = Log::default();
    log.write(&limits(), "info", &"x".repeat(15), &[]);
    assert_eq!(log.lines[0].len(), 20);
    assert_eq!(log.note(), None);
    log.write(&limits(), "info", &"é".repeat(15), &[]);
    assert!(log.lines[1].len() <= 20, "cut between characters");
    log.write(&limits(), "info", "the last", &[]);
    log.write(&limits(), "info", "not this one", &[]);
    assert_eq!(log.lines.len(), 3);
    assert!(log.bytes <= 50);
    assert_eq!(log.note().as_deref(), Some("log: 1 lines left out, 2 lines cut"));
    assert_eq!(log.events.len(), 3);
}

#[test]
fn fields_stand_behind_the_message() {
    let mut log = Log::default();
    let field = Pair {
        key: "die".into(),
        value: "6\n".into(),
    };
    log.write(&PluginLimits::default(), "warn", "rolled", &[field]);
    assert_eq!(log.lines, ["warn rolled die=6 "]);
}
