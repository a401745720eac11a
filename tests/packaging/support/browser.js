/** Runs a page in Chromium. */

import { accessSync } from "node:fs";
import puppeteer from "puppeteer-core";

const candidates = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

function executable() {
  for (const path of candidates) {
    if (!path) continue;
    try {
      accessSync(path);
      return path;
    } catch {
      // Try the next one.
    }
  }
  throw new Error('Chromium is missing. Install it (Debian: "apt install chromium") or name it in CHROMIUM.');
}

export function launchBrowser() {
  return puppeteer.launch({
    executablePath: executable(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens a page and returns the text of its `<output>` once the page says it is done. Whatever the
 * page complains of is an error.
 *
 * @param {import("puppeteer-core").Browser} browser
 * @param {string} url
 */
export async function pageOutput(browser, url) {
  const page = await browser.newPage();
  const complaint = new Promise((_, reject) => {
    const complain = (text) => reject(new Error(`${url}: ${text}`));
    page.on("pageerror", (error) => complain(error.stack ?? error));
    page.on("console", (message) => message.type() === "error" && complain(message.text()));
    page.on("requestfailed", (request) => {
      const { errorText } = request.failure() ?? {};
      // The client closes the connection itself once the answer is complete.
      if (errorText !== "net::ERR_ABORTED") complain(`${request.url()} failed: ${errorText}`);
    });
    page.on("response", (response) => response.status() >= 400 && complain(`${response.url()} gave ${response.status()}`));
  });
  // It may come when nobody waits for it any more.
  complaint.catch(() => {});
  try {
    const done = page.goto(url).then(() => page.waitForSelector("output[data-done]", { timeout: 30_000 }));
    await Promise.race([done, complaint]);
    return await page.$eval("output", (element) => element.textContent);
  } finally {
    await page.close();
  }
}
