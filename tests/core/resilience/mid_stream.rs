//! An answer that breaks off after some of it was shown: told, continued, or begun anew, but never silently.

use hf_inference_wasm::core::engine::Progress;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{MidStream, Settings};
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::{At, BUSY, DONE, PROMPT, Stage, TOKEN, chat, delta, elsewhere, head};

const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";

fn continues(settings: &mut Settings) {
    settings.mid_stream = MidStream::Continue;
}

fn restarts(settings: &mut Settings) {
    settings.mid_stream = MidStream::Restart;
}

#[test]
fn by_default_it_is_an_error_with_what_had_come() {
    let mut stage = Stage::with(|settings| settings.fallbacks = vec![elsewhere("https://f")]);
    stage.open(0, &delta("half"));
    assert_eq!(stage.break_off(0), Progress::Failed);
    assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
    assert_eq!(stage.runs[0].error()["partial"]["text"], "half");
    assert_eq!((stage.runs[0].sent.len(), stage.runs[0].attempt(0)["verdict"].clone()), (1, json!("fail")));
}

#[test]
fn a_continued_answer_is_one_answer() {
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("Once upon "));
    assert_eq!(stage.break_off(0), Progress::Again);
    stage.until_sent(0, 2);
    let body = stage.runs[0].body();
    assert_eq!(
        body["messages"],
        json!([{ "role": "user", "content": PROMPT }, { "role": "assistant", "content": "Once upon " }])
    );
    assert_eq!((&body["model"], &body["stream"]), (&json!("a/b"), &json!(true)));
    stage.open(0, &(delta("a time") + DONE));
    assert_eq!(stage.runs[0].word(), "complete");
    assert_eq!(stage.runs[0].shown(), "Once upon a time");
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "Once upon a time");
    assert_eq!(stage.runs[0].attempts("verdict"), [json!("continue"), Value::Null]);
    assert!(stage.runs[0].attempt(0)["wasted"].is_object());
}

#[test]
fn what_a_server_repeats_is_told_once() {
    let told = "The quick brown fox jumps over ";
    for (repeated, name) in [(told, "all"), ("fox jumps over ", "the last words"), ("", "nothing")] {
        for (lead, cut) in [(false, 1), (false, 3), (true, 1), (true, 50)] {
            let mut stage = Stage::with(continues);
            stage.open(0, &delta(told));
            stage.break_off(0);
            stage.until_sent(0, 2);
            stage.open(0, if lead { ROLE } else { "" });
            let again = format!("{repeated}the lazy dog");
            for piece in again.as_bytes().chunks(cut) {
                stage.feed(0, &delta(std::str::from_utf8(piece).expect("ASCII")));
            }
            stage.feed(0, DONE);
            let whole = "The quick brown fox jumps over the lazy dog";
            assert_eq!(stage.runs[0].shown(), whole, "{name} repeated, role: {lead}, pieces of {cut}");
            assert_eq!(stage.runs[0].result()["choices"][0]["text"], whole);
        }
    }
}

#[test]
fn an_answer_is_continued_as_often_as_retries_are_left_and_each_time_from_where_it_was() {
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("one "));
    stage.end(0);
    stage.until_sent(0, 2);
    stage.open(0, &delta("two "));
    stage.break_off(0);
    stage.until_sent(0, 3);
    assert_eq!(stage.runs[0].body()["messages"][1]["content"], "one two ");
    stage.open(0, &delta("three"));
    stage.break_off(0);
    assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
    assert_eq!(stage.runs[0].error()["partial"]["text"], "one two three");
    assert_eq!(stage.runs[0].shown(), "one two three");
}

#[test]
fn a_refused_continuation_is_tried_again_and_loses_nothing() {
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("one "));
    stage.break_off(0);
    stage.until_sent(0, 2);
    stage.refuse(0, 503);
    stage.until_sent(0, 3);
    assert_eq!(stage.runs[0].body()["messages"][1]["content"], "one ");
    stage.refuse(0, 400);
    assert_eq!(stage.runs[0].word(), "failed: Input refused");
    assert_eq!(stage.runs[0].error()["partial"]["text"], "one ");
    assert_eq!(stage.runs[0].shown(), "one ");
}

