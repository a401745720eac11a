/** The clock of `hf-inference-wasm/testing`. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { usePackage } from "./support.js";

const { testing } = await usePackage();
const { VirtualClock } = testing;

test("timers fire in order of their moments, then of their setting, and not before", async () => {
  const clock = new VirtualClock(1_000);
  const fired = [];
  clock.setTimeout(() => fired.push(["late", clock.now()]), 20);
  clock.setTimeout(() => fired.push(["early", clock.now()]), 10);
  clock.setTimeout(() => fired.push(["as late", clock.now()]), 20);
  assert.equal(clock.next, 10);
  await clock.advance(9);
  assert.deepEqual(fired, []);
  await clock.advance(11);
  assert.deepEqual(fired, [["early", 1_010], ["late", 1_020], ["as late", 1_020]]);
  assert.equal(clock.now(), 1_020);
  assert.equal(clock.next, undefined);
});

test("what a timer brings about happens within the same stretch of time", async () => {
  const clock = new VirtualClock(0);
  const times = [];
  const repeat = async () => {
    times.push(clock.now());
    await null;
    clock.setTimeout(repeat, 10);
  };
  clock.setTimeout(repeat, 10);
  await clock.advance(35);
  assert.deepEqual(times, [10, 20, 30]);
  assert.equal(clock.now(), 35);
});

test("a timer can be cleared and set again", async () => {
  const clock = new VirtualClock(0);
  let fired = 0;
  const timer = clock.setTimeout(() => (fired += 1), 10);
  await clock.advance(9);
  timer.refresh();
  await clock.advance(9);
  assert.equal(fired, 0);
  clock.clearTimeout(timer);
  await clock.advance(100);
  assert.equal(fired, 0);
});

test("parts of a millisecond are rounded up: no timer comes early", async () => {
  const clock = new VirtualClock(0);
  clock.setTimeout(() => {}, 10.1);
  assert.equal(clock.next, 11);
});

test("run lets time pass until the promise settles", async () => {
  const clock = new VirtualClock(0);
  const day = 86_400_000;
  const wait = (milliseconds) => new Promise((resolve) => clock.setTimeout(resolve, milliseconds));
  assert.equal(await clock.run(wait(day).then(() => wait(day)).then(() => "done")), "done");
  assert.equal(clock.now(), 2 * day);
  await assert.rejects(clock.run(wait(5).then(() => Promise.reject(new Error("no")))), /^Error: no$/);
});

test("run says when something hangs", async () => {
  await assert.rejects(new VirtualClock().run(new Promise(() => {}), 20), /It hangs/);
});

test("installed, it is the time of everything, and what it replaced comes back", async () => {
  const before = [globalThis.setTimeout, globalThis.clearTimeout, performance.now, Date.now];
  const clock = new VirtualClock(1_000);
  const earlier = setTimeout(() => assert.fail("it was cleared"), 50);
  const restore = clock.install();
  try {
    const fired = [];
    setTimeout((...values) => fired.push(...values), 10, "a", "b");
    clearTimeout(setTimeout(() => fired.push("cleared"), 5));
    clearTimeout(earlier);
    assert.deepEqual([Date.now(), performance.now()], [1_000, 0]);
    await clock.advance(10);
    assert.deepEqual(fired, ["a", "b"]);
    assert.deepEqual([Date.now(), performance.now()], [1_010, 10]);
  } finally {
    restore();
  }
  assert.deepEqual([globalThis.setTimeout, globalThis.clearTimeout, performance.now, Date.now], before);
});
