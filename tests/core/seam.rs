//! An answer and its continuation become one text: what the server repeats is told once.

use hf_inference_wasm::core::wire::seam::Seam;

use crate::{Random, all_cuts};

/// The text that a reader sees of a continuation that comes in these pieces.
fn joined(told: &str, pieces: &[&[u8]]) -> String {
    let mut seam = Seam::behind(told.as_bytes());
    let mut text = told.as_bytes().to_vec();
    for piece in pieces {
        text.extend(seam.take(piece));
    }
    text.extend(seam.finish());
    String::from_utf8(text).expect("whole characters")
}

#[test]
fn the_words_are_joined_however_the_continuation_is_cut() {
    let told = "It was the best of times, ";
    for (continuation, expected) in [
        ("it was the worst of times", "It was the best of times, it was the worst of times"),
        ("the best of times, it was", "It was the best of times, it was"),
        ("It was the best of times, it was", "It was the best of times, it was"),
        ("best of times, ", "It was the best of times, "),
        ("It was the best of times, ", "It was the best of times, "),
        ("", "It was the best of times, "),
        // What begins like a repetition and is none is new.
        ("It was the age", "It was the best of times, It was the age"),
        ("the best of times! ", "It was the best of times, the best of times! "),
        // Too little to tell from chance.
        ("times, it", "It was the best of times, times, it"),
    ] {
        for pieces in all_cuts(continuation.as_bytes()) {
            assert_eq!(joined(told, &pieces), expected, "{continuation:?}");
        }
    }
}

#[test]
fn twelve_bytes_are_a_repetition_and_eleven_are_chance() {
    let told = "0123456789ab";
    assert_eq!(joined(told, &[b"0123456789ab!"]), "0123456789ab!");
    assert_eq!(joined(told, &[b"123456789ab!"]), "0123456789ab123456789ab!");
}

#[test]
fn the_longest_overlap_counts() {
    let told = "la la la la la la ";
    assert_eq!(joined(told, &[b"la la la la la la end"]), "la la la la la la end");
    assert_eq!(joined(told, &[b"la la la la ", b"end"]), "la la la la la la end");
}

#[test]
fn characters_of_several_bytes_stay_whole() {
    let told = "Größe 😀😀😀😀";
    for continuation in ["😀😀😀😀 und", "Größe 😀😀😀😀 und", "😀😀😀 und"] {
        for pieces in all_cuts(continuation.as_bytes()) {
            assert_eq!(joined(told, &pieces), "Größe 😀😀😀😀 und");
        }
    }
}

#[test]
fn an_empty_piece_decides_nothing() {
    let mut seam = Seam::behind(b"some words that were told");
    assert_eq!(seam.take(b""), b"");
    assert!(seam.is_active());
    assert_eq!(seam.take(b"words that were told"), b"");
    assert_eq!(seam.take(b" and"), b" and");
    assert!(!seam.is_active());
    assert_eq!(seam.take(b"words that were told"), b"words that were told", "only at the seam");
    assert_eq!(seam.finish(), b"");
}

#[test]
fn behind_nothing_everything_is_new() {
    let mut seam = Seam::behind(b"");
    assert!(!seam.is_active());
    assert_eq!(seam.take(b"a"), b"a");
    assert_eq!(seam.finish(), b"");
}

#[test]
fn a_held_word_is_told_as_soon_as_it_is_new() {
    let mut seam = Seam::behind(b"one two three four");
    assert_eq!(seam.take(b"two th"), b"");
    assert_eq!(seam.take(b"ings"), b"two things");
}

/// Whatever was told and however much of it is repeated, the text is the one that was meant.
#[test]
fn any_repetition_of_any_text_is_found_at_any_cut() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        // No word twice, so that there is one place at which a repetition can begin.
        let words = |from: usize, count: usize| {
            (from..from + count).map(|word| format!("word{word} ")).collect::<String>()
        };
        let told = words(1_000, 3 + random.below(20));
        let new = words(5_000, random.below(5));
        let repeated = told.len() - random.below(told.len() - 12) - 12;
        let continuation = format!("{}{new}", &told[told.len() - repeated.max(12)..]);
        let pieces = random.cut(continuation.as_bytes());
        assert_eq!(joined(&told, &pieces), format!("{told}{new}"), "seed {seed}");
    }
}
