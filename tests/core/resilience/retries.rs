//! Which failures are tried again, how often, and when: never earlier than the service asks.

use hf_inference_wasm::core::engine::attempt::{Head, Reading};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Order, Settings};
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use hf_inference_wasm::core::wire::rate_limit::Quota;
use serde_json::json;

use super::stage::{At, BUSY, DONE, ENDPOINT, EPOCH, Event, Stage, TOKEN, chat, delta, head};
use crate::Random;

/// The end of the wait of a call's only leg.
fn wakes_at(stage: &Stage) -> f64 {
    match stage.runs[0].legs[0] {
        At::Sleep(until) => until,
        ref other => panic!("it does not wait but {other:?}"),
    }
}

#[test]
fn each_status_is_tried_again_or_not_as_the_table_says() {
    for status in 300..=600u16 {
        let again = matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529);
        let mut stage = Stage::with(|_| ());
        stage.refuse(0, status);
        if !again {
            assert!(stage.runs[0].word().starts_with("failed: "), "{status}");
            assert_eq!(stage.runs[0].sent.len(), 1, "{status}");
            continue;
        }
        for count in 2..=3 {
            stage.until_sent(0, count);
            stage.refuse(0, status);
        }
        stage.until(1e6);
        assert_eq!(stage.runs[0].sent.len(), 3, "{status}");
        let kind = if status == 429 { "RateLimit" } else { "Server" };
        assert_eq!(stage.runs[0].word(), format!("failed: {kind} refused"), "{status}");
        assert_eq!(stage.runs[0].error()["status"], status);
        assert_eq!(stage.runs[0].attempts("verdict"), ["retry", "retry", "fallback"]);
    }
}

#[test]
fn a_retry_that_is_answered_leaves_nothing_of_the_failure() {
    let mut stage = Stage::with(|_| ());
    stage.refuse(0, 500);
    stage.until_sent(0, 2);
    stage.complete(0, "fine");
    assert_eq!(stage.runs[0].shown(), "fine");
    assert_eq!(stage.runs[0].result()["choices"][0]["text"], "fine");
    assert_eq!(stage.runs[0].attempts("outcome"), ["refused", "complete"]);
}

#[test]
fn what_brings_nothing_to_show_is_tried_again() {
    let failures: [(&str, Event); 9] = [
        ("Network no_answer", |stage| stage.no_answer(0)),
        ("Network connection_lost", |stage| {
            stage.open(0, ": keep-alive\n\n");
            stage.break_off(0);
        }),
        ("InvalidResponse empty", |stage| {
            stage.open(0, "");
            stage.end(0);
        }),
        ("Truncated no_end", |stage| {
            stage.open(0, "data: {\"choices\":[]}\n\n");
            stage.end(0);
        }),
        ("Truncated cut_event", |stage| {
            stage.open(0, "data: {\"choices\":[]}\n\ndata: {\"cho");
            stage.end(0);
        }),
        ("Server error_in_stream", |stage| {
            stage.open(0, "data: {\"error\":{\"message\":\"m\",\"code\":503}}\n\n");
        }),
        ("RateLimit error_in_stream", |stage| {
            stage.open(0, "data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n");
        }),
        ("Timeout first_token", |stage| {
            stage.until(stage.time + 60_000.0);
        }),
        ("Timeout first_token", |stage| {
            stage.open(0, ": keep-alive\n\n");
            stage.until(stage.time + 60_000.0);
        }),
    ];
    for (expected, fail) in failures {
        let mut stage = Stage::with(|_| ());
        for count in 1..=3 {
            stage.until_sent(0, count);
            assert_eq!(stage.runs[0].sent.len(), count, "{expected}");
            fail(&mut stage);
        }
        assert_eq!(stage.runs[0].sent.len(), 3);
        assert!(stage.runs[0].word().ends_with(expected), "{}, not {expected}", stage.runs[0].word());
        assert_eq!(stage.runs[0].error()["retryable"], true);
    }
}

#[test]
fn what_another_try_cannot_mend_is_not_tried_again() {
    let failures: [(&str, Event); 3] = [
        ("InvalidResponse markup", |stage| {
            let head = Head { status: 200, content_type: "text/html".to_owned(), ..Head::default() };
            stage.answer(0, head, "");
        }),
        ("InvalidResponse not_json", |stage| stage.open(0, "data: {oops}\n\n")),
        ("Input error_in_stream", |stage| {
            stage.open(0, "data: {\"error\":{\"message\":\"m\",\"code\":400}}\n\n");
        }),
    ];
    for (expected, fail) in failures {
        let mut stage = Stage::with(|_| ());
        fail(&mut stage);
        stage.until(1e6);
        assert_eq!(stage.runs[0].word(), format!("failed: {expected}"));
        assert_eq!(stage.runs[0].sent.len(), 1, "{expected}");
    }
}

