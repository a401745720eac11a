/**
 * The one instance of the WebAssembly core: loading it, its memory, and replacing it after a trap.
 *
 * The glue keeps the instance in module variables, so there is one per copy of this package, shared
 * by all entries. Each entry says where the module is ({@link setSource}); it is loaded on first use.
 */

import * as glue from "./hf_inference_wasm.js";
import { InternalError } from "./errors.js";

/** What the module can be loaded from. */
export type ModuleSource = URL | string | Response | ArrayBuffer | ArrayBufferView | CompiledModule;

/** `WebAssembly.Module`, for those who compile with the library that has it. */
type CompiledModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module : never;

let source: () => ModuleSource | Promise<ModuleSource> = () => {
  throw new InternalError("internal", "No entry of the package was imported");
};
let loading: Promise<void> | undefined;
let loaded = false;

/** Counts the instances: what was made by an earlier one is void. */
export let generation = 0;

/** Says where the module is. @internal */
export function setSource(next: typeof source): void {
  source = next;
}

/** Instantiates at once, from bytes or a compiled module. @internal */
export function instantiate(module: BufferSource | WebAssembly.Module): void {
  glue.initSync({ module });
  loaded = true;
}

/** Whether calls can be made without waiting. @internal */
export function isLoaded(): boolean {
  return loaded;
}

/**
 * Loads the WebAssembly module ahead of the first call, which would load it otherwise.
 *
 * @param from Where to load it from, if not from beside the package's own files: a URL (a page with a
 *   bundler that does not copy `.wasm` files, or a host of your own), a `Response`, the bytes, or a
 *   compiled `WebAssembly.Module`. Without effect once the module is loaded.
 * @throws InternalError if it cannot be loaded; the next call tries again.
 */
export function init(from?: ModuleSource): Promise<void> {
  if (loaded) return Promise.resolve();
  loading ??= load(from).finally(() => {
    loading = undefined;
  });
  return loading;
}

async function load(from: ModuleSource | undefined): Promise<void> {
  let place: ModuleSource | undefined;
  try {
    place = from ?? (await source());
    // An entry may have instantiated at once.
    if (loaded) return;
    if (place instanceof URL || typeof place === "string") {
      const response = await fetch(place);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      place = response;
    }
    if (place instanceof ArrayBuffer || ArrayBuffer.isView(place)) {
      // Not left to the glue, which would touch `Response` to see what it was given: Node then loads its
      // whole `fetch`, 15 ms.
      instantiate(await WebAssembly.compile(place as BufferSource));
      return;
    }
    await glue.default({ module_or_path: place as Response | WebAssembly.Module });
    loaded = true;
  } catch (cause) {
    const where = place instanceof URL || typeof place === "string" ? ` from ${String(place)}` : "";
    throw new InternalError(
      "internal",
      `The WebAssembly module could not be loaded${where}: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        "Serve hf_inference_wasm_bg.wasm and call init(url); a content security policy needs script-src 'wasm-unsafe-eval'.",
      undefined,
      cause,
    );
  }
}

const replaced: (() => void)[] = [];

/** Says what is to be done when the instance was replaced: its calls will not go on. @internal */
export function onReplacement(then: () => void): void {
  replaced.push(then);
}

/**
 * Turns a trap of the core into an {@link InternalError}, and replaces the instance so that later
 * calls work. Other errors stay what they are. @internal
 */
export function afterThrow(thrown: unknown): unknown {
  if (!(thrown instanceof WebAssembly.RuntimeError)) return thrown;
  generation += 1;
  memory = undefined;
  inputSize = 0;
  try {
    glue.__wbg_reset_state();
  } catch {
    loaded = false;
  }
  for (const then of replaced) then();
  return new InternalError("internal", `The WebAssembly core trapped (${thrown.message}); please report this`, undefined, thrown);
}

glue.onTrap(afterThrow);

let memory: Uint8Array | undefined;
let words: Uint32Array | undefined;
let inputAt = 0;
let inputSize = 0;
let outputAt = 0;

function bytes(): Uint8Array {
  // Growing the memory detaches its buffer.
  if (memory === undefined || memory.byteLength === 0) {
    glue.withMemory(({ buffer }: WebAssembly.Memory) => {
      memory = new Uint8Array(buffer);
      words = new Uint32Array(buffer);
    });
    outputAt = glue.output() / 4;
  }
  return memory!;
}

/** Copies a chunk to where the core reads it. @internal */
export function writeInput(chunk: Uint8Array): void {
  if (chunk.length > inputSize) {
    inputSize = Math.max(chunk.length, 65_536);
    inputAt = glue.input(inputSize);
  }
  bytes().set(chunk, inputAt);
}

const decoder = new TextDecoder();
/** The longest text that is decoded here, in bytes. */
const SHORT = 24;
const NONE = new Uint32Array(0);

/** The text of the batch that the core has just left. @internal */
export function readText(): string {
  const view = bytes();
  const at = words![outputAt]!;
  const length = words![outputAt + 1]!;
  if (length > SHORT) return decoder.decode(view.subarray(at, at + length));
  // A token in a chunk of its own: calling the decoder takes longer than this does.
  let text = "";
  for (let place = at; place < at + length; place += 1) {
    const byte = view[place]!;
    if (byte > 0x7f) return decoder.decode(view.subarray(at, at + length));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The marks of the batch: pairs of kind and end. Valid until the core is called again. @internal */
export function readMarks(): Uint32Array {
  bytes();
  const count = words![outputAt + 3]!;
  const at = words![outputAt + 2]! / 4;
  return count === 0 ? NONE : words!.subarray(at, at + count);
}