#[test]
fn another_target_can_continue() {
    let mut stage = Stage::with(|settings| {
        continues(settings);
        settings.retry.limit = 0;
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    stage.open(0, &delta("one "));
    stage.break_off(0);
    assert_eq!(stage.runs[0].last().url, "https://f/v1/chat/completions");
    assert_eq!(stage.runs[0].body()["messages"][1]["content"], "one ");
    stage.open(0, &(delta("two") + DONE));
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "one two");
    assert_eq!(stage.runs[0].result()["provider"], "endpoint");
}

#[test]
fn a_continued_completion_has_more_of_the_prompt() {
    let mut stage = Stage::new();
    stage.ask(Task::Generation, json!({ "inputs": "Say \"é" }), Some(TOKEN), Want::Text, |settings| {
        continues(settings);
        settings.endpoint_url = "https://h/v1".to_owned();
    });
    stage.open(0, "data: {\"choices\":[{\"text\":\"one\\n\"}]}\n\n");
    stage.break_off(0);
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].body()["prompt"], "Say \"éone\n");
    stage.open(0, "data: {\"choices\":[{\"text\":\"two\"}]}\n\ndata: [DONE]\n\n");
    assert_eq!(stage.runs[0].result()["output"]["generated_text"], "one\ntwo");
}

#[test]
fn what_is_not_plain_text_is_not_continued() {
    let cases = [
        ("tools", json!([{ "type": "function" }]), delta("a")),
        ("response_format", json!({ "type": "json_object" }), delta("{")),
        ("n", json!(2), delta("a")),
        ("user", json!("u"), "data: {\"choices\":[{\"delta\":{\"reasoning\":\"r\"}}]}\n\n".to_owned()),
        ("user", json!("u"), delta("<think>so") + &delta("</think>a")),
        (
            "user",
            json!("u"),
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n".to_owned(),
        ),
    ];
    for (name, member, piece) in cases {
        let mut request = chat();
        request[name] = member;
        let mut stage = Stage::new();
        stage.begin(Task::Chat, request, continues);
        stage.open(0, &piece);
        stage.break_off(0);
        stage.until(1e6);
        assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost", "{name}");
        assert_eq!(stage.runs[0].sent.len(), 1, "{name}");
    }
}

#[test]
fn one_choice_asked_for_in_so_many_words_is_plain_too() {
    let mut request = chat();
    request["n"] = json!(1);
    let mut stage = Stage::new();
    stage.begin(Task::Chat, request, continues);
    stage.open(0, &delta("a"));
    assert_eq!(stage.break_off(0), Progress::Again);
}

#[test]
fn a_restart_tells_the_reader_to_clear_and_begins_anew() {
    let mut stage = Stage::with(restarts);
    stage.open(0, &delta("half"));
    assert_eq!(stage.break_off(0), Progress::Again);
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].body()["messages"].as_array().map(Vec::len), Some(1), "the request as it was");
    stage.open(0, &(delta("whole") + DONE));
    assert_eq!(stage.runs[0].word(), "complete");
    assert_eq!(stage.runs[0].shown(), "whole");
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "whole");
    let marks: Vec<u32> = stage.runs[0].events.iter().map(|(mark, _)| *mark).collect();
    let expected =
        [Mark::Start, Mark::Text, Mark::Restart, Mark::Retry, Mark::Start, Mark::Text, Mark::Finish];
    assert_eq!(marks, expected.map(|mark| mark as u32));
    assert_eq!(stage.runs[0].attempts("verdict"), [json!("restart"), Value::Null]);
}

#[test]
fn only_a_reader_who_can_clear_gets_a_restart() {
    for (want, again) in [
        (Want::Nothing, true),
        (Want::Events, true),
        (Want::Text, false),
        (Want::Chunks, false),
        (Want::Object, false),
    ] {
        let mut stage = Stage::new();
        stage.ask(Task::Chat, chat(), Some(TOKEN), want, restarts);
        stage.answer(0, head(200), "");
        let piece = delta("half");
        let progress = stage.shared_feed(&piece);
        assert_eq!(progress, Progress::More);
        let progress = stage.with_call(0, |call, shared, now| {
            call.clear_batch();
            let progress = call.break_off(0, shared, now);
            call.clear_batch();
            progress
        });
        assert_eq!(progress == Progress::Again, again, "{want:?}");
    }
}

