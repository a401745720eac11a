import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, closeSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = here("../../target/llama");
const python = `${target}/venv/bin/python`;
const model = `${target}/tiny.gguf`;

/** Writes the model that the servers serve. */
export async function writeModel() {
  if (!existsSync(python)) {
    throw new Error("llama.cpp's server is not installed: run tests/llama/setup.sh first");
  }
  const child = spawn(python, [here("model.py"), model], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`model.py ended with ${code}`);
}

/**
 * Starts a llama.cpp server on a free port. It ends with this process, and after `seconds` in any case.
 *
 * @param {{ seconds?: number, log?: string }} [options] `log`: the file below target/llama that its log goes to
 */
export async function startServer({ seconds = 300, log = "server.log" } = {}) {
  mkdirSync(target, { recursive: true });
  const logFile = openSync(`${target}/${log}`, "w");
  const child = spawn(python, [here("server.py"), model, "--seconds", String(seconds)], {
    stdio: ["pipe", "pipe", logFile],
  });
  closeSync(logFile);
  const exited = once(child, "exit");
  const ready = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => line),
    exited.then(([code]) => {
      throw new Error(`server.py ended with ${code} before it was ready, see target/llama/${log}`);
    }),
  ]);
  const { url, apiKey, slots } = JSON.parse(ready);
  return new Server(url, apiKey, slots, async () => {
    child.stdin.end();
    await exited;
  });
}

/** A running server, and what can be asked of it without the client under test. */
class Server {
  constructor(url, apiKey, slots, stop) {
    this.url = url;
    this.apiKey = apiKey;
    /** How many requests it works on at once. */
    this.slots = slots;
    /** Stops it, cutting what is in flight. */
    this.stop = stop;
  }

  /** @returns {Promise<Response>} */
  fetch(path, body, { signal } = {}) {
    return fetch(this.url + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${this.apiKey}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  }

  async json(path, body, options) {
    const response = await this.fetch(path, body, options);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** The numbers of the slots that work on a request. */
  async busySlots() {
    const slots = await this.json("/slots");
    return slots.filter((slot) => slot.is_processing).map((slot) => slot.id);
  }

  /** Resolves when a request is being worked on in `slot`. */
  async untilBusy(slot, signal) {
    while (!(await this.busySlots()).includes(slot)) signal.throwIfAborted();
  }

  /** Resolves when `count` requests wait for a slot. */
  async untilDeferred(count, signal) {
    for (;;) {
      signal.throwIfAborted();
      const metrics = await (await this.fetch("/metrics")).text();
      if (Number(/^llamacpp:requests_deferred (\d+)/m.exec(metrics)?.[1]) === count) return;
    }
  }

  /**
   * Resolves when `slot` has served a request. While the slot works on another one, the request waits: it is
   * the server itself that says when it has let go of an aborted one.
   */
  async untilServedBy(slot, signal) {
    await this.json("/v1/completions", { prompt: "next", max_tokens: 1, id_slot: slot }, { signal });
  }

  /** How many tokens the server makes of a conversation. */
  async countChatTokens(messages) {
    const { prompt } = await this.json("/apply-template", { messages });
    return this.countTokens(prompt);
  }

  /** How many tokens the server makes of a text. */
  async countTokens(content) {
    const { tokens } = await this.json("/tokenize", { content, add_special: true });
    return tokens.length;
  }
}
