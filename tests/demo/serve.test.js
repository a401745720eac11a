/** The command behind `make demo`: what it prints, and how it ends. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../demo/serve.js", import.meta.url));

/** @param {Record<string, string>} env */
function serve(env) {
  const { HF_TOKEN, HF_BASE_URL, ...rest } = process.env;
  const child = spawn(process.execPath, [COMMAND], { env: { ...rest, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (output += part));
  child.stderr.setEncoding("utf8").on("data", (part) => (output += part));
  const exited = once(child, "close").then(([code, signal]) => ({ code, signal }));
  return {
    child,
    exited,
    output: () => output,
    /** @param {RegExp} pattern */
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(output);
        if (match) return match;
        await Promise.race([once(child.stdout, "data"), exited.then(() => assert.fail(`it ended, having said: ${output}`))]);
      }
    },
  };
}

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  test(`prints where it is, answers, and ends cleanly at ${signal}, even in the middle of a stream`, async () => {
    const { child, printed, exited } = serve({ PORT: "0" });
    const [, url] = await printed(/(http:\/\/127\.0\.0\.1:\d+)/);
    await printed(/embedded demo server/);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "demo/stalls", messages: [{ role: "user", content: "hi" }], stream: true }),
    });
    assert.equal(response.status, 200);
    child.kill(signal);
    assert.deepEqual(await exited, { code: 0, signal: null });
    await assert.rejects(response.text());
  });
}

test("says whom it talks to, and never the key", async () => {
  const { child, printed, exited, output } = serve({ PORT: "0", HF_TOKEN: "hf_secret", HF_BASE_URL: "http://127.0.0.1:9/v1" });
  await printed(/Talking to http:\/\/127\.0\.0\.1:9, with the access token kept on this side/);
  child.kill("SIGTERM");
  await exited;
  assert.ok(!output().includes("hf_secret"));
});

test("a busy port is said in a sentence, not in a stack trace", async () => {
  const holder = net.createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = /** @type {net.AddressInfo} */ (holder.address());
  const { exited, output } = serve({ PORT: String(port) });
  assert.equal((await exited).code, 1);
  assert.match(output(), new RegExp(`Port ${port} is in use\\. Choose another one: PORT=${port + 1} make demo`));
  assert.doesNotMatch(output(), /\n\s+at /);
  holder.close();
});

for (const [name, env, message] of /** @type {const} */ ([
  ["a port that is no port", { PORT: "many" }, /PORT must be a number from 0 to 65535, not "many"/],
  ["a base URL that is no URL", { PORT: "0", HF_BASE_URL: "localhost" }, /HF_BASE_URL must be an http or https URL/],
])) {
  test(name, async () => {
    const { exited, output } = serve(env);
    assert.equal((await exited).code, 1);
    assert.match(output(), message);
    assert.doesNotMatch(output(), /\n\s+at /);
  });
}