#[test]
fn the_callers_limit_and_statuses_count() {
    for limit in [0, 1, 5] {
        let mut stage = Stage::with(|settings| {
            settings.retry.limit = limit;
            settings.breaker = false;
        });
        for count in 1..=limit as usize + 1 {
            stage.until_sent(0, count);
            stage.refuse(0, 500);
        }
        assert_eq!(stage.runs[0].sent.len(), limit as usize + 1);
        assert!(stage.runs[0].settled_at.is_some());
    }
    let own = |settings: &mut Settings| settings.retry.status_codes = Some(vec![404]);
    let mut stage = Stage::with(own);
    stage.refuse(0, 404);
    assert!(matches!(stage.runs[0].legs[0], At::Sleep(_)));
    let mut stage = Stage::with(own);
    stage.refuse(0, 500);
    assert_eq!(stage.runs[0].word(), "failed: Server refused", "not in the caller's list");
}

#[test]
fn the_service_has_the_last_word_on_whether_a_retry_makes_sense() {
    let refusal = |status, should_retry| {
        let mut stage = Stage::with(|_| ());
        stage.answer(0, Head { should_retry: Some(should_retry), ..head(status) }, BUSY);
        stage.runs[0].settled_at.is_none()
    };
    assert!(refusal(400, true));
    assert!(!refusal(500, false));
    assert!(!refusal(429, false));
}

#[test]
fn a_wish_of_the_service_is_kept_to_the_millisecond() {
    let with = |change: fn(&mut Head)| {
        let mut head = head(429);
        change(&mut head);
        head
    };
    // One hour and three seconds after the epoch of the tests, which is 08:00:00.
    let cases: [(Head, &str, f64); 11] = [
        (with(|head| head.retry_after = "3".to_owned()), BUSY, 3_000.0),
        (with(|head| head.retry_after = "1.5".to_owned()), BUSY, 1_500.0),
        (with(|head| head.retry_after = "0".to_owned()), BUSY, 0.0),
        (with(|head| head.retry_after_ms = "250".to_owned()), BUSY, 250.0),
        (
            with(|head| {
                head.retry_after_ms = "250".to_owned();
                head.retry_after = "9".to_owned();
            }),
            BUSY,
            250.0,
        ),
        (with(|head| head.retry_after = "Fri, 15 Jan 2027 08:00:07 GMT".to_owned()), BUSY, 6_900.0),
        (with(|head| head.retry_after = "Fri, 15 Jan 2027 07:00:00 GMT".to_owned()), BUSY, 0.0),
        (
            with(|head| head.quota = Quota { limit: None, remaining: Some(0.0), reset: Some(4_000.0) }),
            BUSY,
            4_000.0,
        ),
        (head(503), r#"{"error":"loading","estimated_time":20}"#, 20_000.0),
        (with(|head| head.retry_after = "60".to_owned()), BUSY, 60_000.0),
        (Head { retry_after: "2".to_owned(), ..head(500) }, BUSY, 2_000.0),
    ];
    for (head, body, wait) in cases {
        let mut stage = Stage::with(|_| ());
        stage.until(100.0);
        let shown = format!("{head:?}");
        stage.answer(0, head, body);
        stage.until_sent(0, 2);
        assert_eq!(stage.runs[0].times(), [0.0, 100.0 + wait], "{shown}");
        assert_eq!(stage.runs[0].attempt(0)["delay"], wait, "{shown}");
    }
}

#[test]
fn what_remains_says_nothing_about_a_refusal() {
    let mut stage = Stage::with(|settings| settings.retry.jitter = false);
    let quota = Quota { limit: Some(9.0), remaining: Some(5.0), reset: Some(40_000.0) };
    stage.answer(0, Head { quota, ..head(500) }, BUSY);
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].times(), [0.0, 500.0]);
}

