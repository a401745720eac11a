//! `<think>…</think>` at the start of an answer, cut anywhere.

use hf_inference_wasm::core::wire::batch::{Batch, Want};
use hf_inference_wasm::core::wire::chat::Answer;
use hf_inference_wasm::core::wire::think::ThinkTags;

use crate::all_cuts;

/// Content, and the text and reasoning that it holds.
const CASES: &[(&str, &str, &str)] = &[
    ("plain", "plain", ""),
    ("", "", ""),
    ("<think>because</think>so", "so", "because"),
    ("<think>\nbecause\n</think>\n\nso", "so", "\nbecause\n"),
    (" \n<think>because</think>so", "so", "because"),
    ("<think></think>so", "so", ""),
    ("<think>never closed", "", "never closed"),
    ("<think>a < b </thin b</think>so", "so", "a < b </thin b"),
    ("<think>half a tag </thi", "", "half a tag </thi"),
    ("<think>a</think>", "", "a"),
    ("<think>a</think> \n", "", "a"),
    ("<thin", "<thin", ""),
    ("<thinking>no tag</thinking>", "<thinking>no tag</thinking>", ""),
    ("Use <think>tags</think>", "Use <think>tags</think>", ""),
    ("<think>a</think>b<think>c</think>", "b<think>c</think>", "a"),
    ("  spaces first", "  spaces first", ""),
    ("<think>é 😀</think>ü", "ü", "é 😀"),
];

#[test]
fn the_tags_are_found_however_they_are_cut() {
    for (content, text, reasoning) in CASES {
        for pieces in all_cuts(content.as_bytes()) {
            let mut tags = ThinkTags::at_start();
            let (mut thought, mut said) = (Vec::new(), Vec::new());
            for piece in &pieces {
                tags.take(piece, &mut thought, &mut said);
            }
            tags.finish(&mut thought, &mut said);
            assert_eq!(said, text.as_bytes(), "{content:?} as {pieces:?}");
            assert_eq!(thought, reasoning.as_bytes(), "{content:?} as {pieces:?}");
        }
    }
}

#[test]
fn nothing_is_held_back_that_cannot_become_a_tag() {
    let mut tags = ThinkTags::at_start();
    let (mut thought, mut said) = (Vec::new(), Vec::new());
    tags.take(b"<think>a < b", &mut thought, &mut said);
    assert_eq!(thought, b"a < b");
    tags.take(b"</think>c", &mut thought, &mut said);
    assert_eq!((thought.as_slice(), said.as_slice()), (&b"a < b"[..], &b"c"[..]));
}

fn answer(think_tags: bool, want: Want) -> (Answer, String) {
    let mut answer = Answer::default();
    answer.think_tags = think_tags;
    let mut batch = Batch::default();
    batch.set_want(want);
    for content in ["<thi", "nk>why", "</th", "ink>\\n\\n", "because"] {
        let chunk = [r#"{"choices":[{"delta":{"content":""#, content, r#""}}]}"#].concat();
        answer.take(chunk.as_bytes(), &mut batch).expect("a chunk");
    }
    answer.settle(&mut batch);
    (answer, String::from_utf8(batch.text().to_vec()).expect("UTF-8"))
}

#[test]
fn an_answer_tells_reasoning_and_text_apart() {
    let (read, shown) = answer(true, Want::Text);
    let choice = read.first().expect("a choice");
    assert_eq!((choice.text.as_slice(), choice.reasoning.as_slice()), (&b"because"[..], &b"why"[..]));
    assert_eq!(shown, "because");
    assert_eq!(answer(true, Want::Events).1, "whybecause");
}

#[test]
fn a_caller_may_want_the_text_as_it_is() {
    let (read, shown) = answer(false, Want::Text);
    let choice = read.first().expect("a choice");
    assert_eq!(choice.text, b"<think>why</think>\n\nbecause");
    assert!(choice.reasoning.is_empty());
    assert_eq!(shown.as_bytes(), choice.text);
}

#[test]
fn chunks_are_the_services_own() {
    assert!(answer(true, Want::Chunks).1.contains(r#""content":"<thi""#));
}
