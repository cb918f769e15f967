use super::*;
use tavern_domain::Timestamp;

fn at(millis: i64, offset: i32) -> Scene<'static> {
    Scene {
        now: Some(Timestamp(millis)),
        utc_offset_minutes: offset,
        ..scene()
    }
}

#[test]
fn times_are_told_in_the_scenes_offset() {
    check_in(
        &at(NOW, 330),
        &[
            ("time", "{{time}}", "7:35 PM"),
            ("date", "{{date}}", "March 9, 2026"),
            ("weekday", "{{weekday}}", "Monday"),
            ("isotime", "{{isotime}}", "19:35"),
            ("isodate", "{{isodate}}", "2026-03-09"),
            ("in another zone", "{{time::UTC+2}} {{time::utc-5}}", "4:05 PM 9:05 AM"),
            ("in a zone of half hours", "{{time::UTC+330}}", "7:35 PM"),
            (
                "in no zone",
                "{{time::there}} {{time::UTC+99999999}}",
                "7:35 PM 7:35 PM",
            ),
            ("by a format", "{{datetimeformat::HH:mm:ss}}", "19:35:06"),
        ],
    );
    check_in(
        &at(NOW, 600),
        &[("the next day", "{{isodate}} {{weekday}}", "2026-03-10 Tuesday")],
    );
    check_in(&at(NOW, i32::MAX), &[("no offset", "{{isotime}}", "14:05")]);
    check_in(&at(i64::MAX, 0), &[("no time", "{{isotime}}", "{{isotime}}")]);
}

#[test]
fn formats_are_those_of_moment() {
    let rows = [
        ("YYYY YY Y", "2026 26 2026"),
        ("M Mo MM MMM MMMM", "3 3rd 03 Mar March"),
        ("Q Qo", "1 1st"),
        ("D Do DD", "9 9th 09"),
        ("DDD DDDo DDDD", "68 68th 068"),
        ("d do dd ddd dddd", "1 1st Mo Mon Monday"),
        ("e E", "1 1"),
        ("w wo ww gggg gg", "11 11th 11 2026 26"),
        ("W Wo WW GGGG GG", "11 11th 11 2026 26"),
        ("H HH h hh k kk", "14 14 2 02 14 14"),
        ("A a", "PM pm"),
        ("m mm s ss", "5 05 6 06"),
        ("S SS SSS", "0 07 078"),
        ("Z ZZ", "+00:00 +0000"),
        ("X", "1773065106"),
        ("LT", "2:05 PM"),
        ("LTS", "2:05:06 PM"),
        ("L l", "03/09/2026 3/9/2026"),
        ("LL ll", "March 9, 2026 Mar 9, 2026"),
        ("LLL lll", "March 9, 2026 2:05 PM Mar 9, 2026 2:05 PM"),
        ("LLLL", "Monday, March 9, 2026 2:05 PM"),
        ("llll", "Mon, Mar 9, 2026 2:05 PM"),
        ("[Day] D [of] MMMM", "Day 9 of March"),
        ("[open", "[op1n"),
        ("é 🐉 YYYY", "é 🐉 2026"),
    ];
    for (format, expected) in rows {
        let text = format!("{{{{datetimeformat::{format}}}}}");
        assert_eq!(macros(at(NOW, 0)).expand(&text), expected, "{format}");
    }
}

#[test]
fn midnight_and_the_ends_of_years_are_told_right() {
    for (time, format, expected) in [
        ("2026-01-01T00:30:00Z", "H h k A", "0 12 24 AM"),
        ("2026-01-01T12:00:00Z", "h A", "12 PM"),
        ("2022-12-31T00:00:00Z", "w gggg W GGGG", "53 2022 52 2022"),
        ("2026-12-31T00:00:00Z", "w gggg W GGGG", "1 2027 53 2026"),
        ("2027-01-01T00:00:00Z", "w gggg W GGGG", "1 2027 53 2026"),
        ("2024-12-31T00:00:00Z", "DDD w gggg", "366 1 2025"),
        ("2026-01-11T00:00:00Z", "w do Do", "3 0th 11th"),
        ("2026-01-22T00:00:00Z", "Do", "22nd"),
    ] {
        let now = Timestamp::parse_rfc3339(time).expect("a time");
        let text = format!("{{{{datetimeformat::{format}}}}}");
        assert_eq!(macros(at(now.0, 0)).expand(&text), expected, "{time} {format}");
    }
}