#[test]
fn a_wish_beyond_the_callers_patience_ends_the_call_with_the_moment_and_never_sends_early() {
    for (header, most, total) in [("61", 60_000.0, 600_000.0), ("5", 60_000.0, 4_000.0), ("2", 1_000.0, 6e5)]
    {
        let mut stage = Stage::with(|settings| {
            settings.retry.max_retry_after = most;
            settings.timeouts.total = total;
        });
        stage.answer(0, Head { retry_after: header.to_owned(), ..head(429) }, BUSY);
        assert_eq!(stage.runs[0].settled_at, Some(0.0), "{header}");
        assert_eq!(stage.runs[0].word(), "failed: RateLimit refused");
        let seconds: f64 = header.parse().expect("a number");
        assert_eq!(stage.runs[0].error()["retryAt"], (EPOCH + seconds * 1000.0) as u64);
        assert_eq!(stage.runs[0].sent.len(), 1);
        // The next call of the client finds the gate closed.
        let next = stage.chat(|settings| settings.retry.max_retry_after = most);
        if seconds * 1000.0 > most {
            assert_eq!(stage.runs[next].word(), "failed: RateLimit gate");
            assert_eq!(stage.runs[next].error()["retryAt"], (EPOCH + seconds * 1000.0) as u64);
            assert!(stage.runs[next].sent.is_empty());
        } else {
            stage.until_sent(next, 1);
            assert_eq!(stage.runs[next].times(), [seconds * 1000.0]);
        }
    }
}

#[test]
fn waits_double_up_to_their_bound_and_are_drawn_from_zero() {
    let waits = |jitter: bool, seed: u64| -> Vec<f64> {
        let mut stage = Stage::new();
        stage.shared = hf_inference_wasm::core::engine::Shared::new(seed);
        stage.chat(|settings| {
            settings.retry.jitter = jitter;
            settings.retry.limit = 7;
            settings.breaker = false;
        });
        let mut waits = Vec::new();
        for count in 2..=8 {
            stage.refuse(0, 500);
            waits.push(wakes_at(&stage) - stage.time);
            stage.until_sent(0, count);
        }
        waits
    };
    let bounds = [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 8_000.0, 8_000.0];
    assert_eq!(waits(false, 1), bounds);
    let mut shares = Vec::new();
    for seed in 1..200 {
        for (wait, bound) in waits(true, seed).into_iter().zip(bounds) {
            assert!((0.0..bound).contains(&wait), "{wait} of {bound}");
            shares.push(wait / bound);
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.45..0.55).contains(&mean), "evenly over the whole: {mean}");
    assert!(shares.iter().any(|share| *share < 0.02) && shares.iter().any(|share| *share > 0.98));
    assert_eq!(waits(true, 5), waits(true, 5), "a seed replays");
}

#[test]
fn no_retry_begins_that_could_not_end_in_time() {
    let mut stage = Stage::with(|settings| {
        settings.retry.jitter = false;
        settings.timeouts.total = 1_400.0;
    });
    stage.refuse(0, 500);
    stage.until_sent(0, 2);
    stage.refuse(0, 500);
    // The next wait would be a second, and end behind the deadline.
    assert_eq!((stage.time, stage.runs[0].settled_at), (500.0, Some(500.0)));
    assert_eq!(stage.runs[0].word(), "failed: Server refused", "the telling error, not the deadline");
}

#[test]
fn the_deadline_bounds_everything_that_a_call_does() {
    let waits: [(&str, Event); 5] = [
        ("an answer", |_| ()),
        ("a body", |stage| stage.open(0, &delta("a"))),
        ("a retry", |stage| {
            stage.answer(0, Head { retry_after: "9".to_owned(), ..head(429) }, BUSY);
        }),
        ("an opinion", |stage| stage.refuse(0, 500)),
        ("an answer to a retry", |stage| {
            stage.refuse(0, 500);
            if let At::Opinion(_) = stage.runs[0].legs[0] {
                stage.opine(0, None);
            }
            stage.until_sent(0, 2);
        }),
    ];
    for (name, wait) in waits {
        let mut stage = Stage::with(|settings| {
            settings.timeouts.total = 10_000.0;
            settings.asks_before_retry = name == "an opinion";
        });
        wait(&mut stage);
        stage.until(1e6);
        assert_eq!(stage.runs[0].settled_at, Some(10_000.0), "{name}");
        assert_eq!(stage.runs[0].word(), "failed: Timeout total", "{name}");
    }
}

