/** Beside the text when there is room, folded above it when there is not. */
export function keepSettingsOpenWhenWide() {
  const wide = matchMedia("(min-width: 56rem)");
  const fit = () => {
    for (const details of document.querySelectorAll("details.settings")) details.open = wide.matches;
  };
  wide.addEventListener("change", fit);
  fit();
}
