//! When a service says it will take requests again.

use hf_inference_wasm::core::wire::rate_limit::retry_at;

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