#[test]
fn retries_draw_on_one_budget_of_all_calls() {
    let mut stage = Stage::new();
    for number in 0..50 {
        stage.chat(|settings| {
            settings.breaker = false;
            settings.retry.jitter = false;
        });
        stage.refuse(number, 500);
    }
    // Ten, and one for each five calls up to then: the calls come one after the other.
    let retried = stage.runs.iter().filter(|run| run.settled_at.is_none()).count();
    assert_eq!(retried, 20);
    let given_up = stage.runs.iter().find(|run| run.settled_at.is_some()).expect("a call");
    assert_eq!(given_up.word(), "failed: Server refused");
}

#[test]
fn a_failed_lookup_is_tried_again_like_any_other_request() {
    let mut stage = Stage::with(|settings| settings.provider = "groq".to_owned());
    stage.refuse(0, 503);
    stage.until_sent(0, 2);
    stage.no_answer(0);
    stage.until_sent(0, 3);
    assert!(stage.runs[0].urls().iter().all(|url| url.contains("/api/models/a/b")));
    stage.answer(0, head(200), r#"{"inferenceProviderMapping":{"groq":{"status":"live","providerId":"theirs","task":"conversational"}}}"#);
    assert!(stage.runs[0].last().url.ends_with("/groq/openai/v1/chat/completions"));
    stage.complete(0, "a");
}

#[test]
fn the_number_of_a_retry_is_told_where_cors_allows_it() {
    let count = |stage: &Stage| {
        let header = stage.runs[0].last().headers.iter().find(|(name, _)| name == "x-retry-count");
        header.map(|(_, value)| value.clone())
    };
    for in_page in [false, true] {
        let mut stage = Stage::with(|settings| {
            settings.in_page = in_page;
            settings.allow_browser = true;
        });
        assert_eq!(count(&stage), None);
        for number in 1..=2 {
            stage.refuse(0, 500);
            stage.until_sent(0, number + 1);
            assert_eq!(count(&stage), (!in_page).then(|| number.to_string()));
        }
    }
}

#[test]
fn the_caller_is_asked_before_a_retry_and_has_its_way() {
    let asked = |status: u16| {
        let mut stage = Stage::with(|settings| settings.asks_before_retry = true);
        stage.refuse(0, status);
        let At::Opinion(facts) = &stage.runs[0].legs[0] else { panic!("not asked") };
        assert_eq!((&facts["status"], &facts["message"]), (&json!(status), &json!("busy")));
        stage
    };
    // No opinion: as it would be anyway.
    let mut stage = asked(500);
    stage.opine(0, None);
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].sent.len(), 2);
    let mut stage = asked(400);
    stage.opine(0, None);
    assert_eq!(stage.runs[0].word(), "failed: Input refused");
    // Another opinion.
    let mut stage = asked(500);
    stage.opine(0, Some(false));
    assert_eq!(stage.runs[0].word(), "failed: Server refused");
    let mut stage = asked(400);
    for count in 2..=3 {
        stage.opine(0, Some(true));
        stage.until_sent(0, count);
        stage.refuse(0, 400);
    }
    stage.opine(0, Some(true));
    assert_eq!((stage.runs[0].sent.len(), stage.runs[0].word().as_str()), (3, "failed: Input refused"));
}

#[test]
fn an_answer_that_comes_when_nobody_asked_changes_nothing() {
    let mut stage = Stage::with(|_| ());
    stage.with_call(0, |call, shared, now| call.on_consulted(0, Some(false), shared, now));
    assert_eq!(stage.runs[0].legs, [At::Answer]);
    stage.complete(0, "a");
}

#[test]
fn the_callers_yes_sends_no_request_earlier_than_the_service_asks() {
    let mut stage = Stage::with(|settings| {
        settings.asks_before_retry = true;
        settings.retry.max_retry_after = 1_000.0;
    });
    stage.answer(0, Head { retry_after: "5".to_owned(), ..head(500) }, BUSY);
    stage.opine(0, Some(true));
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].times().get(1).copied().unwrap_or(5_000.0), 5_000.0);
}

#[test]
fn the_callers_yes_does_not_send_again_what_was_half_shown() {
    let mut stage = Stage::with(|settings| settings.asks_before_retry = true);
    stage.open(0, &delta("half"));
    stage.break_off(0);
    if let At::Opinion(_) = stage.runs[0].legs[0] {
        stage.opine(0, Some(true));
    }
    stage.until(1e6);
    assert_eq!(stage.runs[0].sent.len(), 1, "never silently");
    assert_eq!(stage.runs[0].word(), "failed: StreamInterrupted connection_lost");
    assert_eq!(stage.runs[0].error()["partial"]["text"], "half");
}

