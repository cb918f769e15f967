//! Dates and durations as moment.js writes them in English, which is what cards were written for.

use chrono::{DateTime, Datelike, FixedOffset, Timelike};

/// What a format can ask for, longer ones before their beginnings.
const TOKENS: [&str; 51] = [
    "MMMM", "MMM", "MM", "Mo", "M", "DDDD", "DDDo", "DDD", "DD", "Do", "D", "dddd", "ddd", "dd", "do", "d", "YYYY",
    "YY", "Y", "Qo", "Q", "gggg", "gg", "GGGG", "GG", "ww", "wo", "w", "WW", "Wo", "W", "HH", "H", "hh", "h", "kk",
    "k", "mm", "m", "ss", "s", "SSS", "SS", "S", "ZZ", "Z", "A", "a", "E", "e", "X",
];

/// Formats that stand for formats, longer ones before their beginnings.
const LONG_FORMATS: [(&str, &str); 10] = [
    ("LTS", "h:mm:ss A"),
    ("LT", "h:mm A"),
    ("LLLL", "dddd, MMMM D, YYYY h:mm A"),
    ("LLL", "MMMM D, YYYY h:mm A"),
    ("LL", "MMMM D, YYYY"),
    ("L", "MM/DD/YYYY"),
    ("llll", "ddd, MMM D, YYYY h:mm A"),
    ("lll", "MMM D, YYYY h:mm A"),
    ("ll", "MMM D, YYYY"),
    ("l", "M/D/YYYY"),
];

/// `time` in that format. `[text]` is text, and so is what stands for nothing.
pub(super) fn format(time: &DateTime<FixedOffset>, format: &str) -> String {
    let mut formatted = String::new();
    write_format(time, format, &mut formatted);
    formatted
}

fn write_format(time: &DateTime<FixedOffset>, format: &str, out: &mut String) {
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((text, behind)) = rest.strip_prefix('[').and_then(|text| text.split_once(']')) {
            out.push_str(text);
            rest = behind;
        } else if let Some(long) = LONG_FORMATS.iter().find(|(token, _)| rest.starts_with(token)) {
            write_format(time, long.1, out);
            rest = rest.get(long.0.len()..).unwrap_or_default();
        } else if let Some(token) = TOKENS.iter().find(|token| rest.starts_with(*token)) {
            out.push_str(&value(time, token));
            rest = rest.get(token.len()..).unwrap_or_default();
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
}

fn value(time: &DateTime<FixedOffset>, token: &str) -> String {
    let (_, hour12) = time.hour12();
    // Sunday is the first day.
    let weekday = time.weekday().num_days_from_sunday();
    let quarter = time.month0() / 3 + 1;
    let hour24 = if time.hour() == 0 { 24 } else { time.hour() };
    let millis = time.timestamp_subsec_millis();
    let meridiem = if time.hour() < 12 { "AM" } else { "PM" };
    let (week_year, week) = english_week(time);
    let iso = time.iso_week();
    match token {
        "MMMM" => time.format("%B").to_string(),
        "MMM" => time.format("%b").to_string(),
        "MM" => format!("{:02}", time.month()),
        "Mo" => ordinal(time.month()),
        "M" => time.month().to_string(),
        "DDDD" => format!("{:03}", time.ordinal()),
        "DDDo" => ordinal(time.ordinal()),
        "DDD" => time.ordinal().to_string(),
        "DD" => format!("{:02}", time.day()),
        "Do" => ordinal(time.day()),
        "D" => time.day().to_string(),
        "dddd" => time.format("%A").to_string(),
        "ddd" => time.format("%a").to_string(),
        "dd" => time.format("%a").to_string().chars().take(2).collect(),
        "do" => ordinal(weekday),
        "d" | "e" => weekday.to_string(),
        "E" => time.weekday().number_from_monday().to_string(),
        "YYYY" => format!("{:04}", time.year()),
        "YY" => format!("{:02}", time.year().rem_euclid(100)),
        "Y" => time.year().to_string(),
        "Qo" => ordinal(quarter),
        "Q" => quarter.to_string(),
        "gggg" => format!("{week_year:04}"),
        "gg" => format!("{:02}", week_year.rem_euclid(100)),
        "GGGG" => format!("{:04}", iso.year()),
        "GG" => format!("{:02}", iso.year().rem_euclid(100)),
        "ww" => format!("{week:02}"),
        "wo" => ordinal(week),
        "w" => week.to_string(),
        "WW" => format!("{:02}", iso.week()),
        "Wo" => ordinal(iso.week()),
        "W" => iso.week().to_string(),
        "HH" => format!("{:02}", time.hour()),
        "H" => time.hour().to_string(),
        "hh" => format!("{hour12:02}"),
        "h" => hour12.to_string(),
        "kk" => format!("{hour24:02}"),
        "k" => hour24.to_string(),
        "mm" => format!("{:02}", time.minute()),
        "m" => time.minute().to_string(),
        "ss" => format!("{:02}", time.second()),
        "s" => time.second().to_string(),
        "SSS" => format!("{millis:03}"),
        "SS" => format!("{:02}", millis / 10),
        "S" => (millis / 100).to_string(),
        "ZZ" => time.format("%z").to_string(),
        "Z" => time.format("%:z").to_string(),
        "A" => meridiem.to_owned(),
        "a" => meridiem.to_lowercase(),
        "X" => time.timestamp().to_string(),
        _ => String::new(),
    }
}

/// Year and number of the week that begins on a Sunday; the first one has the first of January.
fn english_week(time: &DateTime<FixedOffset>) -> (i32, u32) {
    let weekday = time.weekday().num_days_from_sunday();
    let days_to_new_year = if time.date_naive().leap_year() { 366 } else { 365 } - time.ordinal0();
    if 7 - weekday > days_to_new_year {
        return (time.year() + 1, 1);
    }
    let first_weekday = (weekday + 371 - time.ordinal0()) % 7;
    (time.year(), (time.ordinal0() + first_weekday) / 7 + 1)
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// A duration in words, without a sign: "a few seconds", "an hour", "3 days".
pub(super) fn humanize(millis: u64) -> String {
    let rounded = |unit: u64| millis.saturating_add(unit / 2) / unit;
    let (seconds, minutes, hours, days) = (rounded(1_000), rounded(60_000), rounded(3_600_000), rounded(86_400_000));
    // A month is a twelfth of the Gregorian mean year, 146,097 days in 400 years.
    let (months, years) = (rounded(2_629_746_000), rounded(31_556_952_000));
    if seconds <= 44 {
        "a few seconds".to_owned()
    } else if minutes <= 1 {
        "a minute".to_owned()
    } else if minutes < 45 {
        format!("{minutes} minutes")
    } else if hours <= 1 {
        "an hour".to_owned()
    } else if hours < 22 {
        format!("{hours} hours")
    } else if days <= 1 {
        "a day".to_owned()
    } else if days < 26 {
        format!("{days} days")
    } else if months <= 1 {
        "a month".to_owned()
    } else if months < 11 {
        format!("{months} months")
    } else if years <= 1 {
        "a year".to_owned()
    } else {
        format!("{years} years")
    }
}