#[test]
fn a_restart_that_finds_no_other_attempt_does_not_happen() {
    for mode in [MidStream::Restart, MidStream::Continue] {
        let mut stage = Stage::with(|settings| {
            settings.mid_stream = mode;
            settings.retry.limit = 0;
        });
        stage.open(0, &delta("half"));
        stage.break_off(0);
        assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
        assert_eq!(stage.runs[0].error()["partial"]["text"], "half", "{mode:?}");
        assert!(stage.runs[0].told(Mark::Restart).is_empty(), "nothing to clear for");
        assert_eq!(stage.runs[0].shown(), "half");
    }
}

#[test]
fn a_restart_that_fails_has_its_own_part_to_show() {
    let mut stage = Stage::with(|settings| {
        restarts(settings);
        settings.retry.limit = 1;
    });
    stage.open(0, &delta("first"));
    stage.break_off(0);
    stage.until_sent(0, 2);
    stage.open(0, &delta("sec"));
    stage.break_off(0);
    assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
    assert_eq!(stage.runs[0].error()["partial"]["text"], "sec");
    assert_eq!(stage.runs[0].shown(), "sec");
}

#[test]
fn a_stall_after_the_first_word_is_continued_too() {
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("one "));
    stage.until(120_000.0);
    assert_eq!(stage.runs[0].dropped, [0], "the stalled body is given up");
    stage.until_sent(0, 2);
    stage.open(0, &(delta("two") + DONE));
    assert_eq!(stage.runs[0].shown(), "one two");
}

#[test]
fn a_deadline_is_not_continued_behind() {
    for mode in [MidStream::Continue, MidStream::Restart] {
        let mut stage = Stage::with(|settings| {
            settings.mid_stream = mode;
            settings.timeouts.total = 5_000.0;
        });
        stage.open(0, &delta("one "));
        stage.until(1e6);
        assert_eq!(stage.runs[0].word(), "failed: Timeout total");
        assert_eq!((stage.runs[0].settled_at, stage.runs[0].sent.len()), (Some(5_000.0), 1));
        assert_eq!(stage.runs[0].error()["partial"]["text"], "one ");
    }
}

#[test]
fn a_caller_who_is_asked_can_refuse_to_go_on() {
    for mode in [MidStream::Continue, MidStream::Restart] {
        let mut stage = Stage::with(|settings| {
            settings.mid_stream = mode;
            settings.asks_before_retry = true;
        });
        stage.open(0, &delta("half"));
        stage.break_off(0);
        assert!(matches!(stage.runs[0].legs[0], At::Opinion(_)));
        stage.opine(0, Some(false));
        assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
        assert_eq!(stage.runs[0].error()["partial"]["text"], "half", "{mode:?}");
        assert_eq!(stage.runs[0].shown(), "half");
    }
}

#[test]
fn words_that_were_held_back_are_part_of_what_is_continued() {
    // The half of a tag may be reasoning; a break decides that it is text.
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("a"));
    stage.feed(0, &delta(" <thi"));
    stage.break_off(0);
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].body()["messages"][1]["content"], stage.runs[0].shown());
    // While the seam is open, what is held may be repetition; another break decides that it is not all.
    stage.open(0, &delta("a <t"));
    stage.break_off(0);
    stage.until_sent(0, 3);
    assert_eq!(stage.runs[0].body()["messages"][1]["content"], stage.runs[0].shown());
    stage.answer(0, head(400), BUSY);
    assert_eq!(stage.runs[0].error()["partial"]["text"], stage.runs[0].shown());
}

#[test]
fn half_a_character_stays_behind_the_words_that_are_held() {
    let mut stage = Stage::with(continues);
    stage.open(0, &delta("some words "));
    stage.break_off(0);
    stage.until_sent(0, 2);
    stage.open(0, "data: {\"choices\":[{\"delta\":{\"content\":\"words \\ud83d\"}}]}\n\n");
    stage.feed(0, DONE);
    assert_eq!(stage.runs[0].shown(), "some words words \u{fffd}");
}
