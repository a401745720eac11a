import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pageOutput } from "../support/browser.js";
import { useConsumer } from "../support/fixture.js";
import { answer, startServer } from "../support/server.js";
import { structuredAnswer } from "../support/structured.js";

describe("without a bundler", () => {
  const fixture = useConsumer(new URL("./", import.meta.url));

  test("an import map, a content security policy, and the validator of JSON Schemas only when it is needed", async () => {
    const server = await startServer({ folder: fixture.consumer.directory });
    try {
      const output = JSON.parse(await pageOutput(fixture.browser, server.url));
      assert.deepEqual(output, { text: answer, early: false, value: structuredAnswer, late: true });
    } finally {
      await server.stop();
    }
  });
});
