//! The pull reader and the writer, with serde_json as the oracle (`tests/common/json.rs`).

use crate::Random;
use crate::common::json::{BAD, GOOD, compare, lossy, oracle};
use hf_inference_wasm::core::wire::json::{
    self, Invalid, MAX_DEPTH, ObjectWriter, Reader, Surrogate, as_number, as_text, decimal, is_valid, member,
    write_integer, write_text,
};

#[test]
fn edge_cases_are_judged_as_the_oracle_judges_them() {
    for document in GOOD {
        assert_eq!(compare(document.as_bytes()), Some(true), "{document:?}");
    }
    for document in BAD {
        assert_eq!(compare(document.as_bytes()), Some(false), "{document:?}");
    }
}

#[test]
fn a_document_cut_anywhere_is_judged_as_the_oracle_judges_it() {
    let long = GOOD.join(",");
    let documents = [
        format!("[{long}]"),
        format!("{{\"a\":[{long}],\"b\":{{\"c\":\"😀\"}}}}"),
        format!("\n {{ \"k\" : {{ \"l\" : [ {long} ] }} }} \n"),
    ];
    for document in documents {
        for end in 0..=document.len() {
            compare(&document.as_bytes()[..end]);
        }
    }
}

#[test]
fn an_error_says_where_the_input_stops_being_json() {
    let cases: &[(&str, usize)] =
        &[("[1,]", 3), ("{\"a\" 1}", 5), ("\"a\nb\"", 2), ("nul", 0), ("01", 1), ("\"\\x\"", 2), ("[1", 2)];
    for (document, at) in cases {
        let mut json = Reader::new(document.as_bytes());
        let result = json.skip().and_then(|_| json.end());
        assert_eq!(result, Err(Invalid { at: *at }), "{document:?}");
    }
}

#[test]
fn nesting_is_read_to_the_limit_and_refused_beyond() {
    let arrays = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    let mixed = |depth: usize| "[{\"a\":".repeat(depth / 2) + "1" + &"}]".repeat(depth / 2);
    for depth in [1, 2, 63, 64, 65, 126] {
        assert_eq!(compare(arrays(depth).as_bytes()), Some(true));
        assert_eq!(compare(objects(depth).as_bytes()), Some(true));
        assert_eq!(compare(mixed(depth).as_bytes()), Some(true));
    }
    for nested in [arrays, objects, mixed] as [fn(usize) -> String; 3] {
        assert!(is_valid(nested(MAX_DEPTH).as_bytes()));
        assert!(!is_valid(nested(MAX_DEPTH + 2).as_bytes()));
    }
    assert!(!is_valid(arrays(MAX_DEPTH + 1).as_bytes()));
    assert!(!is_valid("[".repeat(1_000_000).as_bytes()), "no stack is used up");
    // Which closing bracket belongs where is remembered at every depth.
    for depth in [64, 65, 128, 511] {
        let wrong = "[".repeat(depth) + "{" + &"]".repeat(depth + 1);
        assert!(!is_valid(wrong.as_bytes()));
    }
}

#[test]
fn a_number_beyond_a_double_is_kept_where_the_oracle_gives_up() {
    assert_eq!(oracle(b"1e999"), None);
    assert_eq!(Reader::new(b" 1e999 ").skip(), Ok(&b"1e999"[..]));
    assert!(is_valid(b"[-1e-999,1e999]"));
}

