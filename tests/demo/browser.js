/** Chromium on the demo's page, and everything the page is not supposed to do. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

import { createServer } from "../../demo/server/server.js";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = path.join(ROOT, "target/screenshots");

/** The built package: the one in the tree, or an unpacked tarball's. */
export const PACKAGE_FOLDER = process.env.DEMO_PACKAGE_FOLDER ?? path.join(ROOT, "pkg-js/dist");

export async function launch() {
  assert.ok(existsSync(CHROMIUM), `Chromium is needed at ${CHROMIUM} (on Debian: apt-get install chromium), or elsewhere with CHROMIUM=…`);
  assert.ok(existsSync(path.join(PACKAGE_FOLDER, "entries/web.js")), `The package is not built: there is no ${PACKAGE_FOLDER}/entries/web.js`);
  await mkdir(SCREENSHOTS, { recursive: true });
  return puppeteer.launch({
    executablePath: CHROMIUM,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/**
 * A server and a page of its own for one test. At the end, whatever the page wrote to its console must have been expected.
 * @param {import("puppeteer-core").Browser} browser
 * @param {object} options
 * @param {Parameters<typeof createServer>[0]} [options.server]
 * @param {{ width: number, height: number }} [options.viewport]
 * @param {Record<string, string>} [options.media]
 * @param {RegExp} [options.expect]  what the console may say in this test
 * @param {string} [options.hash]
 * @param {(demo: Demo) => Promise<void>} use
 */
export async function withDemo(browser, { server: serverOptions, viewport = { width: 1280, height: 860 }, media = {}, expect, hash = "" }, use) {
  const server = createServer({ pace: 0, packageFolder: PACKAGE_FOLDER, ...serverOptions });
  const { url, close } = await server.listen();
  const context = await browser.createBrowserContext();
  try {
    const page = await context.newPage();
    /** @type {string[]} */
    const said = [];
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => said.push(`uncaught: ${error instanceof Error ? error.message : error}`));
    await page.evaluateOnNewDocument(() => {
      addEventListener("securitypolicyviolation", (event) => console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`));
    });
    page.setDefaultTimeout(20_000);
    await page.setViewport(viewport);
    await page.emulateMediaFeatures(Object.entries({ "prefers-color-scheme": "light", ...media }).map(([name, value]) => ({ name, value })));
    await page.goto(url + hash);
    await use(new Demo(page, server, url));
    const unexpected = said.filter((line) => !expect?.test(line));
    assert.deepEqual(unexpected, [], "the page's console");
  } finally {
    await context.close();
    await close();
  }
}

export class Demo {
  /** @param {import("puppeteer-core").Page} page @param {ReturnType<typeof createServer>} server @param {string} url */
  constructor(page, server, url) {
    this.page = page;
    this.server = server;
    this.url = url;
  }

  async ready() {
    await this.page.waitForSelector("#chat-model option, #boot-problem:not([hidden])");
    assert.equal(await this.page.$eval("#boot-problem", (node) => node.textContent), "");
    await this.page.waitForFunction(() => document.activeElement?.id === "chat-input");
  }

  /** The calls of the model, without lookups. */
  calls() {
    return this.server.calls.filter((call) => call.method === "POST");
  }

  /** @param {string} text */
  async send(text) {
    await this.page.focus("#chat-input");
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Enter");
  }

  /** Until the newest reply is over, however it ended. @param {number} count  how many replies there are then */
  async answered(count, within = "#chat-turns") {
    await this.page.waitForFunction(
      (root, wanted) => document.querySelectorAll(`${root} .reply:not([aria-busy])`).length === wanted && !document.querySelector(`${root} .streaming`),
      {},
      within,
      count,
    );
  }

  /** @param {string} selector @returns {Promise<string>} as it is shown */
  text(selector) {
    return this.page.$eval(selector, (node) => /** @type {HTMLElement} */ (node).innerText);
  }

  /** @param {string} name */
  async screenshot(name) {
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }

  /** How far the page is wider than the window, and what sticks out. */
  overflow() {
    return this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const outside = [...document.querySelectorAll("body *")].filter((node) => {
        const box = node.getBoundingClientRect();
        return box.width > 1 && (box.right > width + 0.5 || box.left < -0.5) && !node.closest("pre, .skip");
      });
      return { scroll: document.documentElement.scrollWidth - width, outside: outside.map((node) => `${node.tagName}.${node.className}`) };
    });
  }
}
