/** The report as bars: one picture, readable on light and on dark ground. */
import { format, inOrder, middleOf, ratioOf } from "./figures.js";

const width = 920;
const labelWidth = 310;
const barSpace = width - labelWidth - 110;
const rowHeight = 20;
const headHeight = 34;
/** Longer bars are cut, with an arrow, so that the short ones can be told apart. */
const longest = 4;

const style = `
  text, tspan { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 } .small { font-size: 11px; font-weight: 400; fill: #57606a }
  .ours { fill: #c2410c } .peer { fill: #8c959f } .line { stroke: #57606a; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text, tspan { fill: #e6edf3 } .small { fill: #9198a1 } .ours { fill: #fb923c } .peer { fill: #6e7681 } .line { stroke: #9198a1 }
  }`;

/** @param {object} report as run.js makes it */
export function drawSvg({ parts, rounds, date, quick }) {
  const pieces = [];
  let top = 30;
  pieces.push(text(0, 16, `Lower is better. Medians of ${rounds} ${rounds === 1 ? "round" : "rounds"}${quick ? " with small loads" : ""}, ${date}. Numbers: report.`, "small"));
  for (const { tables } of parts) {
    for (const table of tables.filter(({ chart }) => chart !== false)) {
      const drawn = chartOf(table, top);
      pieces.push(drawn.svg);
      top += drawn.height;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 ${width + 20} ${top + 10}" width="${width + 20}" height="${top + 10}" role="img" aria-label="Bars of the measured ratios, lower is better">\n<style>${style}\n</style>\n${pieces.join("\n")}\n</svg>\n`;
}

function chartOf(table, top) {
  const { reference, columns } = table;
  const rows = inOrder(table).filter((row) => !row.part);
  const valueOf = (row) => (reference === undefined ? middleOf(row, columns[0]) : ratioOf(row, table));
  const values = rows.map(valueOf).filter((value) => value !== undefined);
  const end = reference === undefined ? Math.max(...values, 0) || 1 : Math.min(longest, Math.max(1, ...values));
  const scale = (value) => (Math.min(Math.max(value, 0), end) / end) * barSpace;
  const unit = reference === undefined ? columns[0].head : `${columns[0].head}, ÷ ${reference}`;
  const lines = [`<text x="0" y="${top + 20}"><tspan class="title">${escape(table.title)}</tspan><tspan class="small" dx="10">${escape(unit)}</tspan></text>`];
  rows.forEach((row, index) => {
    const y = top + headHeight + index * rowHeight;
    const value = valueOf(row);
    lines.push(text(labelWidth - 10, y + 12, row.name, row.ours ? "title" : "", "end"));
    if (value === undefined) {
      lines.push(text(labelWidth, y + 12, row.problem === undefined ? "no reference" : "FAILED"));
      return;
    }
    lines.push(`<rect x="${labelWidth}" y="${y + 2}" width="${scale(value).toFixed(1)}" height="${rowHeight - 7}" class="${row.ours ? "ours" : "peer"}"/>`);
    lines.push(text(labelWidth + scale(value) + 6, y + 12, `${value > end ? "→ " : ""}${format(value, reference === undefined ? columns[0].digits : undefined)}${reference === undefined ? "" : "×"}`));
  });
  const height = headHeight + rows.length * rowHeight;
  if (reference !== undefined) {
    const x = (labelWidth + scale(1)).toFixed(1);
    lines.push(`<line x1="${x}" x2="${x}" y1="${top + headHeight - 4}" y2="${top + height}" class="line"/>`);
  }
  return { svg: lines.join("\n"), height: height + 10 };
}

function text(x, y, content, kind = "", anchor = "start") {
  return `<text x="${x.toFixed(1)}" y="${y}"${kind === "" ? "" : ` class="${kind}"`}${anchor === "start" ? "" : ` text-anchor="${anchor}"`}>${escape(content)}</text>`;
}

const escape = (content) => content.replaceAll("`", "").replaceAll("&", "&amp;").replaceAll("<", "&lt;");
