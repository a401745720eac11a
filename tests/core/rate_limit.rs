//! When a service says it will take requests again.

use hf_inference_wasm::core::wire::rate_limit::{Quota, quota, retry_at};

const NOW: f64 = 1_800_000_000_000.0;

#[test]
fn seconds_whole_or_not_count_from_now() {
    for (text, wait) in [("0", 0.0), ("2", 2_000.0), ("1.5", 1_500.0), (" 30 ", 30_000.0), ("120", 120_000.0)]
    {
        assert_eq!(retry_at(text, "", NOW), Some(NOW + wait), "{text:?}");
    }
}

#[test]
fn milliseconds_have_the_last_word() {
    assert_eq!(retry_at("2", "250", NOW), Some(NOW + 250.0));
    assert_eq!(retry_at("2", "soon", NOW), Some(NOW + 2_000.0));
    assert_eq!(retry_at("", "250.5", NOW), Some(NOW + 250.5));
}

#[test]
fn a_date_is_a_moment_of_its_own() {
    let cases = [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000.0),
        ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799_000.0),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800_000.0),
        ("Fri, 31 Dec 2027 23:59:59 GMT", 1_830_297_599_000.0),
        ("Sun, 29 Feb 2032 12:00:00 GMT", 1_961_668_800_000.0),
        ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400_000.0),
    ];
    for (date, moment) in cases {
        assert_eq!(retry_at(date, "", NOW), Some(moment), "{date}");
    }
}

#[test]
fn every_day_follows_the_day_before() {
    const MONTHS: [(&str, u32); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let mut expected = 0.0;
    for year in 1970..2110u32 {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        for (month, days) in MONTHS {
            for day in 1..=days + u32::from(leap && month == "Feb") {
                let date = format!("Xxx, {day:02} {month} {year} 00:00:00 GMT");
                assert_eq!(retry_at(&date, "", NOW), Some(expected), "{date}");
                expected += 86_400_000.0;
            }
        }
    }
}

#[test]
fn anything_else_says_nothing() {
    for text in [
        "",
        " ",
        "soon",
        "-1",
        "1s",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Xxx 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 199é 08:49:37 GMT",
        "é",
        "Sun, 06 ovD 1994 08:49:37 GMT",
    ] {
        assert_eq!(retry_at(text, "", NOW), None, "{text:?}");
    }
}

#[test]
fn hostile_numbers_name_a_moment_or_none() {
    for text in
        ["1e300", "1e999", &"9".repeat(5_000), "-1e300", "NaN", "inf", "Infinity", "-0", "0x10", "1e-999"]
    {
        for (header, milliseconds) in [(text, ""), ("", text)] {
            let at = retry_at(header, milliseconds, NOW);
            assert!(at.is_none_or(|at| at >= NOW), "{text:.20}: {at:?}");
        }
    }
}

/// The quota that these headers tell.
fn told(headers: &[(&str, &str)]) -> Quota {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    quota(&header, NOW)
}

fn of(limit: f64, remaining: f64, reset: f64) -> Quota {
    Quota { limit: Some(limit), remaining: Some(remaining), reset: Some(reset) }
}

#[test]
fn each_services_headers_are_understood() {
    let groq = [
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-remaining-requests", "14370"),
        ("x-ratelimit-reset-requests", "2m59.56s"),
        ("x-ratelimit-limit-tokens", "18000"),
        ("x-ratelimit-remaining-tokens", "17997"),
        ("x-ratelimit-reset-tokens", "7.66s"),
    ];
    assert_eq!(told(&groq), of(14_400.0, 14_370.0, 179_560.0), "tokens that are left say nothing");
    let openai = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    assert_eq!(told(&openai), of(150_000.0, 0.0, 360_000.0), "none at all does");
    let cerebras = [
        ("x-ratelimit-limit-requests-day", "14400"),
        ("x-ratelimit-remaining-requests-day", "3"),
        ("x-ratelimit-reset-requests-day", "33011.382867097855"),
        ("x-ratelimit-limit-tokens-minute", "60000"),
        ("x-ratelimit-remaining-tokens-minute", "59000"),
        ("x-ratelimit-reset-tokens-minute", "11.38"),
    ];
    let found = told(&cerebras);
    assert_eq!((found.limit, found.remaining), (Some(14_400.0), Some(3.0)));
    assert!((found.reset.expect("a moment") - 33_011_382.867).abs() < 0.01);
    let together = [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1")];
    assert_eq!(told(&together), of(10.0, 9.0, 1_000.0));
    assert_eq!(told(&[]), Quota::default());
}

#[test]
fn hugging_faces_header_says_something_only_when_nothing_is_left() {
    let header = |value| told(&[("ratelimit", value)]);
    assert_eq!(header("\"api\";r=499;t=293"), Quota::default());
    assert_eq!(header("\"api\";r=1;t=293"), Quota::default());
    let none = Quota { limit: None, remaining: Some(0.0), reset: Some(293_000.0) };
    for value in ["\"api\";r=0;t=293", "\"api\"; r=0; t=293", " \"api\" ;t=293;r=0"] {
        assert_eq!(header(value), none, "{value}");
    }
    assert_eq!(header("\"api\";r=0"), Quota { reset: None, ..none });
    for value in ["", ";", "r", "r=", "r=x;t=1", "\"api\";t=293", "limit=0"] {
        assert_eq!(header(value), Quota::default(), "{value}");
    }
    // It counts more than the other headers, which tell of a window that is still open.
    let both = [
        ("ratelimit", "\"api\";r=0;t=5"),
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-limit", "9"),
        ("x-ratelimit-reset", "1"),
    ];
    assert_eq!(told(&both), Quota { limit: None, remaining: Some(0.0), reset: Some(5_000.0) });
}

#[test]
fn the_scarcest_of_several_counts() {
    let several = [
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "50"),
        ("x-ratelimit-reset-requests", "10s"),
        ("x-ratelimit-limit-requests-day", "1000"),
        ("x-ratelimit-remaining-requests-day", "2"),
        ("x-ratelimit-reset-requests-day", "3600"),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "4"),
        ("x-ratelimit-reset", "1"),
    ];
    assert_eq!(told(&several), of(1_000.0, 2.0, 3_600_000.0));
}