#[test]
fn both_of_two_equal_keys_are_shown() {
    let mut json = Reader::new(br#"{"a":1,"a":2}"#);
    json.object().unwrap();
    let mut seen = Vec::new();
    while let Some(key) = json.key().unwrap() {
        seen.push((key.to_text(), json.skip().unwrap()));
    }
    assert_eq!(seen, [("a".to_owned(), &b"1"[..]), ("a".to_owned(), &b"2"[..])]);
}

#[test]
fn ill_formed_utf8_in_a_string_becomes_replacement_characters() {
    for bytes in [
        &b"\xff"[..],
        b"a\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf0\x9fa\xc3\xa9",
    ] {
        let document = [b"\"", bytes, b"\""].concat();
        let text = as_text(&document).expect("a string");
        assert_eq!(text.to_text(), String::from_utf8_lossy(bytes));
    }
}

/// A random value in JSON, with random white space.
pub fn grow(random: &mut Random, depth: usize, out: &mut String) {
    const SPACES: &[&str] = &["", "", "", "", " ", "\n", "\t\r "];
    const NUMBERS: &[&str] =
        &["0", "-0", "7", "-12", "3.5", "1e5", "-2.5E-7", "9313781139405380000", "1e+10", "0.000093189"];
    const PIECES: &[&str] = &[
        "a",
        "content",
        "delta",
        "é",
        "€",
        "😀",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\u20ac",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\t",
        " ",
        "{",
        "}",
        "[",
        ",",
        ":",
        "//",
        "\u{7f}",
        "12345678",
        "\\u0000",
    ];
    let string = |random: &mut Random, out: &mut String| {
        out.push('"');
        (0..random.below(6)).for_each(|_| out.push_str(random.pick(PIECES)));
        out.push('"');
    };
    out.push_str(random.pick(SPACES));
    match random.below(if depth == 0 { 6 } else { 10 }) {
        0 => out.push_str(random.pick(&["null", "true", "false"])),
        1 | 2 => out.push_str(random.pick(NUMBERS)),
        3..=5 => string(random, out),
        6 | 7 => {
            out.push('[');
            for position in 0..random.below(4) {
                if position > 0 {
                    out.push(',');
                }
                grow(random, depth - 1, out);
            }
            out.push(']');
        }
        _ => {
            out.push('{');
            for position in 0..random.below(4) {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(random.pick(SPACES));
                string(random, out);
                out.push_str(random.pick(SPACES));
                out.push(':');
                grow(random, depth - 1, out);
            }
            out.push('}');
        }
    }
    out.push_str(random.pick(SPACES));
}

/// Damages a document at one to three places.
pub fn mutate(random: &mut Random, document: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\"\\{}[],:0123456789-+.eEaunltrf \n\t\r\x00\x1f\x7f\xc3\xa9\xff\xf0/x";
    for _ in 0..=random.below(3) {
        let at = random.below(document.len() + 1);
        let byte = random.pick(BYTES);
        match random.below(5) {
            0 => document.insert(at, byte),
            1 if at < document.len() => drop(document.remove(at)),
            2 if at < document.len() => document[at] = byte,
            3 => document.truncate(at),
            _ => {
                let from = random.below(document.len() + 1);
                let part: Vec<u8> = document[from..].iter().copied().take(random.below(8)).collect();
                document.splice(at..at, part);
            }
        }
    }
}

#[test]
fn random_documents_and_their_mutations_are_judged_as_the_oracle_judges_them() {
    let mut random = Random::new(1);
    let (mut accepted, mut refused, mut unknown) = (0u32, 0u32, 0u32);
    let mut text = String::new();
    for _ in 0..60_000 {
        text.clear();
        grow(&mut random, 4, &mut text);
        assert_eq!(compare(text.as_bytes()), Some(true), "{text:?}");
        accepted += 1;
        for _ in 0..3 {
            let mut document = text.clone().into_bytes();
            mutate(&mut random, &mut document);
            match compare(&document) {
                Some(true) => accepted += 1,
                Some(false) => refused += 1,
                None => unknown += 1,
            }
        }
    }
    // The test is worth something only while both answers are common.
    assert!(accepted > 60_000 && refused > 60_000, "{accepted} accepted, {refused} refused");
    assert!(unknown < 2_000, "{unknown} beyond the oracle");
}

#[test]
fn random_strings_are_read_and_written_as_the_oracle_does() {
    let mut random = Random::new(2);
    let characters: Vec<char> =
        "ab \"\\/\n\r\t\u{0}\u{1}\u{8}\u{c}\u{1f}\u{7f}\u{80}é€😀\u{2028}\u{feff}\u{fffd}\u{10ffff}"
            .chars()
            .collect();
    for _ in 0..30_000 {
        let text: String = (0..random.below(24)).map(|_| random.pick(&characters)).collect();
        let mut written = Vec::new();
        write_text(&mut written, text.as_bytes());
        assert_eq!(serde_json::from_slice::<String>(&written).as_deref().ok(), Some(&*text), "{text:?}");
        assert_eq!(as_text(&written).map(|read| read.to_text()), Some(text.clone()));
        let theirs = serde_json::to_vec(&text).expect("a string");
        assert_eq!(as_text(&theirs).map(|read| read.to_text()), Some(text));
    }
}

#[test]
fn a_surrogate_pair_cut_over_two_strings_is_one_character() {
    let join = |strings: &[&str]| {
        let (mut out, mut carry) = (Vec::new(), Surrogate::default());
        for string in strings {
            as_text(string.as_bytes()).expect("a string").append_to(&mut out, &mut carry);
        }
        carry.flush(&mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    assert_eq!(join(&[r#""a\ud83d""#, r#""\ude00b""#]), "a😀b");
    assert_eq!(join(&[r#""\ud83d""#, r#""""#, r#""\ude00""#]), "😀", "an empty delta between them");
    assert_eq!(join(&[r#""\ud83d""#, r#""x""#, r#""\ude00""#]), "\u{fffd}x\u{fffd}");
    assert_eq!(join(&[r#""\ud83d""#, r#""\n""#, r#""\ude00""#]), "\u{fffd}\n\u{fffd}");
    assert_eq!(join(&[r#""\ud83d""#, r#""\ud83d\ude00""#]), "\u{fffd}😀");
    assert_eq!(join(&[r#""\ude00\ud83d""#]), "\u{fffd}\u{fffd}");
    assert_eq!(join(&[r#""\ud83d""#]), "\u{fffd}", "flushed at the end");
    assert_eq!(join(&[r#""\ud83d""#, "\"\u{e9}\""]), "\u{fffd}é", "not escaped: flushed by what follows");
}

#[test]
fn a_string_cut_between_any_two_units_reads_as_the_whole() {
    const UNITS: &[&str] =
        &["\\ud83d", "\\ude00", "\\ud83c", "\\udf89", "a", "é", "😀", "\\n", "\\u0041", "\\u20ac", "\\\\"];
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let units: Vec<&str> = (0..random.below(8)).map(|_| random.pick(UNITS)).collect();
        let whole = format!("\"{}\"", units.concat());
        let expected = as_text(whole.as_bytes()).expect("a string").to_bytes();
        let (mut out, mut carry) = (Vec::new(), Surrogate::default());
        let (mut from, mut rest) = (0, units.len());
        while rest > 0 {
            let taken = random.below(rest) + 1;
            let piece = format!("\"{}\"", units[from..from + taken].concat());
            as_text(piece.as_bytes()).expect("a string").append_to(&mut out, &mut carry);
            from += taken;
            rest -= taken;
        }
        carry.flush(&mut out);
        assert_eq!(out, expected, "{whole}");
    }
}

fn same_to_15_digits(number: &str) -> bool {
    let expected: f64 = number.parse().expect("a number");
    let got = decimal(number.as_bytes()).expect("a number");
    got == expected || ((got - expected) / expected).abs() <= 1e-15
}

#[test]
fn decimal_agrees_with_the_exact_conversion_within_one_part_in_ten_to_the_15() {
    for number in [
        "0",
        "-0",
        "1",
        "-1.5",
        "20.0",
        "0.000093189",
        "1e3",
        "1e-3",
        "1E+2",
        "9007199254740993",
        "9313781139405380000",
        "18446744073709551615",
        "1e22",
        "1e-22",
        "1.7976931348623157e10",
        "0e5",
        "0.0",
    ] {
        assert!(same_to_15_digits(number), "{number}: {:?}", decimal(number.as_bytes()));
    }
    let mut random = Random::new(4);
    for _ in 0..100_000 {
        // What services write: up to seventeen digits, small exponents.
        let digits = random.bits() % 10u64.pow(random.below(17) as u32 + 1);
        let number = match random.below(3) {
            0 => format!("{digits}"),
            1 => format!("-{}.{:04}", digits / 10_000, digits % 10_000),
            _ => format!("{digits}e{}", random.below(41) as i32 - 20),
        };
        assert!(same_to_15_digits(&number), "{number}: {:?}", decimal(number.as_bytes()));
    }
}

#[test]
fn whole_numbers_to_2_to_the_53_and_short_decimals_are_exact() {
    let mut random = Random::new(5);
    for _ in 0..100_000 {
        let whole = random.bits() >> 11;
        assert_eq!(decimal(whole.to_string().as_bytes()), Some(whole as f64));
        let short = format!("{}.{:03}", random.below(1_000_000), random.below(1_000));
        assert_eq!(decimal(short.as_bytes()), short.parse().ok());
    }
}

#[test]
fn decimal_reads_very_large_and_very_small_numbers() {
    for number in [
        "1e300",
        "1e308",
        "0.1e309",
        "123456e-310",
        "1e-300",
        "2.5e-307",
        "1e-310",
        "1e999",
        "-1e999",
        "1e-999",
    ] {
        let expected: f64 = number.parse().expect("a number");
        let got = decimal(number.as_bytes()).expect("a number");
        assert!(got == expected || ((got - expected) / expected).abs() < 1e-13, "{number}: {got}");
    }
    let long = format!("0.{}1e400", "0".repeat(399));
    assert!(same_to_15_digits(&long));
}

#[test]
fn decimal_is_never_not_a_number() {
    let long = format!("1{}e-400", "0".repeat(400));
    for number in ["0e400", "0e999999999999", "-0e400", "0.0e-999", &long] {
        let value = decimal(number.as_bytes()).expect("a number");
        assert_eq!(value, number.parse::<f64>().expect("a number"), "{number}");
    }
}

#[test]
fn decimal_takes_numbers_only() {
    for text in
        ["", "-", "+", ".", "e5", "1e", "1e+", "1e-", "1x", "x1", "1.5.5", "1e5x", "1 ", "0x10", "--1", "é"]
    {
        assert_eq!(decimal(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(as_number(b"\"1\""), None);
    assert_eq!(as_number(b" 12 "), Some(12.0));
    assert_eq!(as_number(b"null"), None);
}

#[test]
fn member_finds_a_value_by_key_and_takes_null_for_absent() {
    let object = br#"{"a":null,"b":{"c":1},"\u0064":[2],"e":"x"}"#;
    assert_eq!(member(object, "a"), None);
    assert_eq!(member(object, "b"), Some(&br#"{"c":1}"#[..]));
    assert_eq!(member(object, "d"), Some(&b"[2]"[..]), "a key written with escapes");
    assert_eq!(member(object, "e"), Some(&br#""x""#[..]));
    assert_eq!(member(object, "z"), None);
    assert_eq!(member(b"[1]", "a"), None);
    assert_eq!(member(b"", "a"), None);
}

#[test]
fn a_value_of_another_kind_is_skipped_where_text_is_hoped_for() {
    let mut json = Reader::new(br#"[null,1,{"a":[1]},"x",[],true]"#);
    json.array().unwrap();
    let mut texts = Vec::new();
    while json.element().unwrap() {
        texts.push(json.text_or_skip().unwrap().map(|text| text.to_text()));
    }
    assert_eq!(texts, [None, None, None, Some("x".to_owned()), None, None]);
    assert_eq!(json.end(), Ok(()));
}

#[test]
fn whole_numbers_are_written_in_full() {
    for number in [0, 9, 10, 4_096, 9_313_781_139_405_380_000, u64::MAX] {
        let mut out = b"x".to_vec();
        write_integer(&mut out, number);
        assert_eq!(lossy(&out), format!("x{number}"));
    }
}

#[test]
fn an_object_is_written_member_by_member() {
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    object
        .text("a\"", b"b\n")
        .text_if("none", b"")
        .integer("n", u64::MAX)
        .bool("t", true)
        .raw("r", b"[1]")
        .raw_key("\\u0064", b"{}");
    json::write_text(object.key("k"), "é".as_bytes());
    object.end();
    assert_eq!(
        lossy(&out),
        "{\"a\\\"\":\"b\\n\",\"n\":18446744073709551615,\"t\":true,\"r\":[1],\"\\u0064\":{},\"k\":\"é\"}"
    );
    let mut empty = Vec::new();
    ObjectWriter::new(&mut empty).end();
    assert_eq!(empty, b"{}");
}
