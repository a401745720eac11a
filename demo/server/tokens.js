/** Cutting text into pieces of the size language models use, so that counts and streams look as they do in life. */

import { hash } from "./random.js";

// A word is cut after eight letters; an emoji with its joiners is never cut. The last branch makes the cut lossless.
const PIECE =
  / ?\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic})*| ?[\p{L}\p{M}\p{N}'’]{1,8}|\n+|[\s\S]/gu;

/** @param {string} text @returns {string[]} pieces whose concatenation is the text */
export function tokenize(text) {
  return text.match(PIECE) ?? [];
}

/** @param {string} text */
export function countTokens(text) {
  return tokenize(text).length;
}

/** A stable number for a piece, so that the same word always has the same token id. @param {string} piece */
export function tokenId(piece) {
  return 3 + (hash(piece) % 31_997);
}

/** A plausible log probability for a piece, the same each time. @param {string} piece */
export function tokenLogprob(piece) {
  return -(tokenId(piece) % 400) / 128;
}