#[test]
fn a_window_ends_after_a_duration_or_at_a_moment() {
    let reset = |text: &str| told(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", text)]).reset;
    for (text, wait) in [
        ("0", 0.0),
        ("1", 1_000.0),
        ("0.5", 500.0),
        (" 2 ", 2_000.0),
        ("6ms", 6.0),
        ("1s", 1_000.0),
        ("1m", 60_000.0),
        ("1m30s", 90_000.0),
        ("2h3m4.5s", 7_384_500.0),
        ("1d", 86_400_000.0),
        ("1m0.006s", 60_006.0),
        ("1800000060", 60_000.0),
        ("1800000060000", 60_000.0),
        ("1799999999", 0.0),
        ("-5", 0.0),
    ] {
        assert_eq!(reset(text), Some(wait), "{text}");
    }
    for text in ["", "soon", "1x", "s", "1 s", "1s!", ".", "1m-5s", "NaN", "Infinity", "1..5s", "é", "1µs"]
    {
        assert_eq!(reset(text), None, "{text}");
    }
}

#[test]
fn a_window_longer_than_a_day_was_meant_otherwise() {
    // Microseconds since 1970, or plain nonsense: whoever believed it would never send again.
    for text in ["86401", "25h", "1800000060000000", "1e300", "1e999", "9999999999999999999"] {
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", text)];
        assert_eq!(told(&headers), Quota { limit: None, remaining: Some(0.0), reset: None }, "{text}");
        let header = format!("\"api\";r=0;t={text}");
        assert_eq!(told(&[("ratelimit", &header)]).reset, None, "{text}");
    }
    assert_eq!(told(&[("ratelimit", "\"api\";r=0;t=-1")]).reset, None);
}

#[test]
fn hostile_counts_break_nothing() {
    for text in ["NaN", "-1", "1e300", "-1e300", "1e999", "", "many", "0.5"] {
        let found =
            told(&[("x-ratelimit-limit", text), ("x-ratelimit-remaining", text), ("x-ratelimit-reset", "1")]);
        assert!(found.remaining.is_none_or(|remaining| !remaining.is_nan()), "{text}");
    }
}
