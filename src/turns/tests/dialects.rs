//! Schedules as other programs write them.

use crate::turns::Schedule;

/// The text, what is said, and what is proposed.
#[rustfmt::skip] // a table reads better in lines
const CASES: &[(&str, &str, &str)] = &[
    ("TZ=Europe/Berlin 0 3 * * *", "no time zone of its own", "timezone = \"Europe/Berlin\" at the top of the file, and schedule = \"0 3 * * *\""),
    ("CRON_TZ=America/New_York @daily", "no time zone of its own", "schedule = \"@daily\""),
    ("cron_tz=Asia/Tokyo 0 3 * * *", "no time zone of its own", "timezone = \"Asia/Tokyo\""),
    ("CRON_TZ=Nowhere/City 0 3 * * *", "no time zone of its own", "timezone = \"Area/City\""),
    ("TZ=UTC", "no time zone of its own", "timezone = \"Area/City\""),
    ("rate(5 minutes)", "rate() is EventBridge's", "write \"*/5 * * * *\""),
    ("rate(1 hour)", "rate() is EventBridge's", "write \"@hourly\""),
    ("rate(1 day)", "rate() is EventBridge's", "write \"@daily\""),
    ("rate(7 days)", "rate() is EventBridge's", "write \"@weekly\""),
    ("rate(30 days)", "rate() is EventBridge's", "write \"@monthly\""),
    ("rate(7 minutes)", "rate() is EventBridge's", "write five fields"),
    ("cron(0 3 * * ? *)", "cron() is EventBridge's", "write \"0 3 * * *\""),
    ("cron(0 3 ? * 2 *)", "cron() is EventBridge's", "write \"0 3 * * MON\""),
    ("cron(0 3 ? * 2-6 *)", "cron() is EventBridge's", "write \"0 3 * * MON-FRI\""),
    ("cron(0 3 ? * 2-6/2 *)", "cron() is EventBridge's", "write five fields"),
    ("cron(0 3 L * ? *)", "cron() is EventBridge's", "write five fields"),
    ("at(2026-12-24T18:00:00)", "at() is EventBridge's", "not_before"),
    ("@every 1h30m", "@every is not supported", "write five fields"),
    ("@every 15m", "@every is not supported", "write \"*/15 * * * *\""),
    ("@every 6h", "@every is not supported", "write \"0 */6 * * *\""),
    ("every 5 minutes", "an interval is no schedule", "write \"*/5 * * * *\""),
    ("every monday 09:00", "an interval is no schedule", "write five fields"),
    ("24h", "an interval is no schedule", "write \"@daily\""),
    ("7d", "an interval is no schedule", "write \"@weekly\""),
    ("P1D", "an interval is no schedule", "write \"@daily\""),
    ("P1W", "an interval is no schedule", "write \"@weekly\""),
    ("P1M", "an interval is no schedule", "write \"@monthly\""),
    ("P2M", "an interval is no schedule", "write five fields"),
    ("P3M", "an interval is no schedule", "write \"0 0 1 */3 *\""),
    ("P6M", "an interval is no schedule", "write five fields"),
    ("P1Y", "an interval is no schedule", "write \"@yearly\""),
    ("P1M1D", "an interval is no schedule", "write five fields"),
    ("PT1M", "an interval is no schedule", "write \"* * * * *\""),
    ("PT1H", "an interval is no schedule", "write \"@hourly\""),
    ("3M", "an interval is no schedule", "write five fields"),
    ("every 3M", "an interval is no schedule", "write five fields"),
    ("3m", "an interval is no schedule", "write \"*/3 * * * *\""),
    ("1 month", "an interval is no schedule", "write \"@monthly\""),
    ("PT12H", "an interval is no schedule", "write \"0 */12 * * *\""),
    ("daily", "begins with @", "write \"@daily\""),
    ("quarterly", "begins with @", "write \"0 0 1 */3 *\""),
    ("0 0 3 ? * MON", "schedule of Quartz", "write \"0 3 * * MON\""),
    ("0 0 3 ? * 2 *", "schedule of Quartz", "write \"0 3 * * MON\""),
    ("0 0 3 1 * ?", "schedule of Quartz", "write \"0 3 1 * *\""),
    ("0 15 10 ? * MON-FRI 2026", "schedule of Quartz", "write \"15 10 * * MON-FRI\""),
    ("H(0-29) 3 * * *", "Jenkins' hash", "jitter"),
    ("H(0-29)/10 * * * *", "Jenkins' hash", "jitter"),
    ("0~59 3 * * *", "random value", "jitter"),
    ("*-*-* 03:00:00", "calendar expression of systemd", "write five fields"),
    ("Mon *-*-* 03:00", "calendar expression of systemd", "write five fields"),
    ("03:00", "calendar expression of systemd", "write five fields"),
    ("FREQ=DAILY;BYHOUR=3", "recurrence rule", "write five fields"),
    ("0\u{a0}3 * * *", "U+00A0, a space that is not ASCII", "write \"0 3 * * *\""),
    ("0 3 * * MON–FRI", "U+2013", "write \"0 3 * * MON-FRI\""),
    ("０ ３ ＊ ＊ ＊", "U+FF10, a digit that is not ASCII's 0", "write \"0 3 * * *\""),
    ("\u{feff}@daily", "U+FEFF, an invisible character", "write \"@daily\""),
    ("५ ३ * * *", "U+096B, a digit that is not ASCII's 5", "write \"5 3 * * *\""),
    ("rate(5\u{a0}minutes)", "U+00A0", "write it in ASCII"),
];

#[test]
fn every_dialect_is_told_what_to_write() {
    for (text, what, help) in CASES {
        let error = Schedule::parse(text).unwrap_err();
        assert!(error.what.contains(what), "{text:?}: {error}");
        assert!(error.help.contains(help), "{text:?}: {error}");
        assert!(
            !error.quotes && error.offset <= text.len(),
            "{text:?}: {error}"
        );
        // Whatever is proposed as a whole can be read.
        if let Some(("write", proposed)) = error
            .help
            .split_once(" \"")
            .filter(|_| error.help.ends_with('"'))
        {
            let proposed = proposed.trim_end_matches('"');
            assert!(Schedule::parse(proposed).is_ok(), "{text:?}: {proposed}");
        }
    }
}

/// A secret in the wrong place is not repeated.
#[test]
fn no_word_of_a_text_that_is_no_schedule_is_repeated() {
    for frame in [
        "TZ=S",
        "CRON_TZ=S 0 3 * * *",
        "rate(S)",
        "cron(S)",
        "cron(S 3 * * ? *)",
        "@every S",
        "every S",
        "H(S) 3 * * *",
        "0 0 S ? * MON",
        "S~S * * * *",
        "*-*-* S",
        "FREQ=S",
        "S\u{a0}S",
    ] {
        let text = frame.replace('S', "zq4v8Kw2");
        let error = Schedule::parse(&text).unwrap_err();
        assert!(
            error.quotes || !error.to_string().contains("zq4v8"),
            "{text}: {error}"
        );
    }
}
