//! What must hold of money: nothing is spent beyond the budget, every reservation is settled, and the ledger is the
//! sum of what the calls tell of themselves.

use hf_inference_wasm::core::usage::budget::{Amount, Spender};
use serde_json::Value;

use crate::random::Random;
use crate::world::World;

/// The least that a chat reserves, in tokens; what an answer takes is always less.
const LEAST_RESERVED: u64 = 1_024;
/// What a text generation may take beyond what it reserved.
const MOST_BEYOND: u64 = 400;
/// A price for everybody: USD for a million tokens in and out.
const PRICES: &str = r#"[{"input":1,"output":2}]"#;
/// What the services tell of a streamed chat, in tokens and at these prices.
const TOLD: &[u8] = b"\"prompt_tokens\":20,\"completion_tokens\":30,\"total_tokens\":50}}\n\n";
const TOLD_USD: f64 = (20.0 + 2.0 * 30.0) / 1e6;

/// The money of a client: its limit in tokens, and what happens beyond (0 fails, 1 goes elsewhere, 2 goes on).
#[derive(Clone, Copy, Debug)]
pub struct Purse {
    pub limit: u64,
    pub exceeded: u64,
}

impl Purse {
    pub fn some(random: &mut Random) -> Option<Purse> {
        random.one_in(3).then(|| Purse {
            limit: random.pick(&[1_500, 3_000, 8_000, 60_000]),
            exceeded: random.pick(&[0, 0, 1, 2]),
        })
    }

    /// As the core reads it; a budget by tag, and one of each call, are there as well.
    pub fn options(&self) -> String {
        format!(
            r#"{{"prices":{PRICES},"budgets":[{{"tokens":{},"exceeded":{},"alertAt":[0.1,0.5,1]}},{{"usd":0.02,"tag":"user","per":1,"exceeded":2}},{{"tokens":5000,"per":0}}],"spikes":{{"factor":2,"cooldown":1000,"usd":0.000001,"tokens":10,"call":0.000001}}}}"#,
            self.limit, self.exceeded
        )
    }
}

/// **No budget is overspent**: when a request has been sent, what is spent and what is reserved are within it.
pub fn within_the_budget(world: &mut World, c: usize) {
    let client = &mut world.clients[world.sims[c].plan.client];
    let Some(purse) = client.purse.filter(|purse| purse.exceeded < 2) else { return };
    let accounts = &client.shared.accounts;
    let tokens = accounts.ledger.total().tokens;
    let spent = tokens[0] + tokens[1];
    let reserved = accounts.budgets.open() as u64;
    let generations = client.generations;
    // Whoever's reservation has run out while all stood still may still be there.
    if world.freezes.is_empty() {
        let least = reserved.saturating_sub(generations) * LEAST_RESERVED;
        assert!(
            spent + least <= purse.limit + generations * MOST_BEYOND,
            "call {c}: {spent} spent and {reserved} reservations of {}",
            purse.limit
        );
    }
    world.count("sent within a budget");
}

/// Counts the alerts of a budget that nobody begins anew: **each threshold is told once**.
pub fn told(world: &mut World, c: usize, notices: &[u8]) {
    let list = [b"[", notices, b"]"].concat();
    let list: Value = serde_json::from_slice(&list).expect("JSON");
    for notice in list.as_array().into_iter().flatten() {
        let client = &mut world.clients[world.sims[c].plan.client];
        match notice["type"].as_str() {
            Some("budget") if notice["index"] == 0 => {
                let threshold = notice["threshold"].as_u64().expect("a number");
                assert!(!client.alerts.contains(&threshold), "call {c}: told twice: {notice}");
                client.alerts.push(threshold);
                world.count("alert");
            }
            Some("spike") => world.count("spike"),
            Some("usage") => {
                assert!(
                    !std::mem::replace(&mut world.sims[c].accounted, true),
                    "call {c}: told twice of its usage"
                );
                world.count("usage told");
            }
            _ => {}
        }
    }
}

