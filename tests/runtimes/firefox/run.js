import puppeteer from "puppeteer-core";

import { require } from "../executables.js";
import { hostPage } from "../page-host.js";

/** @param {import("../run.js").Context} context */
export async function runInFirefox(context) {
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: require("firefox"), headless: true, signal: context.signal });
  const version = (await browser.version()).replace("/", " ");
  const { url, ended, close } = await context.page((options) => hostPage({ ...options, name: "firefox" }), version);
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await ended;
  } finally {
    close();
    await browser.close();
  }
}
