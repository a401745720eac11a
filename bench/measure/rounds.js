/**
 * Rounds: every row of every table once in each, in an order of chance, so that a noisy minute of the machine hits all
 * alike. The rows of one table come one after another, because they are compared with each other.
 */
import { shuffled } from "./statistics.js";

/**
 * @typedef {object} Column what is shown of a row
 * @property {string} head
 * @property {(sample: any) => number} value
 * @property {number} [digits]
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {boolean} [ours]
 * @property {() => Promise<object>} [measure] one run, in a process or a page of its own
 * @property {object[]} samples one for each round
 * @property {string} [problem] why the row counts for nothing
 *
 * @typedef {object} Table
 * @property {string} key by which limits.js speaks of it
 * @property {string} title
 * @property {Column[]} columns the first is the figure: its medians are compared
 * @property {string} [reference] the row that the ratios are against
 * @property {boolean} [exact] the figures do not vary: no rounds, no spread
 * @property {Row[]} rows
 */

/**
 * Fills in the samples of `tables`. A row that fails once has failed, and is not run again.
 * @param {Table[]} tables
 * @param {{ rounds: number, next: () => number, say: (text: string) => void }} options
 */
export async function measureRounds(tables, { rounds, next, say }) {
  for (const table of tables) for (const row of table.rows) row.samples ??= [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const table of shuffled(tables, next)) {
      const began = performance.now();
      for (const row of shuffled(table.rows, next)) {
        if (row.problem !== undefined) continue;
        try {
          row.samples.push(await row.measure());
        } catch (error) {
          [row.problem] = String(error?.message ?? error).split("\n");
          say(`FAILED: ${table.title}: ${row.name}: ${row.problem}`);
        }
      }
      say(`round ${round} of ${rounds}: ${table.title} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    }
  }
}