#[test]
fn durations_are_told_in_words() {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    for (millis, expected) in [
        (0, "a few seconds"),
        (44_499, "a few seconds"),
        (44_500, "a minute"),
        (89_999, "a minute"),
        (90_000, "2 minutes"),
        (44 * MINUTE, "44 minutes"),
        (45 * MINUTE, "an hour"),
        (89 * MINUTE, "an hour"),
        (90 * MINUTE, "2 hours"),
        (21 * HOUR, "21 hours"),
        (22 * HOUR, "a day"),
        (35 * HOUR, "a day"),
        (36 * HOUR, "2 days"),
        (25 * DAY, "25 days"),
        (26 * DAY, "a month"),
        (45 * DAY, "a month"),
        (46 * DAY, "2 months"),
        (319 * DAY, "10 months"),
        (320 * DAY, "a year"),
        (547 * DAY, "a year"),
        (548 * DAY, "2 years"),
        (u64::MAX, "584554049 years"),
    ] {
        assert_eq!(moment::humanize(millis), expected, "{millis}");
    }
}

#[test]
fn differences_have_a_direction() {
    check(&[
        (
            "before",
            "{{timeDiff::2023-01-01 12:00:00::2023-01-01 15:00:00}}",
            "3 hours ago",
        ),
        (
            "after",
            "{{timeDiff::2023-01-01 15:00::2023-01-01 12:00}}",
            "in 3 hours",
        ),
        ("none", "{{timeDiff::2023-01-01::2023-01-01}}", "a few seconds ago"),
        ("of days", "{{ timeDiff :: 2023-01-01 :: 2023-01-03 }}", "2 days ago"),
        (
            "across zones",
            "{{timeDiff::2023-01-01T12:00:00Z::2023-01-01T12:00:00+05:00}}",
            "in 5 hours",
        ),
        (
            "with a local time",
            "{{timeDiff::2023-01-01T12:00:00::2023-01-01T12:00:00Z}}",
            "a few seconds ago",
        ),
        (
            "as mails write them",
            "{{timeDiff::Sun, 01 Jan 2023 12:00:00 GMT::2023/01/01 10:00}}",
            "in 2 hours",
        ),
        (
            "of no times",
            "{{timeDiff::soon::2023-01-01}}",
            "{{timeDiff::soon::2023-01-01}}",
        ),
    ]);
}

#[test]
fn the_ends_of_the_calendar_are_no_trouble() {
    for offset in [-1_439, 0, 1_439] {
        for year in ["-262143", "+262142", "0000", "9999", "+999999999999"] {
            for day in ["-01-01", "-12-31", "-01-01 00:00", "-12-31 23:59:59"] {
                let _ = macros(at(NOW, offset)).expand(&format!("{{{{timeDiff::{year}{day}::2023-01-01}}}}"));
            }
        }
        for now in [
            i64::MIN,
            -62_135_596_800_000,
            253_402_300_799_999,
            8_210_266_876_799_999,
            i64::MAX,
        ] {
            let _ = macros(at(now, offset)).expand("{{time}}{{datetimeformat::LLLL gggg GGGG Z}}{{idle_duration}}");
        }
    }
}

#[test]
fn idleness_counts_from_the_users_message_before_the_last() {
    let message = |is_user, is_system, ago: i64| SceneMessage {
        is_user,
        is_system,
        sent_at: Some(Timestamp(NOW - ago)),
        ..SceneMessage::default()
    };
    let idle = |messages| {
        let mut scene = at(NOW, 0);
        scene.chat.messages = messages;
        assert_eq!(
            macros(scene.clone()).expand("{{idle_duration}}"),
            macros(scene.clone()).expand("{{idleDuration}}")
        );
        macros(scene).expand("{{idle_duration}}")
    };
    assert_eq!(idle(vec![]), "just now");
    assert_eq!(idle(vec![message(true, false, 7_200_000)]), "just now");
    let before = vec![
        message(true, false, 7_200_000),
        message(false, false, 3_600_000),
        message(true, false, 0),
        message(false, true, 0),
    ];
    assert_eq!(idle(before), "2 hours");
}

#[test]
fn without_a_clock_times_are_empty() {
    assert_eq!(
        expand("[{{time}}{{date}}{{isodate}}{{datetimeformat::YYYY}}{{idle_duration}}]"),
        "[]"
    );
}
