import puppeteer from "puppeteer-core";

import { require } from "../executables.js";
import { hostPage } from "../page-host.js";

/** The browser must not talk to anybody but the test's own servers. */
const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const runner = (worker) => async (context) => {
  const browser = await puppeteer.launch({
    executablePath: require("chromium"),
    args: ["--no-sandbox", "--disable-gpu", ...quiet],
    signal: context.signal,
  });
  const name = worker ? "chromium-worker" : "chromium";
  const version = (await browser.version()).replace("/", " ");
  const { url, ended, close } = await context.page((options) => hostPage({ ...options, name, worker }), version);
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => context.note(`page: ${error?.stack ?? error}`));
    await page.goto(url);
    await ended;
  } finally {
    close();
    await browser.close();
  }
};

/** @type {(context: import("../run.js").Context) => Promise<void>} */
export const runInChromium = runner(false);
/** The same list inside a Web Worker. */
export const runInChromiumWorker = runner(true);
