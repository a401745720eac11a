//! The same request sent once more when it is slow to answer: the first word wins, the others are given up at once.

use hf_inference_wasm::core::engine::Progress;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Settings};
use hf_inference_wasm::core::error::Error;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::{At, DONE, Stage, TOKEN, chat, delta, elsewhere, head};

fn hedged(settings: &mut Settings) {
    settings.hedge = Some((1_000.0, 1));
}

/// A call whose two requests are out.
fn two() -> Stage {
    let mut stage = Stage::with(hedged);
    stage.until(1_000.0);
    assert_eq!(stage.runs[0].legs, [At::Answer, At::Answer]);
    stage
}

#[test]
fn another_request_goes_out_after_the_wait_and_no_more_than_allowed() {
    for most in 0..4 {
        let mut stage = Stage::with(|settings| settings.hedge = Some((1_000.0, most)));
        stage.until(999.0);
        assert_eq!(stage.runs[0].sent.len(), 1);
        stage.until(50_000.0);
        let expected: Vec<f64> = (0..=most).map(|number| f64::from(number) * 1_000.0).collect();
        assert_eq!(stage.runs[0].times(), expected);
        let flags = stage.runs[0].attempts("hedge");
        assert_eq!(flags[0], Value::Null);
        assert!(flags[1..].iter().all(|flag| *flag == true));
    }
}

#[test]
fn the_first_word_wins_and_the_other_is_given_up() {
    for winner in [0, 1] {
        let loser = 1 - winner;
        let mut stage = two();
        stage.answer_leg(0, loser, head(200), "");
        stage.feed_leg(
            0,
            loser,
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        );
        assert!(stage.runs[0].dropped.is_empty(), "a head is no word");
        stage.answer_leg(0, winner, head(200), "");
        stage.until(1_500.0);
        stage.feed_leg(0, winner, &delta("mine"));
        assert_eq!(stage.runs[0].dropped, [loser]);
        assert_eq!(stage.runs[0].legs[loser], At::Nothing);
        assert!(stage.runs[0].call.leads(winner) && !stage.runs[0].call.leads(loser));
        assert_eq!(stage.feed_leg(0, loser, &delta("late")), Progress::More, "nobody listens to it");
        stage.feed_leg(0, winner, DONE);
        assert_eq!(stage.runs[0].word(), "complete");
        assert_eq!(stage.runs[0].shown(), "mine");
        assert_eq!(stage.runs[0].result()["choices"][0]["text"], "mine");
        assert_eq!(stage.runs[0].told(Mark::Start).len(), 1);
        let lost = stage.runs[0].attempt(loser);
        assert_eq!((&lost["outcome"], &lost["ended"]), (&json!("outpaced"), &json!(1_500)));
        assert_eq!(lost["wasted"]["completion_tokens"], 0);
        assert!(lost["wasted"]["prompt_tokens"].as_u64() > Some(5));
        assert_eq!(stage.runs[0].attempt(winner)["wasted"], Value::Null);
    }
}

#[test]
fn a_winner_that_breaks_off_says_where_it_was() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    stage.until(1_000.0);
    stage.answer_leg(0, 0, head(200), "");
    stage.feed_leg(0, 0, &delta("a"));
    stage.break_off(0);
    let error = stage.runs[0].error();
    assert_eq!(error["provider"], "auto");
    assert_eq!(error["url"], "https://router.huggingface.co/v1/chat/completions");
}

#[test]
fn a_hedge_whose_token_function_fails_leaves_the_first_leg_alone() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.fallbacks = vec![Fallback { has_token_function: true, ..elsewhere("https://f") }];
    });
    stage.until(1_000.0);
    stage.fail_token(0);
    stage.answer_leg(0, 0, head(200), "");
    stage.feed_leg(0, 0, &(delta("a") + DONE));
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "a");
}

