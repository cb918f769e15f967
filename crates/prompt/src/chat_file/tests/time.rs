use super::*;

#[test]
fn every_form_a_time_has_had_is_read() {
    let time = "2024-10-18T04:05:06.789Z";
    let minute = "2024-10-18T16:05:00.000Z";
    for (form, expected) in [
        (json!(1_729_224_306_789_u64), Some(time)),
        (json!(1_729_224_306.789), Some(time)),
        (json!("1729224306789"), Some(time)),
        (json!("2024-10-18T04:05:06.789Z"), Some(time)),
        (json!("2024-10-18T06:05:06.789+02:00"), Some(time)),
        (json!("2024-10-18T04:05:06.789"), Some(time)),
        (json!("2024-10-18 04:05:06.789"), Some(time)),
        (json!("2024-10-18 @04h 05m 06s 789ms"), Some(time)),
        (json!("2024-10-18@04h05m06s789ms"), Some(time)),
        (json!(" 2024-10-18 @ 4h 5m 6s 789ms "), Some(time)),
        (json!("2024-10-18@04h05m06s"), Some("2024-10-18T04:05:06.000Z")),
        (json!("October 18, 2024 4:05pm"), Some(minute)),
        (json!("October 18, 2024 4:05 PM"), Some(minute)),
        (json!("Oct 18, 2024 04:05pm"), Some(minute)),
        (json!("June 1, 2023 12:00am"), Some("2023-06-01T00:00:00.000Z")),
        (json!(0), Some("1970-01-01T00:00:00.000Z")),
        (json!(""), None),
        (json!("yesterday"), None),
        (json!("2024-13-40 @99h 99m 99s 99ms"), None),
        (json!("@"), None),
        (json!("99999999999999999999-1-1 @1h 1m 1s"), None),
        (json!(1e300), None),
        (json!("inf"), None),
        (json!("NaN"), None),
        (json!(-8.65e15), None),
        (json!(null), None),
        (json!([1]), None),
        (json!("1".repeat(1000)), None),
    ] {
        let read = super::super::time::parse(&form);
        assert_eq!(read.map(Timestamp::to_rfc3339).as_deref(), expected, "{form}");
    }
}
