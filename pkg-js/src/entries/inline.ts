/** The module inside the script: for bundlers that leave `.wasm` files behind, and single files. */

import { setSource } from "../instance.js";
import { base64 } from "../module-base64.js";

setSource(() => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));

export * from "../index.js";
