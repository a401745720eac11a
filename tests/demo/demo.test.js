/** The page, driven in Chromium as a person would, against the real server and the built package. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { huggingFace, openaiCompatible } from "../../demo/server/proxy.js";
import { launch, withDemo } from "./browser.js";

describe("the demo page", { timeout: 300_000 }, () => {
  /** @type {import("puppeteer-core").Browser} */
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());

  /** @param {Parameters<typeof withDemo>[1]} options @param {Parameters<typeof withDemo>[2]} use */
  const demo = (options, use) => withDemo(browser, options, use);

  test("a question is answered, with figures, by keyboard alone", () =>
    demo({ server: { pace: 400 } }, async (d) => {
      const { page } = d;
      await d.ready();
      assert.equal(await d.text("#upstream"), "Embedded demo server");
      // The text area has the focus from the start; Shift+Enter does not send.
      await page.keyboard.type("What does a careful streaming client do?");
      await page.keyboard.down("Shift");
      await page.keyboard.press("Enter");
      await page.keyboard.up("Shift");
      await page.keyboard.type("Show code.");
      assert.equal(d.calls().length, 0);
      await page.keyboard.press("Enter");
      await d.answered(1);

      const [call] = d.calls();
      assert.equal(call.path, "/v1/chat/completions");
      assert.equal(call.body.model, "demo/guide");
      assert.equal(call.body.stream, true);
      assert.deepEqual(call.body.messages, [{ role: "user", content: "What does a careful streaming client do?\nShow code." }]);
      assert.equal(call.aborted, false);

      const figures = await d.text(".figures");
      assert.match(figures, /Provider\s+groq/);
      assert.match(figures, /First token\s+\d+ ms|First token\s+\d\.\d\d s/);
      assert.match(figures, /Speed\s+\d+ tokens\/s/);
      assert.match(figures, new RegExp(`Tokens\\s+\\d+ in, ${call.tokensSent} out`));
      assert.match(figures, /End\s+complete/);
      assert.match(figures, /Cost\s+\$0\.0+[1-9]/);
      assert.match(figures, /Cache\s+miss/);
      assert.match(figures, /Attempts\s+1/);
      assert.match(await d.text("#spent"), /^\$0\.0+[1-9]\d* of \$1 spent$/);
      assert.match(await d.text("#announcer").catch(() => page.$eval("#announcer", (node) => node.textContent ?? "")), /^Answer finished\. /);
      assert.equal(await page.$eval("#chat-input", (node) => node === document.activeElement), true, "the focus stays where one types");
      await d.screenshot("light");

      // From the text area, Tab reaches the button, then the settings; every stop can be seen.
      const stops = [];
      for (let i = 0; i < 7; i++) {
        await page.keyboard.press("Tab");
        stops.push(
          await page.evaluate(() => {
            const node = /** @type {HTMLElement} */ (document.activeElement);
            const { outlineStyle, outlineWidth } = getComputedStyle(node);
            return { name: node.id || node.getAttribute("name"), seen: outlineStyle !== "none" && outlineWidth !== "0px" };
          }),
        );
      }
      assert.deepEqual(stops, ["chat-send", "chat-model", "chat-offer", "chat-system", "chat-max-tokens", "chat-cache", "chat-new"].map((name) => ({ name, seen: true })));
      await page.keyboard.press("Enter");
      assert.equal(await page.$eval("#chat-turns", (node) => node.childElementCount), 0);
      assert.equal(await page.$eval("#chat-input", (node) => node === document.activeElement), true);
    }));

  test("Markdown is shown as such: bold, lists, code", () =>
    demo({}, async (d) => {
      await d.ready();
      await d.send("What does a careful streaming client do? Show code, in detail.");
      await d.answered(1);
      const found = await d.page.$eval(".turn-assistant .content", (node) => ({
        strong: node.querySelectorAll("p strong").length,
        items: node.querySelectorAll("ul > li").length,
        code: node.querySelector("pre code")?.textContent ?? "",
        text: node.textContent ?? "",
      }));
      assert.ok(found.strong >= 1 && found.items >= 3);
      assert.match(found.code, /^const answer = client\.chat\.stream/);
      assert.doesNotMatch(found.text, /\*\*|```/);
    }));

  test("a conversation is sent with its roles and instructions, and a new one begins without", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      await page.type("#chat-system", "Be brief.");
      await d.send("What are tides?");
      await d.answered(1);
      await d.send("And storms?");
      await d.answered(2);
      const [first, second] = d.calls().map((call) => call.body.messages);
      assert.deepEqual(second.map((/** @type {any} */ m) => m.role), ["system", "user", "assistant", "user"]);
      assert.deepEqual([second[0], second[1]], first);
      assert.equal(second[3].content, "And storms?");
      assert.match(second[2].content, /embedded/i);
      await page.click("#chat-new");
      assert.equal(await page.$eval("#chat-welcome", (node) => /** @type {HTMLElement} */ (node).hidden), false);
      await page.$eval("#chat-system", (node) => (/** @type {HTMLTextAreaElement} */ (node).value = ""));
      await d.send("Hello");
      await d.answered(1);
      assert.deepEqual(d.calls().at(-1)?.body.messages, [{ role: "user", content: "Hello" }]);
    }));

  /** The figures of a reply, by name. @param {import("puppeteer-core").Page} page @param {number} index */
  const figuresOf = (page, index) =>
    page.$$eval(
      ".figures",
      (lists, at) => Object.fromEntries([...lists[at].children].map((row) => [row.querySelector("dt")?.textContent, row.querySelector("dd")?.textContent])),
      index,
    );
  const amount = (/** @type {string} */ text) => Number(/\$([\d.]+)/.exec(text)?.[1]);

  test("each answer says what it cost, and the page what all have; the same question costs nothing, even after a reload", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      await page.select("#chat-model", "demo/guide");
      await page.click('input[name="chat-offer"][value="together"]');
      await d.send("How do the tides work?");
      await d.answered(1);
      const first = await figuresOf(page, 0);
      const [, tokensIn, tokensOut] = /^(\d+) in, (\d+) out$/.exec(first.Tokens) ?? [];
      assert.equal(Number(tokensOut), d.calls()[0].tokensSent);
      // Together takes 0.1 and 0.3 for a million.
      const usd = (Number(tokensIn) * 0.1 + Number(tokensOut) * 0.3) / 1e6;
      assert.ok(Math.abs(amount(first.Cost) / usd - 1) < 0.06, `${first.Cost} for ${usd}: two digits are shown`);
      assert.deepEqual([first.Provider, first.Cache, first.Attempts, first.End], ["together", "miss", "1", "complete"]);
      assert.equal(await d.text("#spent"), `${first.Cost} of $1 spent`);

      const again = async (/** @type {number} */ index) => {
        await page.click("#chat-new");
        await d.send("How do the tides work?");
        await d.answered(1);
        const figures = await figuresOf(page, 0);
        assert.match(figures.Cache, /^hit, \d+ (s|min) old, saved \$[\d.]+$/, `time ${index}`);
        assert.equal(amount(figures.Cache.split("saved ")[1]), amount(first.Cost));
        assert.deepEqual([figures.Tokens, figures.Cost, figures.Attempts], [first.Tokens, "nothing", "0"]);
        assert.equal(d.calls().length, 1);
      };
      await again(1);
      await d.screenshot("cache-hit");
      assert.equal(await d.text("#spent"), `${first.Cost} of $1 spent`);
      await page.reload();
      await d.ready();
      await page.click('input[name="chat-offer"][value="together"]');
      await again(2);
      assert.equal(await page.$eval("#spent", (node) => /** @type {HTMLElement} */ (node).hidden), true, "nothing was spent since");

      await page.click("#chat-cache");
      await page.click("#chat-new");
      await d.send("How do the tides work?");
      await d.answered(1);
      assert.equal(d.calls().length, 2, "who wants no old answer gets a new one");
      assert.equal((await figuresOf(page, 0)).Cache, undefined);
    }));

  test("an answer that is stopped is paid for, about", () =>
    demo({ server: { pace: 60 } }, async (d) => {
      const { page } = d;
      await d.ready();
      await page.click('input[name="chat-offer"][value="together"]');
      await d.send("Tell me about the sea, in detail");
      await page.waitForFunction(() => (document.querySelector(".turn-assistant .content")?.textContent ?? "").length > 20);
      await page.keyboard.press("Escape");
      await d.answered(1);
      await page.waitForFunction(() => !document.getElementById("spent")?.hidden);
      const figures = await figuresOf(page, 0);
      assert.match(figures.Cost, /^≈ \$0\.0+[1-9]/);
      assert.match(figures.Tokens, /^≈ \d+ in, \d+ out$/);
      assert.equal(figures.End, "stopped by you");
    }));

  test("a budget that is used up is said, and nothing is sent", () =>
    demo({ hash: "?budget=0.0002" }, async (d) => {
      const { page } = d;
      await d.ready();
      await page.click('input[name="chat-offer"][value="together"]');
      let count = 0;
      do {
        await d.send(`Question ${(count += 1)}`);
        await d.answered(count);
      } while (count < 9 && !(await page.$(".problem")));
      assert.equal(await d.text(".problem-title"), "The page's budget does not allow this.");
      assert.ok(count > 1, "the first one fits");
      assert.equal(d.calls().length, count - 1);
      assert.equal((await figuresOf(page, count - 1)).Attempts, "0");
      assert.match(await d.text("#spent"), /^\$0\.000\d+ of \$0\.0002 spent$/);
      await page.$eval(".problem", (node) => node.scrollIntoView({ block: "end" }));
      await d.screenshot("budget-used-up");
    }));

  test("while an answer comes there is a caret, and the button stops it", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      await page.select("#chat-model", "demo/stalls");
      await d.send("Tell me about the sea");
      await page.waitForFunction(() => (document.querySelector(".turn-assistant .content")?.textContent ?? "").length > 20);
      const caret = await page.$eval(".turn-assistant .content > :last-child", (node) => {
        const { content, width, backgroundColor } = getComputedStyle(node, "::after");
        return { content, width: parseFloat(width), backgroundColor };
      });
      assert.equal(caret.content, '""');
      assert.ok(caret.width > 3);
      assert.notEqual(caret.backgroundColor, "rgba(0, 0, 0, 0)");
      assert.equal(await d.text("#chat-send"), "Stop");
      const shown = await d.text(".turn-assistant .content");
      assert.equal(await page.$eval("#announcer", (node) => node.textContent), "", "nothing is announced while it comes");

      await page.click("#chat-send");
      await d.answered(1);
      const [call] = d.calls();
      await call.ended;
      assert.equal(call.aborted, true, "the server has seen the close");
      assert.equal(await d.text(".turn-assistant .content"), shown, "what had come stays");
      assert.match(await d.text(".figures"), /End\s+stopped by you/);
      assert.equal(await page.$(".problem"), null, "stopping is no error");
      assert.equal(await d.text("#chat-send"), "Send");
      assert.equal(await page.$eval(".turn-assistant .content > :last-child", (node) => getComputedStyle(node, "::after").content), "none");

      // The stopped answer is part of the conversation, as the reader saw it.
      await page.select("#chat-model", "demo/guide");
      await d.send("Go on");
      await d.answered(2);
      assert.equal(d.calls()[1].body.messages[1].role, "assistant");
      assert.ok(d.calls()[1].body.messages[1].content.length > 20);
    }));

  test("Escape stops, and a new conversation closes what is still coming", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      await page.select("#chat-model", "demo/stalls");
      for (const [index, leave] of [() => page.keyboard.press("Escape"), () => page.click("#chat-new")].entries()) {
        await d.send("Tell me about the sea");
        await page.waitForFunction((count) => (document.querySelectorAll(".turn-assistant .content")[count]?.textContent ?? "").length > 20, {}, index);
        await leave();
        const call = d.calls()[index];
        await call.ended;
        assert.equal(call.aborted, true);
        await page.waitForFunction(() => document.getElementById("chat-send")?.textContent === "Send");
      }
    }));

  test("the provider chosen is the provider asked", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      assert.match(await d.text("#chat-offers"), /novita\s+\$0\.05 \/ \$0\.12 · 30 tok\/s/);
      assert.match(await d.text("#chat-offers"), /scaleway\s+not available now/);
      await page.click('[name="chat-offer"][value="novita"]');
      await d.send("Hello");
      await d.answered(1);
      assert.equal(d.calls()[0].path, "/novita/v3/openai/chat/completions");
      assert.match(await d.text(".figures"), /Provider\s+novita/);
      await page.click('[name="chat-offer"][value=":cheapest"]');
      await d.send("Hello again");
      await d.answered(2);
      assert.equal(d.calls()[1].body.model, "demo/guide:cheapest");
      assert.equal(d.calls()[1].provider, "hf-inference");
    }));

  test("reasoning is shown folded", () =>
    demo({ media: { "prefers-color-scheme": "dark" } }, async (d) => {
      const { page } = d;
      await d.ready();
      await page.select("#chat-model", "demo/thinker");
      await d.send("Why is the evening sky red?");
      await d.answered(1);
      assert.equal(await page.$eval(".reasoning", (node) => /** @type {HTMLDetailsElement} */ (node).open), false);
      await page.click(".reasoning summary");
      assert.match(await d.text(".reasoning p"), /^The question turns on/);
      assert.doesNotMatch(await d.text(".turn-assistant .content"), /The question turns on/);
      assert.ok((await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g)?.every((part) => Number(part) < 40), "dark");
      await d.screenshot("dark");
    }));

  describe("faults are shown as a person wants to read them", () => {
    /** @type {[model: string, title: RegExp, keepsText: boolean][]} */
    const faults = [
      ["demo/fails-401", /access token was not accepted/, false],
      ["demo/fails-402", /credits are used up/, false],
      ["demo/fails-429", /Too many requests/, false],
      ["demo/fails-503", /service has a problem/, false],
      ["demo/html-502", /service has a problem/, false],
      ["demo/breaks-mid-stream", /answer broke off/, true],
      ["demo/ends-early", /ended without being finished/, true],
      ["demo/error-in-stream", /service has a problem|answer broke off/, true],
    ];
    for (const [model, title, keepsText] of faults) {
      test(model, () =>
        // Chromium itself notes failed loads in the console; nothing else may.
        demo({ expect: /^error: Failed to load resource: / }, async (d) => {
          const { page } = d;
          await d.ready();
          await page.select("#chat-model", model);
          await d.send("Tell me about the tides in Brittany");
          await d.answered(1);
          assert.match(await d.text(".problem-title"), title);
          await page.click(".problem summary");
          const all = await d.text(".problem");
          assert.doesNotMatch(all, /\[object|undefined|NaN|<[a-z!/]/i);
          assert.match(all, /Error\s+\w+Error/);
          if (model === "demo/fails-429") assert.match(all, /asks you to wait [67] seconds/);
          const text = await page.$eval(".turn-assistant .content", (node) => node.textContent ?? "");
          if (keepsText) {
            assert.ok(text.length > 20, "the text that came stays");
            assert.match(all, /The text above is what arrived/);
            assert.equal(d.calls()[0].tokensSent, 14);
          } else {
            assert.equal(text, "");
          }
          await page.$eval(".problem", (node) => node.scrollIntoView({ block: "end" }));
          if (model === "demo/fails-429" || model === "demo/breaks-mid-stream") await d.screenshot(`error-${model.slice(5)}`);

          // Trying again with a model that works gives an answer; the failed turn is not sent along.
          await page.select("#chat-model", "demo/guide");
          await page.click(".problem button");
          await d.answered(2);
          assert.equal((await page.$$(".problem")).length, 1);
          assert.deepEqual(d.calls()[1].body.messages, [{ role: "user", content: "Tell me about the tides in Brittany" }]);
        }));
    }

    test("a server that has gone", () =>
      demo({ expect: /^error: Failed to load resource: / }, async (d) => {
        await d.ready();
        await d.send("Hello");
        await d.answered(1);
        await d.page.setOfflineMode(true);
        await d.send("Hello?");
        await d.answered(2);
        assert.match(await d.text(".problem-title"), /connection failed/);
        await d.page.setOfflineMode(false);
        await d.page.click(".problem button");
        await d.answered(3);
        assert.equal((await d.page.$$(".problem")).length, 1);
      }));
  });

  test("a wait that the service asks for is said in seconds, and what is not an Error is explained too", () =>
    demo({}, async (d) => {
      await d.ready();
      const [limited, past, odd] = await d.page.evaluate(async () => {
        const { explain } = await import(/** @type {any} */ ("/page/problems.js"));
        const limit = (/** @type {number} */ wait) => Object.assign(new Error("Slow down"), { name: "RateLimitError", retryAt: Date.now() + wait });
        return [explain(limit(6_900)), explain(limit(-1_000)), explain("just a string")];
      });
      assert.match(limited.advice, /asks you to wait 7 seconds\./);
      assert.match(past.advice, /^Wait a moment/);
      assert.deepEqual(odd.details, [["Message", "just a string"], ["Error", "Error"]]);
    }));

  test("text generation: providers, endpoint, figures", () =>
    demo({ server: { pace: 400 } }, async (d) => {
      const { page } = d;
      await d.ready();
      await page.click("#generation-tab");
      const prompt = "The old lighthouse had been dark for years, until one evening";
      await page.type("#generation-input", prompt);
      await page.$eval("#generation-max-tokens", (node) => (/** @type {HTMLInputElement} */ (node).value = "60"));
      await page.keyboard.press("Enter");
      await d.answered(1, "#generation-output");
      const [call] = d.calls();
      assert.equal(call.path, "/featherless-ai/v1/completions");
      assert.equal(call.body.prompt, prompt);
      assert.equal(call.body.max_tokens, 60);
      assert.equal(call.body.temperature, 0.7);
      assert.match(await d.text("#generation-output .figures"), /Provider\s+featherless-ai/);
      assert.match(await d.text("#generation-output .figures"), /60 out[\s\S]*token limit/);
      assert.ok((await d.text("#generation-output")).startsWith(`${prompt} `));
      await d.screenshot("generation");

      await page.select("#generation-model", "Dedicated endpoint");
      await page.click("#generation-send");
      await page.waitForFunction(() => document.querySelector("#generation-output .figures")?.textContent?.includes("token limit"));
      await page.waitForFunction(() => !document.querySelector("#generation-output [aria-busy]"));
      assert.match(d.calls()[1].path, /^\/(generate_stream|v1\/completions|)$/);
      assert.equal(d.calls()[1].tokensSent, 60);
      assert.equal((await page.$$("#generation-output .problem")).length, 0);
    }));

  test("text generation is stopped at once", () =>
    demo({ server: { pace: 200 }, hash: "#generation" }, async (d) => {
      const { page } = d;
      await page.waitForSelector("#generation-model option");
      await page.focus("#generation-input");
      await page.keyboard.type("On and on");
      await page.$eval("#generation-max-tokens", (node) => (/** @type {HTMLInputElement} */ (node).value = "4000"));
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => (document.querySelector("#generation-output .content")?.textContent ?? "").length > 40);
      await page.keyboard.press("Escape");
      const [call] = d.calls();
      await call.ended;
      assert.equal(call.aborted, true);
      assert.ok(call.tokensSent < 4000);
      await d.answered(1, "#generation-output");
      assert.match(await d.text("#generation-output .figures"), /stopped by you/);
    }));

  test("tabs follow the arrow keys", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      const state = () =>
        page.evaluate(() => ({
          focus: document.activeElement?.id,
          selected: [...document.querySelectorAll('[role="tab"][aria-selected="true"][tabindex="0"], [role="tab"][aria-selected="true"]:not([tabindex])')].map((tab) => tab.id),
          shown: [...document.querySelectorAll('[role="tabpanel"]')].filter((panel) => !(/** @type {HTMLElement} */ (panel).hidden)).map((panel) => panel.id),
        }));
      await page.focus("#chat-tab");
      for (const [key, name] of /** @type {const} */ ([["ArrowRight", "generation"], ["ArrowRight", "chat"], ["ArrowLeft", "generation"], ["Home", "chat"], ["End", "generation"]])) {
        await page.keyboard.press(key);
        assert.deepEqual(await state(), { focus: `${name}-tab`, selected: [`${name}-tab`], shown: [`${name}-panel`] });
      }
    }));

  test("a phone's width is enough", () =>
    demo({ viewport: { width: 360, height: 740 } }, async (d) => {
      const { page } = d;
      await d.ready();
      await d.screenshot("phone-start");
      assert.deepEqual(await d.overflow(), { scroll: 0, outside: [] });
      await page.click("#chat-settings summary");
      assert.deepEqual(await d.overflow(), { scroll: 0, outside: [] });
      await d.screenshot("phone-settings");
      await page.click("#chat-settings summary");
      await d.send(`Show code for streaming ${"x".repeat(200)}`);
      await d.answered(1);
      assert.ok(await page.$(".turn-assistant pre"));
      await page.waitForFunction(() => {
        const scroller = document.getElementById("chat-scroller");
        return scroller && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 3;
      });
      assert.equal(await page.$("#chat-to-end:not([hidden])"), null);
      assert.deepEqual(await d.overflow(), { scroll: 0, outside: [] });
      await d.screenshot("phone");
      await page.click("#generation-tab");
      assert.deepEqual(await d.overflow(), { scroll: 0, outside: [] });
    }));

  test("the theme can be chosen, and is remembered", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      const look = () => page.evaluate(() => ({ ground: getComputedStyle(document.body).backgroundColor, pressed: document.getElementById("theme")?.getAttribute("aria-pressed") }));
      const light = await look();
      assert.equal(light.pressed, "false");
      await page.click("#theme");
      const dark = await look();
      assert.equal(dark.pressed, "true");
      assert.notEqual(dark.ground, light.ground);
      await page.reload();
      assert.deepEqual(await look(), dark);
      await page.click("#theme");
      assert.deepEqual(await look(), light);
    }));

  test("text is legible in both themes", () =>
    demo({ expect: /^error: Failed to load resource: / }, async (d) => {
      const { page } = d;
      await d.ready();
      await d.send("What does a careful streaming client do? Show code.");
      await d.answered(1);
      await page.select("#chat-model", "demo/fails-429");
      await d.send("And now?");
      await d.answered(2);
      for (const theme of ["light", "dark"]) {
        await page.evaluate((name) => (document.documentElement.dataset.theme = name), theme);
        assert.deepEqual(await page.evaluate(textBelowContrast, 4.5), [], theme);
      }
    }));

  test("who scrolls up to read is left alone, and can go back to the end", () =>
    demo({ server: { pace: 150 }, viewport: { width: 1280, height: 480 } }, async (d) => {
      const { page } = d;
      await d.ready();
      await d.send("Everything about streaming, in detail, with code");
      await page.waitForFunction(() => {
        const scroller = document.getElementById("chat-scroller");
        return scroller && scroller.scrollHeight > scroller.clientHeight + 150;
      });
      const atEnd = () => page.$eval("#chat-scroller", (node) => node.scrollHeight - node.scrollTop - node.clientHeight < 3);
      assert.equal(await atEnd(), true, "the newest text is followed");
      await page.$eval("#chat-scroller", (node) => (node.scrollTop = 10));
      await page.waitForSelector("#chat-to-end:not([hidden])");
      const before = await page.$eval("#chat-scroller", (node) => node.scrollHeight);
      await page.waitForFunction((height) => (document.getElementById("chat-scroller")?.scrollHeight ?? 0) > height, {}, before);
      assert.equal(await page.$eval("#chat-scroller", (node) => node.scrollTop), 10);
      await page.click("#chat-to-end");
      await d.answered(1);
      assert.equal(await atEnd(), true);
    }));

  test("nothing blinks for those who prefer less motion", () =>
    demo({ media: { "prefers-reduced-motion": "reduce" } }, async (d) => {
      const { page } = d;
      await d.ready();
      await page.select("#chat-model", "demo/stalls");
      await d.send("Tell me about the sea");
      await page.waitForFunction(() => (document.querySelector(".turn-assistant .content")?.textContent ?? "").length > 20);
      const animations = await page.evaluate(() => document.getAnimations().length);
      assert.equal(animations, 0);
      await page.keyboard.press("Escape");
      await d.answered(1);
    }));

  test("what a model writes is never HTML", () =>
    demo({}, async (d) => {
      const { page } = d;
      await d.ready();
      const result = await page.evaluate(async () => {
        const { createMarkdownView } = await import(/** @type {any} */ ("/page/markdown.js"));
        const container = document.createElement("div");
        document.body.append(container);
        const view = createMarkdownView(container);
        const source = [
          "# Title <img src=x onerror=alert(1)>",
          "Hello <script>alert(1)</script> **bold <b>x</b>** and `<i>code</i>`",
          "",
          "1. one <svg onload=alert(1)>",
          "2. two",
          "",
          "```html",
          "<a href='javascript:alert(1)'>x</a>",
          "```",
        ].join("\n");
        // As it streams in, letter by letter, and then whole.
        for (let end = 1; end < source.length; end++) view.update(source.slice(0, end), { complete: false });
        view.update(source, { complete: true });
        return { tags: [...new Set([...container.querySelectorAll("*")].map((node) => node.localName))].sort(), text: container.textContent };
      });
      assert.deepEqual(result.tags, ["code", "h3", "li", "ol", "p", "pre", "strong"]);
      assert.match(result.text, /<img src=x onerror=alert\(1\)>/);
      assert.match(result.text, /<script>alert\(1\)<\/script> bold <b>x<\/b> and <i>code<\/i>/);
      assert.match(result.text, /<a href='javascript:alert\(1\)'>x<\/a>/);
    }));

  test("blocks that are complete keep their nodes while the text grows", () =>
    demo({}, async (d) => {
      await d.ready();
      const kept = await d.page.evaluate(async () => {
        const { createMarkdownView } = await import(/** @type {any} */ ("/page/markdown.js"));
        const container = document.createElement("div");
        const view = createMarkdownView(container);
        view.update("One\n\nTwo **tw", { complete: false });
        const [first, second] = container.children;
        const bold = second.querySelector("strong")?.textContent;
        view.update("One\n\nTwo **two**\n\nThree", { complete: false });
        return [container.children[0] === first, bold, container.children[1].textContent, container.children.length];
      });
      assert.deepEqual(kept, [true, "tw", "Two two", 3]);

      // No half mark is ever shown while the text grows.
      const shown = await d.page.evaluate(async () => {
        const { createMarkdownView } = await import(/** @type {any} */ ("/page/markdown.js"));
        const container = document.createElement("div");
        const view = createMarkdownView(container);
        const source = "On **tides**, `code` and **some more**.";
        const seen = [];
        for (let end = 1; end <= source.length; end++) {
          view.update(source.slice(0, end), { complete: false });
          seen.push(container.textContent ?? "");
        }
        return seen;
      });
      assert.deepEqual(shown.filter((text) => /[*`]/.test(text)), []);
      assert.equal(shown.at(-1), "On tides, code and some more.");
    }));

  test("with another server behind it, the page says so and needs no provider", () =>
    demo({}, async (embedded) => {
      await embedded.ready();
      const upstream = openaiCompatible(`${embedded.url}/v1`);
      await demo({ server: { upstream } }, async (d) => {
        await d.ready();
        assert.equal(await d.text("#upstream"), embedded.url);
        await d.send("Hello");
        await d.answered(1);
        assert.match(await d.text(".turn-assistant .content"), /embedded/i);
        assert.equal(embedded.calls().at(-1)?.path, "/v1/chat/completions");
      });
    }));

  test("with a Hugging Face token the same page goes through the server, which alone has the key", () =>
    demo({}, async (embedded) => {
      await embedded.ready();
      const upstream = huggingFace("hf_secret", { router: embedded.url, hub: embedded.url });
      await demo({ server: { upstream } }, async (d) => {
        const { page } = d;
        await d.ready();
        assert.equal(await d.text("#upstream"), "Hugging Face Inference Providers");
        await d.send("Hello");
        await d.answered(1);
        await page.click('[name="chat-offer"][value="together"]');
        await d.send("Hello again");
        await d.answered(2);
        await page.click("#generation-tab");
        await page.type("#generation-input", "The old lighthouse");
        await page.keyboard.press("Enter");
        await d.answered(1, "#generation-output");
        assert.equal((await page.$$(".problem")).length, 0);
        const paths = ["/v1/chat/completions", "/together/v1/chat/completions", "/featherless-ai/v1/completions"];
        assert.deepEqual(embedded.calls().map((call) => call.path), paths);
        assert.ok(embedded.calls().every((call) => call.headers.authorization === "[redacted]"), "the server adds the key");
        assert.ok(d.calls().every((call) => call.headers.authorization === undefined), "the page sends none");
        assert.ok(!(await page.content()).includes("hf_secret"));
      });
    }));

  test("a service out of reach is said where the models would be", () =>
    demo({ server: { upstream: openaiCompatible("http://127.0.0.1:9") }, expect: /^error: Failed to load resource: .*502/ }, async ({ page }) => {
      await page.waitForFunction(() => document.getElementById("chat-model-hint")?.textContent?.startsWith("The list of models could not be read"));
    }));

  test("a package that is not built is said in a sentence", async () => {
    const empty = await mkdtemp(path.join(os.tmpdir(), "demo-"));
    try {
      await demo({ server: { packageFolder: empty }, expect: /^error: Failed to load resource: .*404/ }, async (d) => {
        await d.page.waitForSelector("#boot-problem:not([hidden])");
        assert.match(await d.text("#boot-problem"), /run “make demo”/);
      });
    } finally {
      await rm(empty, { recursive: true });
    }
  });
});

/** Runs in the page. @param {number} wanted @returns {string[]} the texts whose contrast with their ground is less */
function textBelowContrast(wanted) {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!canvas) throw new Error("no canvas");
  /** @param {string} color @returns {number[]} */
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  /** @param {number[]} color */
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  /** @param {Element} node */
  const ground = (node) => {
    for (let at = /** @type {Element | null} */ (node); at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba(getComputedStyle(document.documentElement).colorScheme === "dark" ? "black" : "white");
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent?.trim());
    if (!own || !node.checkVisibility() || node.closest(".visually-hidden, optgroup, option, svg, noscript")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(node).color)), luminance(ground(node))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < wanted) found.push(`${contrast.toFixed(2)} ${node.tagName}.${node.className} ${node.textContent?.slice(0, 40)}`);
  }
  return found;
}
