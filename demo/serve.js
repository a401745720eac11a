/**
 * The command of `make demo`: the page, and what it talks to.
 *
 *   PORT         the port to listen on (8787)
 *   HF_TOKEN     talk to Hugging Face with this access token; it stays in this process
 *   HF_BASE_URL  talk to this OpenAI-compatible server instead (HF_TOKEN is sent along when set)
 */

import { existsSync } from "node:fs";

import { huggingFace, openaiCompatible } from "./server/proxy.js";
import { createServer } from "./server/server.js";

const { PORT = "8787", HF_TOKEN, HF_BASE_URL } = process.env;

/** @param {string} message @returns {never} */
function stop(message) {
  console.error(message);
  process.exit(1);
}

const port = Number(PORT);
if (!Number.isInteger(port) || port < 0 || port > 65_535) stop(`PORT must be a number from 0 to 65535, not "${PORT}".`);

function chooseUpstream() {
  if (HF_BASE_URL) {
    try {
      return openaiCompatible(HF_BASE_URL, HF_TOKEN || undefined);
    } catch {
      stop(`HF_BASE_URL must be an http or https URL such as http://127.0.0.1:8080/v1.`);
    }
  }
  return HF_TOKEN ? huggingFace(HF_TOKEN) : undefined;
}

const upstream = chooseUpstream();
const server = createServer({ seed: Date.now() % 2 ** 31, log: (line) => console.log(`  ${line}`), upstream });

if (!existsSync(new URL("../pkg-js/dist/entries/web.js", import.meta.url))) {
  console.warn("The package is not built yet, so the page cannot answer: run `make package` first, or `make demo`, which does both.");
}

try {
  const { url, close } = await server.listen(port);
  console.log(`hf-inference-wasm demo: ${url}`);
  console.log(
    upstream
      ? `Talking to ${upstream.name}${upstream.token ? ", with the access token kept on this side" : ""}.`
      : "Talking to the embedded demo server, which needs no token. With HF_TOKEN set, it is Hugging Face.",
  );
  console.log("Stop with Ctrl+C.");
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.once(signal, () => void close().then(() => process.exit(0)));
  }
} catch (error) {
  const { code } = /** @type {NodeJS.ErrnoException} */ (error);
  if (code === "EADDRINUSE") stop(`Port ${port} is in use. Choose another one: PORT=${port + 1} make demo`);
  if (code === "EACCES") stop(`Port ${port} may not be used by this user. Choose one above 1023: PORT=8787 make demo`);
  throw error;
}
