/** The report as Markdown. */
import { format, inOrder, middleOf, ratioOf } from "./figures.js";

/**
 * @param {object} report as run.js makes it
 * @param {string} notes where NOTES.md lies, seen from the report
 */
export function writeMarkdown({ parts, limits, failures, versions, machine, quick, rounds, seed, date }, notes) {
  return [
    "# Measured beside the peers",
    `${quick ? "**A quick run with small loads: it shows that everything works, not how fast.** " : ""}Written by \`make bench\` on ${date}: ${rounds} ${rounds === 1 ? "round" : "rounds"}, order from seed ${seed}. How it is measured, and how to read it: [NOTES.md](${notes}).`,
    "![Bars of the ratios](report.svg)",
    ...(failures.length > 0 ? [`## Failed\n\n${failures.map((failure) => `- ${failure}`).join("\n")}`] : []),
    `## Against the limits\n\n${limitsTable(limits)}`,
    `## Versions\n\n${grid(["", "version"], "lr", [...versions])}\n\n${machine}.`,
    ...parts.map(partSection),
    "",
  ].join("\n\n").replace(/\n{3,}/g, "\n\n").trimEnd() + "\n";
}

/** @returns {string} what was asked for, and what is */
export function limitsTable(limits) {
  const rows = limits.map(({ figure, limit, aim, unit, values, worst, least, met }) => {
    const each = values.length > 1 ? ` (${values.map((value) => format(value)).join(", ")})` : "";
    const all = least === undefined ? each : `${each}; raw drain ${format(least)}`;
    return [figure, `${format(worst)} ${unit}${all}`, `${limit} ${unit}${aim === undefined ? "" : `, aim ${aim}`}`, met ? "yes" : "no"];
  });
  return rows.length === 0 ? "None of the figures with a limit was measured." : grid(["figure", "ours: the worst (each)", "at most", "met"], "lrrl", rows);
}

function partSection({ title, method, tables, problem }) {
  const failed = problem === undefined ? [] : [`FAILED: ${problem}`];
  return [`## ${title}`, ...method, ...failed, ...tables.map((table) => `### ${table.title}\n\n${tableOf(table)}`)].join("\n\n");
}

function tableOf(table) {
  const { columns, reference, exact } = table;
  const heads = ["", ...columns.flatMap(({ head }, index) => (index > 0 || exact ? [head] : [head, "min–max"])), ...(reference === undefined ? [] : [`÷ ${reference}`])];
  const rows = inOrder(table).map((row) => {
    const name = row.ours ? `**${row.name}**` : row.name;
    if (row.problem !== undefined) return [name, "FAILED", ...heads.slice(2).map(() => "")];
    const cells = columns.flatMap((column, index) => {
      const middle = format(middleOf(row, column), column.digits);
      return index > 0 || exact ? [middle] : [middle, spread(row, column)];
    });
    const ratio = ratioOf(row, table);
    return [name, ...cells, ...(reference === undefined ? [] : [ratio === undefined ? "" : format(ratio, ratio < 0.995 || ratio < 10 ? 2 : 1)])];
  });
  return grid(heads, `l${"r".repeat(heads.length - 1)}`, rows);
}

function spread(row, { value, digits }) {
  const all = row.samples.map(value);
  return `${format(Math.min(...all), digits)}–${format(Math.max(...all), digits)}`;
}

/** @param {string} sides "l" or "r" for each column */
function grid(heads, sides, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(heads), `|${[...sides].map((side) => (side === "r" ? "---:" : "---")).join("|")}|`, ...rows.map(line)].join("\n");
}
