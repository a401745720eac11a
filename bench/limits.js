/** Where we must be, and where we are. Nothing fails by it: times depend on the machine. */
import { names } from "./clients.js";
import { middleOf } from "./report/figures.js";

/**
 * @typedef {object} Limit
 * @property {string} figure
 * @property {number} limit at most
 * @property {number} [aim]
 * @property {string} [unit] none for a ratio
 * @property {string[]} tables the keys of the tables that tell; the worst counts
 * @property {string} ours the row
 * @property {string} [over] the row that ours is divided by
 * @property {string} [floor] the row of who does nothing but read: what no client can be below
 * @property {number} [column] of the table; 0 is the figure
 * @property {string} [overTable] the key of the table that has it; the same by default
 * @property {number} [scale] what the figure is multiplied by
 */

/** @type {Limit[]} */
export const limits = [
  { figure: "`textStream`, 16 KiB pieces ÷ eventsource-parser + JSON.parse", limit: 0.35, aim: 0.25, tables: ["Node 16k ascii", "Node 16k mixed"], ours: names.text, over: names.parser },
  { figure: "`textStream`, one event a piece ÷ the same", limit: 0.75, aim: 0.55, tables: ["Node event ascii", "Node event mixed"], ours: names.text, over: names.parser },
  { figure: "Chromium: `textStream`, 16 KiB pieces ÷ the same", limit: 0.45, tables: ["Chromium 16k ascii", "Chromium 16k mixed"], ours: names.text, over: names.parser },
  { figure: "Chromium: `textStream`, one event a piece ÷ the same", limit: 0.95, tables: ["Chromium event ascii", "Chromium event mixed"], ours: names.text, over: names.parser },
  { figure: "chunk objects ÷ @huggingface/inference", limit: 0.75, tables: ["Node 16k ascii", "Node 16k mixed", "Node event ascii", "Node event mixed"], ours: names.chunks, over: names.huggingFace },
  { figure: "512 streams over loopback, writes of 16 KiB, CPU ÷ @huggingface/inference", limit: 0.7, tables: ["http 512 16k"], ours: names.text, over: names.huggingFace, floor: names.drain },
  { figure: "512 streams over loopback, one event a turn, CPU ÷ the same", limit: 0.7, tables: ["http 512 event"], ours: names.text, over: names.huggingFace, floor: names.drain },
  { figure: "512 streams over loopback, peak RSS ÷ the same", limit: 1, tables: ["http 512 16k", "http 512 event"], column: 2, ours: names.text, over: names.huggingFace },
  { figure: "`web` entry, wasm + JavaScript, gzip", limit: 50, aim: 40, unit: "KB", scale: 1 / 1000, tables: ["size"], ours: "hf-inference-wasm (JS + wasm)" },
  { figure: "import + instantiate + first request ÷ importing openai, Node", limit: 0.25, tables: ["startup node"], ours: `${names.text}: first request`, over: "openai: import alone" },
  { figure: "partial JSON, 64 KiB in deltas of 4 characters ÷ one JSON.parse", limit: 50, aim: 20, tables: ["partial 64"], ours: "partialObject, 16 KiB pieces", over: "JSON.parse" },
  // "Linear" in figures: what the limit leaves is for the noise of the caches.
  { figure: "partial JSON, time for a delta at 1 MiB ÷ at 64 KiB", limit: 1.25, tables: ["partial 1024"], column: 1, ours: "partialObject, 16 KiB pieces", over: "partialObject, 16 KiB pieces", overTable: "partial 64" },
  { figure: "added latency over raw `fetch` to the first token", limit: 0.5, unit: "ms", tables: ["latency"], ours: names.text },
];

/**
 * @returns {{ figure: string, limit: number, aim?: number, unit: string, values: number[], worst: number, least?: number, met: boolean }[]} those
 * that the run can tell; `least` is the floor's worst
 */
export function compareWithLimits(parts) {
  const tables = new Map(parts.flatMap((part) => part.tables.map((table) => [table.key, table])));
  return limits.flatMap(({ figure, limit, aim, unit = "×", tables: keys, ours, over, overTable, floor, column = 0, scale = 1 }) => {
    const valuesOf = (name) =>
      keys.flatMap((key) => {
        const own = valueIn(tables.get(key), column, name);
        const other = over === undefined ? 1 : valueIn(tables.get(overTable ?? key), column, over);
        return own === undefined || other === undefined ? [] : [(own * scale) / other];
      });
    const values = valuesOf(ours);
    if (values.length === 0) return [];
    const worst = Math.max(...values);
    const least = floor === undefined ? undefined : Math.max(...valuesOf(floor));
    return [{ figure, limit, aim, unit, values, worst, least, met: values.length === keys.length && worst <= limit }];
  });
}

const valueIn = (table, column, name) => middleOf(table?.rows.find((row) => row.name === name), table?.columns[column]);