#[test]
fn a_hedge_goes_to_another_target_where_there_is_one() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    stage.until(1_000.0);
    assert_eq!(stage.runs[0].last().url, "https://f/v1/chat/completions");
    assert!(stage.runs[0].last().credential.is_none());
    stage.answer_leg(0, 1, head(200), "");
    stage.feed_leg(0, 1, &(delta("a") + DONE));
    assert_eq!(stage.runs[0].result()["provider"], "endpoint");
}

#[test]
fn a_hedge_that_fails_leaves_the_other_alone() {
    for status in [400, 404, 429, 500] {
        let mut stage = two();
        stage.answer_leg(0, 1, head(status), "{}");
        assert_eq!(stage.runs[0].legs, [At::Answer, At::Nothing], "{status}");
        stage.answer_leg(0, 0, head(200), "");
        stage.feed_leg(0, 0, &(delta("a") + DONE));
        assert_eq!(stage.runs[0].word(), "complete");
    }
}

#[test]
fn a_hedge_that_fails_goes_nowhere_else() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.fallbacks = vec![elsewhere("https://f1"), elsewhere("https://f2")];
    });
    stage.until(1_000.0);
    stage.answer_leg(0, 1, head(404), "{}");
    assert_eq!(stage.runs[0].legs, [At::Answer, At::Nothing]);
    assert_eq!(stage.runs[0].sent.len(), 2);
}

#[test]
fn the_first_that_fails_for_good_leaves_the_hedge_its_chance() {
    let mut stage = two();
    stage.answer_leg(0, 0, head(400), "{}");
    assert_eq!(stage.runs[0].legs, [At::Nothing, At::Answer]);
    stage.answer_leg(0, 1, head(200), "");
    stage.feed_leg(0, 1, &(delta("a") + DONE));
    assert_eq!((stage.runs[0].word().as_str(), stage.runs[0].shown().as_str()), ("complete", "a"));
    let mut stage = two();
    stage.answer_leg(0, 0, head(400), "{}");
    stage.answer_leg(0, 1, head(422), "{}");
    assert_eq!(stage.runs[0].word(), "failed: Input refused", "when all have failed, the call has");
}

#[test]
fn there_is_no_hedge_behind_the_first_word_or_the_end() {
    let mut stage = Stage::with(hedged);
    stage.open(0, &delta("a"));
    stage.until(100_000.0);
    assert_eq!(stage.runs[0].sent.len(), 1);
    let mut stage = Stage::with(hedged);
    stage.abort(0);
    stage.until(100_000.0);
    assert_eq!(stage.runs[0].sent.len(), 1);
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.retry.limit = 0;
    });
    stage.refuse(0, 500);
    stage.until(100_000.0);
    assert_eq!(stage.runs[0].sent.len(), 1);
}

#[test]
fn a_continued_answer_is_not_hedged() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.mid_stream = MidStream::Continue;
    });
    stage.open(0, &delta("one "));
    stage.break_off(0);
    stage.until_sent(0, 2);
    stage.until(stage.time + 30_000.0);
    assert_eq!(stage.runs[0].sent.len(), 2);
    stage.open(0, &(delta("two") + DONE));
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "one two");
}

#[test]
fn a_wait_between_two_attempts_is_not_hedged_but_the_next_attempt_is() {
    let mut stage = Stage::with(hedged);
    let wait = hf_inference_wasm::core::engine::attempt::Head { retry_after: "9".to_owned(), ..head(503) };
    stage.answer(0, wait, "{}");
    stage.until(9_000.0);
    assert_eq!(stage.runs[0].sent.len(), 2);
    stage.until(9_999.0);
    assert_eq!(stage.runs[0].sent.len(), 2);
    stage.until(10_000.0);
    assert_eq!(stage.runs[0].times(), [0.0, 9_000.0, 10_000.0]);
}

#[test]
fn hedges_draw_on_the_budget_of_retries() {
    let mut stage = Stage::new();
    for _ in 0..30 {
        stage.chat(hedged);
    }
    stage.until(1_000.0);
    let hedges: usize = stage.runs.iter().map(|run| run.sent.len() - 1).sum();
    assert_eq!(hedges, 16, "ten, and one for each five calls");
}