#[test]
fn nothing_is_retried_after_the_first_word() {
    for word in [
        delta("a"),
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"r\"}}]}\n\n".to_owned(),
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n".to_owned(),
    ] {
        let failures: [(&str, Event); 4] = [
            ("StreamInterrupted connection_lost", |stage| {
                stage.break_off(0);
            }),
            ("Truncated no_end", |stage| {
                stage.end(0);
            }),
            ("StreamInterrupted error_in_stream", |stage| {
                stage.feed(0, "data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n");
            }),
            ("Timeout stall", |stage| stage.until(1e6)),
        ];
        for (expected, fail) in failures {
            let mut stage = Stage::with(|_| ());
            stage.open(0, &word);
            fail(&mut stage);
            stage.until(1e6);
            assert_eq!(stage.runs[0].sent.len(), 1, "{expected}");
            assert!(stage.runs[0].word().ends_with(expected), "{}", stage.runs[0].word());
            assert!(stage.runs[0].error()["partial"].is_object());
            assert!(stage.runs[0].told(Mark::Retry).is_empty() && stage.runs[0].told(Mark::Restart).is_empty());
        }
    }
}

#[test]
fn whoever_comes_to_read_between_two_attempts_misses_nothing_and_sees_nothing_twice() {
    for want in [Want::Text, Want::Events, Want::Chunks] {
        let mut stage = Stage::new();
        stage.ask(Task::Chat, chat(), Some(TOKEN), Want::Nothing, |_| ());
        stage.open(
            0,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        );
        stage.break_off(0);
        stage.with_call(0, |call, _, _| call.want(want));
        stage.until_sent(0, 2);
        stage.runs[0].call.clear_batch();
        let leg = 0;
        stage.with_call(0, |call, shared, now| call.on_head(leg, head(200), shared, now));
        let piece = delta("once");
        let text = {
            let (shared, now) =
                (&mut stage.shared, hf_inference_wasm::core::ports::Now { monotonic: stage.time, unix: 0.0 });
            let call = &mut stage.runs[0].call;
            call.step(0, shared, now);
            call.feed(0, piece.as_bytes(), shared, now);
            String::from_utf8(call.batch().text().to_vec()).expect("UTF-8")
        };
        assert_eq!(text.matches("once").count(), 1, "{want:?}: {text}");
        assert!(!text.contains("assistant"), "what was given up is not told: {text}");
    }
}

#[test]
fn an_abort_between_two_attempts_sends_nothing_more() {
    let mut stage = Stage::with(|_| ());
    stage.refuse(0, 500);
    stage.abort(0);
    stage.until(1e6);
    assert_eq!((stage.runs[0].sent.len(), stage.runs[0].word().as_str()), (1, "aborted"));
    assert_eq!(stage.runs[0].settled_at, Some(0.0));
}

/// However the failures fall, a call sends no more than its limit allows, and only after the waits.
#[test]
fn no_course_of_failures_sends_more_than_the_limit() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let limit = random.below(4);
        let mut stage = Stage::with(|settings| {
            settings.retry.limit = limit as u32;
            settings.endpoint_url = ENDPOINT.to_owned();
            settings.wake_timeout = Some(0.0);
            settings.breaker = false;
        });
        while stage.runs[0].settled_at.is_none() {
            match random.below(6) {
                0 => stage.refuse(0, random.pick(&[500, 502, 503, 429])),
                1 => stage.no_answer(0),
                2 => {
                    let head = Head { retry_after: random.pick(&["0", "1", "70"]).to_owned(), ..head(503) };
                    stage.answer(0, head, BUSY);
                }
                3 => {
                    stage.open(0, "");
                    stage.break_off(0);
                }
                4 => stage.until(stage.time + 60_000.0),
                _ => stage.open(0, &(delta("a") + DONE)),
            }
            let next = stage.runs[0].sent.len() + 1;
            if stage.runs[0].settled_at.is_none() && stage.runs[0].legs[0] != At::Answer {
                stage.until_sent(0, next);
            }
        }
        assert!(stage.runs[0].sent.len() <= limit + 1, "seed {seed}");
        let outcomes = stage.runs[0].attempts("outcome");
        assert!(outcomes.iter().all(|outcome| outcome != "open"), "{outcomes:?}");
    }
}

