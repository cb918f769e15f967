//! Times as chat files have had them through the years.

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::Value;
use tavern_domain::clock::Timestamp;

/// From this on, a number counts milliseconds and not seconds: the year 1973, or 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// The range of JavaScript's dates.
const FARTHEST: f64 = 8.64e15;

/// Milliseconds or seconds as a number or a text, RFC 3339 with a zone or without,
/// `2024-10-18 @04h 05m 06s 789ms` and its spellings, `October 18, 2024 4:05pm`.
pub(super) fn parse(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => from_number(number.as_f64()?),
        // No form is longer.
        Value::String(text) if text.len() <= 64 => from_text(text.trim()),
        _ => None,
    }
}

fn from_number(number: f64) -> Option<Timestamp> {
    let milliseconds = if number.abs() < MILLISECONDS_FROM {
        number * 1000.0
    } else {
        number
    };
    #[allow(clippy::cast_possible_truncation, reason = "within the range")]
    (milliseconds.abs() <= FARTHEST).then_some(Timestamp(milliseconds.trunc() as i64))
}

fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        return Some(time);
    }
    let without_zone = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%B %d, %Y %I:%M %p"];
    let by_form = without_zone
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let time = by_form.or_else(|| in_words(text))?;
    Some(Timestamp(time.and_utc().timestamp_millis()))
}

/// Year, month and day, an `@`, hours, minutes, seconds and perhaps milliseconds, whatever stands between.
fn in_words(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once('@')?;
    let numbers = |text: &str| -> Option<Vec<u32>> {
        let parts = text.split(|letter: char| !letter.is_ascii_digit());
        parts
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok())
            .collect()
    };
    let (date, time) = (numbers(date)?, numbers(time)?);
    let &[year, month, day] = date.as_slice() else {
        return None;
    };
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    match *time.as_slice() {
        [hour, minute, second] => day.and_hms_opt(hour, minute, second),
        [hour, minute, second, milli] => day.and_hms_milli_opt(hour, minute, second, milli),
        _ => None,
    }
}
