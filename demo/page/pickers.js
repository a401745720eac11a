/** The menu of models, and under it who offers the chosen one. */

import { element } from "./dom.js";

/**
 * @param {string} prefix  "chat" or "generation"
 * @param {import("./catalogue.js").Choice[]} choices
 * @returns {() => { model: string, offer: string }}
 */
export function startPickers(prefix, choices) {
  const select = document.getElementById(`${prefix}-model`);
  const hint = document.getElementById(`${prefix}-model-hint`);
  const fieldset = document.getElementById(`${prefix}-offers`);
  const summary = document.getElementById(`${prefix}-chosen`);
  const name = `${prefix}-offer`;

  const groups = groupBy(choices);
  select.replaceChildren(
    ...[...groups].map(([label, members]) => {
      const group = element("optgroup", "", members.map(({ id }) => element("option", "", id)));
      group.label = label;
      return group;
    }),
  );

  const offer = () => fieldset.querySelector("input:checked")?.value ?? "";
  const summarise = () => {
    summary.textContent = [select.value, offer().replace(":", "")].filter(Boolean).join(" · ");
  };

  const showOffers = () => {
    const choice = choices.find(({ id }) => id === select.value);
    hint.textContent = choice?.hint ?? "";
    hint.hidden = hint.textContent === "";
    const first = choice?.offers.find(({ disabled }) => !disabled);
    const rows = (choice?.offers ?? []).map((entry) => {
      const radio = element("input");
      Object.assign(radio, { type: "radio", name, value: entry.value, checked: entry === first, disabled: entry.disabled ?? false });
      return element("label", "offer", [radio, element("span", "offer-name", entry.label), element("span", "offer-note", entry.note ?? "")]);
    });
    const priced = choice?.offers.some(({ note }) => note?.includes("$"));
    const legend = element("legend", "", [element("span", "", "Provider"), element("span", "hint", priced ? "USD per million tokens, in / out" : "")]);
    fieldset.replaceChildren(legend, ...rows);
    fieldset.hidden = rows.length === 0;
    summarise();
  };

  select.addEventListener("change", showOffers);
  fieldset.addEventListener("change", summarise);
  showOffers();
  return () => ({ model: select.value, offer: offer() });
}

function groupBy(choices) {
  const groups = new Map();
  for (const choice of choices) groups.set(choice.group, [...(groups.get(choice.group) ?? []), choice]);
  return groups;
}