#[test]
fn a_loser_frees_its_place_and_says_nothing_against_its_target() {
    let mut stage = Stage::new();
    let limited = |settings: &mut Settings| {
        hedged(settings);
        settings.limits.concurrency = 2.0;
    };
    for number in 0..10 {
        let from = stage.time;
        stage.chat(limited);
        stage.until(from + 1_000.0);
        assert_eq!(stage.runs[number].sent.len(), 2, "call {number} finds both places free");
        stage.answer_leg(number, 1, head(200), "");
        stage.feed_leg(number, 1, &delta("a"));
        let waiting = stage.chat(|settings| settings.limits.concurrency = 2.0);
        assert_eq!(stage.runs[waiting].sent.len(), 1, "the loser's place is free at once");
        stage.abort(waiting);
        stage.feed_leg(number, 1, DONE);
        stage.runs.truncate(number + 1);
        stage.until(stage.time + 10_000.0);
    }
    assert!(stage.runs.iter().all(|run| run.noticed("state").is_empty()));
}

#[test]
fn a_hedge_that_waits_for_its_turn_gives_it_up_when_the_first_answers() {
    let mut stage = Stage::with(|settings| {
        hedged(settings);
        settings.limits.concurrency = 1.0;
    });
    stage.until(1_000.0);
    assert!(matches!(stage.runs[0].legs[..], [At::Answer, At::Sleep(_)]));
    stage.complete(0, "a");
    stage.until(10_000.0);
    assert_eq!(stage.runs[0].sent.len(), 1);
    assert_eq!(stage.runs[0].attempt(1)["wasted"], Value::Null, "it was not sent");
    let next = stage.chat(|settings| settings.limits.concurrency = 1.0);
    assert_eq!(stage.runs[next].sent.len(), 1);
}

#[test]
fn an_abort_ends_every_leg() {
    let mut stage = two();
    stage.answer_leg(0, 1, head(200), "");
    stage.abort(0);
    assert_eq!(stage.runs[0].attempts("outcome"), ["aborted", "aborted"]);
    stage.until(1e6);
    assert_eq!(stage.runs[0].sent.len(), 2);
}

#[test]
fn a_reader_of_any_kind_gets_the_winners_words_once() {
    for (want, expected) in [(Want::Text, "hello"), (Want::Chunks, "hello")] {
        let mut stage = Stage::new();
        stage.ask(Task::Chat, chat(), Some(TOKEN), want, hedged);
        stage.until(1_000.0);
        let now = stage.now();
        let call = &mut stage.runs[0].call;
        let shared = &mut stage.shared;
        call.on_head(0, head(200), shared, now);
        call.on_head(1, head(200), shared, now);
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
        call.feed(0, role.as_bytes(), shared, now);
        call.feed(1, role.as_bytes(), shared, now);
        call.feed(1, delta("hello").as_bytes(), shared, now);
        let text = String::from_utf8(call.batch().text().to_vec()).expect("UTF-8");
        assert_eq!(text.matches(expected).count(), 1, "{text}");
        assert!(text.matches("assistant").count() <= 1, "{text}");
    }
}

#[test]
fn whole_answers_are_not_hedged() {
    let mut stage = Stage::new();
    let settings = Settings { hedge: Some((10.0, 1)), ..Settings::default() };
    let (request, token) =
        (chat().to_string().into_bytes(), hf_inference_wasm::core::secret::Secret::new(TOKEN));
    let now = stage.now();
    let call: Result<_, Box<Error>> = hf_inference_wasm::core::engine::Call::new(
        Task::Chat,
        false,
        settings,
        request,
        token,
        false,
        &mut stage.shared,
        now,
    );
    let mut call = call.expect("a good request");
    call.step(0, &mut stage.shared, now);
    stage.time = 1_000.0;
    let now = stage.now();
    call.look(&mut stage.shared, now);
    assert_eq!(call.take_begun(), [0]);
}
