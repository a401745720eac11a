/** From samples to what a report says. */
import { median } from "../measure/statistics.js";

/** @returns {number | undefined} the median of a column; `undefined` when the row failed */
export function middleOf(row, column) {
  if (row === undefined || row.problem !== undefined || row.samples.length === 0) return undefined;
  return median(row.samples.map(column.value));
}

/** @returns {number | undefined} the row's figure, divided by the reference's */
export function ratioOf(row, { rows, reference, columns }) {
  if (reference === undefined) return undefined;
  const own = middleOf(row, columns[0]);
  const other = middleOf(rows.find(({ name }) => name === reference), columns[0]);
  return own === undefined || other === undefined ? undefined : own / other;
}

/** The rows from the lowest figure up, those that failed at the end; parts of a row stay below it. */
export function inOrder({ rows, columns }) {
  const groups = [];
  for (const row of rows) {
    if (row.part) groups.at(-1).push(row);
    else groups.push([row]);
  }
  const key = ([row]) => middleOf(row, columns[0]) ?? Infinity;
  return groups.sort((one, other) => key(one) - key(other)).flat();
}

/** A number with as many digits as are worth reading. */
export function format(value, digits) {
  return value.toFixed(digits ?? (Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0));
}
