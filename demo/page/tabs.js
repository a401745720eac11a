/** The tab pattern of the ARIA practices: one tab stop, arrow keys move and select. */
export function startTabs() {
  const tabs = [...document.querySelectorAll('[role="tab"]')];

  const select = (tab) => {
    for (const other of tabs) {
      const selected = other === tab;
      other.setAttribute("aria-selected", String(selected));
      other.tabIndex = selected ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !selected;
    }
    history.replaceState(null, "", tab === tabs[0] ? location.pathname : `#${tab.id.replace("-tab", "")}`);
  };

  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const target = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      const next = tabs[target % tabs.length];
      select(next);
      next.focus();
    });
  }
  const asked = location.hash && document.getElementById(`${location.hash.slice(1)}-tab`);
  if (tabs.includes(asked)) select(asked);
}
