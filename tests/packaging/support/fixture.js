import { cp } from "node:fs/promises";
import { after, before } from "node:test";
import { launchBrowser } from "./browser.js";
import { createConsumer } from "./consumer.js";

/** What the bundlers have in common. */
export const shared = new URL("./shared/", import.meta.url);

/**
 * For the tests of one bundler: a consumer's project with the package installed and a copy of the bundler's folder,
 * and a browser, for as long as the surrounding `describe` lasts.
 * @param {URL} source the folder
 */
export function useConsumer(source) {
  const fixture = { consumer: undefined, browser: undefined };
  before(async () => {
    fixture.consumer = await createConsumer();
    for (const from of [shared, source]) await cp(from, fixture.consumer.directory, { recursive: true });
    fixture.browser = await launchBrowser();
  });
  after(async () => {
    await fixture.browser?.close();
    await fixture.consumer?.remove();
  });
  return fixture;
}
