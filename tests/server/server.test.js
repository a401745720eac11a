import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer } from "./server.js";

/** The checks believe what this server says, so it must be able to say the opposite too. */

let server;
let runs = 0;

before(async () => {
  server = await startServer();
});
after(() => server.close());

function play(scenario, { path = "/v1/chat/completions", body = { stream: true }, ...init } = {}) {
  const run = `run-${++runs}`;
  const response = fetch(`${server.url}/s/${scenario};run=${run}${path}`, { method: "POST", body: JSON.stringify(body), ...init });
  response.catch(() => {});
  const ask = async (question = "") => {
    const answer = await fetch(`${server.url}/log/${run}${question}`);
    return { status: answer.status, ...(await answer.json()) };
  };
  return { response, ask };
}

test("a client that leaves is recorded, one that stays is not", async () => {
  const controller = new AbortController();
  const { response, ask } = play("endless", { signal: controller.signal });
  const reader = (await response).body.getReader();
  await reader.read();
  assert.equal((await ask()).requests[0].closed, false);
  controller.abort();
  const { requests } = await ask("/closed");
  assert.equal(requests[0].closedByClient, true);
  assert.ok(requests[0].tokensSent > 0);
});

test("an answer that the client reads to its end is not closed by the client", async () => {
  const { response, ask } = play("ok;tokens=3");
  assert.match(await (await response).text(), /\[DONE\]\n\n$/);
  const { requests } = await ask("/closed");
  assert.equal(requests[0].closedByClient, false);
  assert.equal(requests[0].tokensSent, 3);
});

test("a gate holds until it is opened", async () => {
  const { response, ask } = play("truncated;after=2;gate=1");
  const reader = (await response).body.getReader();
  await reader.read();
  assert.equal((await ask()).requests[0].closed, false);
  await ask("/go");
  while (!(await reader.read()).done);
  assert.equal((await ask("/closed")).requests[0].closedByClient, false);
});

test("a barrier holds until enough requests have come", async () => {
  const url = `${server.url}/s/ok;run=barrier;tokens=2;barrier=2/v1/chat/completions`;
  const open = () => fetch(url, { method: "POST", body: "{\"stream\":true}" });
  const first = await open();
  const reader = first.body.getReader();
  await reader.read();
  assert.equal((await (await fetch(`${server.url}/log/barrier`)).json()).requests[0].closed, false);
  await (await open()).text();
  while (!(await reader.read()).done);
});

test("reset, fin and truncated break in three different ways", async () => {
  await assert.rejects(play("reset").response);
  for (const scenario of ["reset;after=2", "fin;after=2"]) {
    const { response, ask } = play(scenario);
    await assert.rejects(async () => (await response).text(), scenario);
    assert.equal((await ask("/closed")).requests[0].closedByClient, false);
  }
  const text = await (await play("truncated;after=2").response).text();
  assert.doesNotMatch(text, /DONE|"finish_reason":"/);
});

test("a redirect leads to another origin, and the log tells whether the credentials came along", async () => {
  const { response, ask } = play("redirect", { headers: { authorization: "Bearer secret" } });
  await (await response).text();
  const { requests } = await ask("/closed?count=2");
  assert.deepEqual(requests.map(({ origin }) => origin), ["first", "other"]);
  assert.match(requests[0].headers.authorization, /^sha256:[0-9a-f]{64}$/);
  assert.equal(requests[1].headers.authorization, undefined);
  assert.notEqual(server.url, server.otherUrl);
});

test("pages may read the answers, unless the scenario forbids it", async () => {
  const headers = { origin: "http://page.example" };
  const allowed = await play("ok", { headers }).response;
  assert.equal(allowed.headers.get("access-control-allow-origin"), "http://page.example");
  const forbidden = await play("ok;cors=0", { headers }).response;
  assert.equal(forbidden.headers.get("access-control-allow-origin"), null);
});

test("a scenario that ends with its first requests", async () => {
  const ask = () => fetch(`${server.url}/s/error;run=first;status=503;first=2/v1/chat/completions`, { method: "POST", body: "{\"stream\":true}" });
  for (const status of [503, 503, 200]) {
    const response = await ask();
    assert.equal(response.status, status);
    await response.text();
  }
});

test("a part of the answer is continued, and with an overlap the end of the part comes again", async () => {
  const ask = async (content, overlap) => {
    const body = { stream: true, messages: [{ role: "user", content: "Hello" }, ...(content ? [{ role: "assistant", content }] : [])] };
    const text = await (await play(`continuing;after=3;tokens=5;overlap=${overlap}`, { body }).response).text();
    return [...text.matchAll(/"content":"([^"]+)"/g)].map(([, token]) => token);
  };
  assert.deepEqual(await ask(undefined, 0), ["word0", " word1", " word2"]);
  assert.deepEqual(await ask("word0 word1 word2", 0), [" word3", " word4"]);
  assert.deepEqual(await ask("word0 word1 word2", 1), [" word2", " word3", " word4"]);
});

test("it counts how many requests are answered at the same time", async () => {
  const url = `${server.url}/s/ok;run=at-once;barrier=3;tokens=2/v1/chat/completions`;
  const open = async () => (await fetch(url, { method: "POST", body: "{\"stream\":true}" })).text();
  await Promise.all([open(), open(), open()]);
  await open();
  assert.equal((await (await fetch(`${server.url}/log/at-once`)).json()).mostAtOnce, 3);
});

test("an unknown scenario is an error", async () => {
  assert.equal((await play("no-such-thing").response).status, 500);
});

test("a flood is sent until the client leaves, and what was sent is counted", async () => {
  const { response, ask } = play("flood;shape=event");
  const reader = (await response).body.getReader();
  let taken = 0;
  while (taken < 1_000_000) taken += (await reader.read()).value.length;
  await reader.cancel();
  const [request] = (await ask("/closed")).requests;
  assert.equal(request.closedByClient, true);
  assert.ok(request.bytesSent >= taken, `${request.bytesSent} of ${taken} bytes`);
});

test("a trickle comes byte by byte, and has the status of its body", async () => {
  const { response, ask } = play("trickle;shape=error");
  assert.equal((await response).status, 500);
  const reader = (await response).body.getReader();
  let text = "";
  while (text.length < 21) text += new TextDecoder().decode((await reader.read()).value);
  assert.match(text, /^\{"error":"0123456789a/);
  await reader.cancel();
  assert.equal((await ask("/closed")).requests[0].closedByClient, true);
});
