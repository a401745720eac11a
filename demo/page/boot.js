// A static import that fails leaves a silent page, so the first one is dynamic and its failure is shown.
import("./main.js").catch((error) => {
  const notice = document.getElementById("boot-problem");
  notice.textContent =
    "The page could not be started. If the package has not been built yet, run “make demo”, which builds it, and reload. " +
    `(${error instanceof Error ? error.message : error})`;
  notice.hidden = false;
});
