//! Macros about time, in the scene's offset from UTC.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use tavern_domain::Timestamp;

use super::moment;
use super::scene::Scene;
use super::table::Clock;

const MAX_FORMAT_BYTES: usize = 512;
/// Times that formats are made for, in milliseconds: far from where local times overflow.
const FOUR_DIGIT_YEARS: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The value; `None` if the arguments are not what the macro wants. Without a clock, the empty text.
pub(super) fn value(scene: &Scene<'_>, what: Clock, first: Option<&str>, second: &str) -> Option<Cow<'static, str>> {
    let offset = offset(scene.utc_offset_minutes);
    if what == Clock::Difference {
        return difference(first?, second, offset).map(Cow::Owned);
    }
    let Some(now) = scene.now else {
        return Some(Cow::Borrowed(""));
    };
    if what == Clock::Idle {
        return Some(idle(scene, now));
    }
    let offset = match (what, first) {
        (Clock::Time, Some(argument)) => utc_offset(argument).unwrap_or(offset),
        _ => offset,
    };
    let format = match what {
        Clock::Date => "LL",
        Clock::Weekday => "dddd",
        Clock::IsoTime => "HH:mm",
        Clock::IsoDate => "YYYY-MM-DD",
        Clock::Format => first.filter(|format| format.len() <= MAX_FORMAT_BYTES)?,
        _ => "LT",
    };
    if !FOUR_DIGIT_YEARS.contains(&now.0) {
        return None;
    }
    let now = DateTime::<Utc>::from_timestamp_millis(now.0)?.with_timezone(&offset);
    Some(Cow::Owned(moment::format(&now, format)))
}

fn offset(minutes: i32) -> FixedOffset {
    FixedOffset::east_opt(minutes.saturating_mul(60)).unwrap_or_else(|| Utc.fix())
}

/// The offset that `UTC+2` names: hours, or minutes from 16 on.
fn utc_offset(text: &str) -> Option<FixedOffset> {
    let (utc, offset) = text.trim().split_at_checked(3)?;
    let amount: i32 = offset.parse().ok().filter(|_| offset.starts_with(['+', '-']))?;
    if !utc.eq_ignore_ascii_case("utc") {
        return None;
    }
    let minutes = if amount.unsigned_abs() < 16 {
        amount * 60
    } else {
        amount
    };
    FixedOffset::east_opt(minutes.checked_mul(60)?)
}

/// Time since the user's message before the newest message of all.
fn idle(scene: &Scene<'_>, now: Timestamp) -> Cow<'static, str> {
    let mut spoken = scene.chat.messages.iter().rev().filter(|message| !message.is_system);
    spoken.next();
    let since = spoken
        .find(|message| message.is_user)
        .and_then(|message| message.sent_at);
    match since {
        Some(since) => {
            let millis = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            Cow::Owned(moment::humanize(millis))
        }
        None => Cow::Borrowed("just now"),
    }
}

fn difference(left: &str, right: &str, offset: FixedOffset) -> Option<String> {
    let millis = millis(left, offset)?.checked_sub(millis(right, offset)?)?;
    let words = moment::humanize(millis.unsigned_abs());
    Some(if millis > 0 {
        format!("in {words}")
    } else {
        format!("{words} ago")
    })
}

/// A time as people write it in cards: ISO 8601 in its usual forms, or RFC 2822; local if it says nothing else.
fn millis(text: &str, offset: FixedOffset) -> Option<i64> {
    const FORMATS: [&str; 6] = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
    ];
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text));
    if let Ok(time) = zoned {
        return Some(time.timestamp_millis());
    }
    let date = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(text, "%Y/%m/%d"));
        date.ok()?.and_hms_opt(0, 0, 0)
    };
    let local = FORMATS
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(date)?;
    Some(offset.from_local_datetime(&local).single()?.timestamp_millis())
}