/// **The ledger is the sum of the calls**, by every measure; **nothing stays reserved**, and nobody waits.
pub fn books_are_right(world: &mut World) {
    let late = world.now + 1e12;
    for number in 0..world.clients.len() {
        let mut sum = 0.0;
        let mut priced = 0;
        for sim in world.sims.iter().filter(|sim| sim.plan.client == number && sim.began) {
            let trace: Value = serde_json::from_slice(&sim.call.trace()).expect("JSON");
            let none = Vec::new();
            let attempts = trace["attempts"].as_array().unwrap_or(&none);
            for attempt in attempts {
                sum += attempt["usd"].as_f64().unwrap_or(0.0);
                priced += u64::from(attempt["usd"].is_number());
                // **What was given up is paid for**: it was asked for, and nobody knows that it was not done.
                let given_up = ["outpaced", "aborted", "first_token", "total"]
                    .contains(&attempt["outcome"].as_str().unwrap_or_default());
                let may_work = attempt["status"].is_null() || attempt["status"] == 200;
                if given_up
                    && may_work
                    && attempt["sent"].is_number()
                    && world.clients[number].purse.is_some()
                {
                    assert!(attempt["usd"].is_number(), "given up, and not paid for: {attempt}");
                    *world.stats.entry("paid for nothing").or_default() += 1;
                }
            }
            // The one request of a call that told its tokens cost what they cost.
            if let ([attempt], [connection]) = (attempts.as_slice(), sim.connections.as_slice())
                && attempt["outcome"] == "complete"
                && sim.plan.streamed
                && world.clients[number].purse.is_some()
                && world.connections[*connection].has_delivered(TOLD)
            {
                let usd = attempt["usd"].as_f64().expect("a cost");
                assert!((usd - TOLD_USD).abs() < 1e-12, "a chat of known tokens cost {usd}");
                *world.stats.entry("known cost").or_default() += 1;
            }
        }
        let client = &mut world.clients[number];
        let accounts = &mut client.shared.accounts;
        let total = accounts.ledger.total();
        let usd = total.usd as f64 / 1e12;
        assert!((usd - sum).abs() < 1e-11, "the ledger has {usd}, the calls {sum}");
        assert_eq!(total.requests - total.unpriced, priced, "priced requests");
        if client.purse.is_some() {
            assert_eq!(total.unpriced, 0, "everybody has a price, and nothing else is entered");
            // **Every reservation is settled exactly once**: the budget has spent what the ledger has.
            let mut out = Vec::new();
            accounts.budgets.write_all(0.0, &mut out);
            let states: Value = serde_json::from_slice(&out).expect("JSON");
            let of_all = states.as_array().into_iter().flatten().find(|state| state["index"] == 0);
            let spent = of_all.map_or(0, |state| state["spent"].as_u64().expect("tokens"));
            assert_eq!(spent, total.tokens[0] + total.tokens[1], "spent, and entered in the ledger");
            *world.stats.entry("settled once").or_default() += total.requests;
        }
        let mut out = Vec::new();
        accounts.ledger.write(&mut out);
        let rows: Value = serde_json::from_slice(&out).expect("JSON");
        for by in ["model", "provider"] {
            let rows = rows.as_array().into_iter().flatten().filter(|row| row["by"] == by);
            let requests: u64 = rows.map(|row| row["requests"].as_u64().expect("a count")).sum();
            assert_eq!(requests, total.requests, "by {by}");
        }
        let waits = accounts.budgets.next();
        let vanished = world.sims.iter().any(|sim| sim.plan.client == number && sim.vanished);
        assert!(waits.is_none() || vanished, "{waits:?} waits for money for ever");
        assert!(vanished || accounts.budgets.open() == 0, "a reservation is not settled");
        // Those who vanished are forgotten.
        let nobody = Spender { call: u64::MAX, tags: &[], unix: 0.0 };
        let _ = accounts.budgets.ask(u64::MAX, &Amount::default(), &nobody, late);
        assert_eq!(accounts.budgets.open(), 0, "something stays reserved");
    }
}
