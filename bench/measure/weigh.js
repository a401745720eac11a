/** What bytes weigh on their way to a page. */
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** @param {Uint8Array} bytes */
export function weigh(bytes) {
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length,
  };
}

/** Files together: each is compressed by itself, as servers send them. */
export function weighAll(list) {
  const total = { raw: 0, gzip: 0, brotli: 0 };
  for (const bytes of list) for (const [key, value] of Object.entries(weigh(bytes))) total[key] += value;
  return total;
}