/// The head of a refusal, whose words are still to come.
fn half_refuse(stage: &mut Stage, run: usize, head: Head) {
    let reading = stage.with_call(run, |call, shared, now| call.on_head(0, head, shared, now));
    assert!(matches!(reading, Reading::Whole(_)), "{reading:?}");
}

#[test]
fn a_refusal_whose_words_do_not_end_is_what_its_head_says() {
    for streamed in [true, false] {
        let mut stage = Stage::with(|settings| settings.retry.limit = 0);
        if !streamed {
            stage.runs.clear();
            stage.whole(chat(), |settings| settings.retry.limit = 0);
        }
        half_refuse(&mut stage, 0, head(503));
        stage.until(4_999.0);
        assert_eq!(stage.runs[0].settled_at, None);
        stage.until(5_000.0);
        assert_eq!(stage.runs[0].word(), "failed: Server refused");
        assert_eq!(stage.runs[0].error()["status"], 503);
        assert_eq!(stage.runs[0].settled_at, Some(5_000.0));
        assert_eq!(stage.runs[0].dropped, [0], "its connection is closed");
    }
}

#[test]
fn it_is_tried_again_as_if_its_words_had_ended() {
    let mut stage = Stage::with(|_| ());
    half_refuse(&mut stage, 0, Head { retry_after: "7".to_owned(), ..head(429) });
    stage.until_sent(0, 2);
    assert!((7_000.0..7_100.0).contains(&stage.runs[0].times()[1]), "{:?}", stage.runs[0].times());
    stage.complete(0, "fine");
    assert_eq!(stage.runs[0].attempts("outcome"), ["refused", "complete"]);
}

#[test]
fn an_unknown_route_leads_to_the_next_whether_or_not_its_words_end() {
    let mut stage = Stage::new();
    stage.begin(Task::Generation, json!({ "inputs": "i" }), |settings| {
        settings.endpoint_url = ENDPOINT.to_owned();
    });
    half_refuse(&mut stage, 0, head(404));
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].times(), [0.0, 5_000.0]);
    assert_eq!(stage.runs[0].urls(), [format!("{ENDPOINT}/v1/completions"), format!("{ENDPOINT}/")]);
    assert_eq!(stage.runs[0].dropped, [0], "its connection is closed");
    stage.open(0, "data: {\"token\":{\"text\":\"fine\"},\"generated_text\":\"fine\"}\n\n");
    assert_eq!((stage.runs[0].word().as_str(), stage.runs[0].shown().as_str()), ("complete", "fine"));
    assert_eq!(stage.runs[0].attempts("outcome"), ["unknown_route", "complete"]);
}

#[test]
fn what_the_hub_and_the_router_refuse_is_known_with_the_head() {
    // The Hub does not know the model, or does not answer now; the router does not say who else there is.
    let groq = |settings: &mut Settings| {
        settings.provider = "groq".to_owned();
        settings.retry.limit = 0;
    };
    for (status, word) in [(404, "Input model_not_served"), (503, "Server mapping")] {
        let mut stage = Stage::with(groq);
        half_refuse(&mut stage, 0, head(status));
        stage.until(4_999.0);
        assert_eq!(stage.runs[0].settled_at, None);
        stage.until(5_000.0);
        assert_eq!(stage.runs[0].settled_at, Some(5_000.0), "{status}");
        assert_eq!(stage.runs[0].word(), format!("failed: {word}"));
        assert_eq!(stage.runs[0].dropped, [0], "its connection is closed");
    }
    let mut stage = Stage::with(|settings| {
        settings.automatic = Some(Order::Price);
        settings.retry.limit = 0;
    });
    stage.refuse(0, 500);
    assert!(stage.runs[0].last().url.ends_with("/v1/models/a/b"));
    half_refuse(&mut stage, 0, head(503));
    stage.until(5_000.0);
    assert_eq!(stage.runs[0].word(), "failed: Server refused", "the failure that it was asked for");
    assert_eq!(stage.runs[0].settled_at, Some(5_000.0));
}

#[test]
fn the_gate_closes_with_the_head_of_a_429() {
    let mut stage = Stage::with(|_| ());
    half_refuse(&mut stage, 0, Head { retry_after: "3".to_owned(), ..head(429) });
    let second = stage.chat(|_| ());
    assert_eq!(stage.runs[second].sent.len(), 0, "it would be refused as well");
    stage.until_sent(second, 1);
    assert!(stage.runs[second].times()[0] >= 3_000.0, "{:?}", stage.runs[second].times());
}
