/** The bodies of tests/fixtures/ with their expectations, and the ways to cut a body. */

import { readdir, readFile } from "node:fs/promises";

const folder = new URL("../fixtures/", import.meta.url);
const suffix = ".expected.json";

const contentTypes = {
  sse: "text/event-stream",
  json: "application/json",
  html: "text/html; charset=utf-8",
  txt: "text/plain; charset=utf-8",
};

/**
 * tests/fixtures/README.md explains the expectation's members.
 *
 * @typedef {object} Fixture
 * @property {string} name
 * @property {Uint8Array} body
 * @property {string} contentType
 * @property {any} expected
 */

/**
 * All fixtures. Throws when a body has no expectation, or an expectation no body.
 *
 * @returns {Promise<Fixture[]>}
 */
export async function loadFixtures() {
  const files = (await readdir(folder)).filter((file) => file !== "README.md" && file !== ".gitattributes");
  const expectations = new Set(files.filter((file) => file.endsWith(suffix)));
  const bodies = files.filter((file) => !expectations.has(file)).sort();
  const fixtures = await Promise.all(
    bodies.map(async (file) => {
      const [name, extension] = file.split(/\.(?=[^.]*$)/);
      if (!expectations.delete(name + suffix)) throw new Error(`${file} has no expectation of its own`);
      if (!Object.hasOwn(contentTypes, extension)) throw new Error(`${file}: no content type is known`);
      return {
        name,
        body: new Uint8Array(await readFile(new URL(file, folder))),
        contentType: contentTypes[extension],
        expected: JSON.parse(await readFile(new URL(name + suffix, folder), "utf8")),
      };
    }),
  );
  if (expectations.size > 0) throw new Error(`no body for ${[...expectations].join(", ")}`);
  return fixtures;
}

/** @param {Uint8Array} body @param {number[]} ends in ascending order; pieces may be empty */
function cutAt(body, ends) {
  return [...ends, body.length].map((end, n) => body.subarray(n === 0 ? 0 : ends[n - 1], end));
}

/** @param {Uint8Array} body */
function byEvent(body) {
  const text = Buffer.from(body).toString("latin1");
  const ends = [...text.matchAll(/(?:^|\r\n|\n|\r)(?:\r\n|\n|\r(?!\n))/g)].map((found) => found.index + found[0].length);
  return cutAt(body, ends);
}

/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The body whole, by event, by byte, and at random places.
 *
 * @param {Uint8Array} body
 * @returns {[string, Uint8Array[]][]}
 */
export function cuts(body) {
  const every = Array.from({ length: Math.max(0, body.length - 1) }, (_, at) => at + 1);
  /** @type {[string, Uint8Array[]][]} */
  const found = [["whole", [body]], ["by event", byEvent(body)], ["by byte", cutAt(body, every)]];
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = seeded(seed);
    const ends = Array.from({ length: Math.floor(random() * 9) }, () => Math.floor(random() * (body.length + 1)));
    found.push([`at random, seed ${seed}`, cutAt(body, ends.sort((a, b) => a - b))]);
  }
  return found;
}
