//! How long to wait before asking a provider again.

use std::time::Duration;

use tavern_domain::Timestamp;

const BASE: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(8);
/// The longest wait a provider can impose on us.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);

/// The wait after failed attempt number `attempt` (from 1): what the provider asked for, clamped,
/// or exponential with full jitter, so that callers who failed together do not return together.
pub(crate) fn delay(attempt: u32, retry_after: Option<Duration>) -> Duration {
    match retry_after {
        Some(asked) => asked.min(RETRY_AFTER_CAP),
        None => rand::random_range(Duration::ZERO..=ceiling(attempt)),
    }
}

/// Whether a provider asks for more patience than our own longest back-off.
pub(crate) fn is_long(retry_after: Option<Duration>) -> bool {
    retry_after.is_some_and(|asked| asked > CAP)
}

fn ceiling(attempt: u32) -> Duration {
    BASE.saturating_mul(1_u32 << attempt.saturating_sub(1).min(10)).min(CAP)
}

/// Reads a `Retry-After` header (RFC 9110): seconds or an HTTP date.
pub(crate) fn parse_retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = chrono::DateTime::parse_from_rfc2822(header).ok()?;
    let millis = date
        .timestamp_millis()
        .saturating_sub(now.seconds().saturating_mul(1_000));
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_eight_seconds() {
        let millis: Vec<_> = (1..=8).map(|attempt| ceiling(attempt).as_millis()).collect();
        assert_eq!(millis, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(ceiling(u32::MAX), CAP);
    }

    #[test]
    fn what_the_provider_asks_for_is_kept_to_up_to_a_minute() {
        let minute = Duration::from_secs(60);
        assert_eq!(delay(1, Some(minute)), minute);
        assert_eq!(delay(1, Some(minute + Duration::from_secs(1))), minute);
        assert_eq!(delay(9, Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse_rfc3339("2026-11-22T10:00:00Z").expect("a good time");
        let parse = |text| parse_retry_after(text, now);
        assert_eq!(parse(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(parse("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(parse("Sun, 22 Nov 2026 10:00:07 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(parse("Sun, 22 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        for wrong in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
