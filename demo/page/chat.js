/** The chat tab: turns, and the call that answers the last one. */

import { startComposer } from "./composer.js";
import { element } from "./dom.js";
import { startPickers } from "./pickers.js";
import { createReply } from "./reply.js";
import { startScrolling } from "./scrolling.js";

// Generous for a person, short enough to see a silent service for what it is.
const TIMEOUT = { firstToken: 30_000, stall: 15_000 };

/**
 * @param {import("hf-inference-wasm").InferenceClient} client
 * @param {ReturnType<typeof import("./catalogue.js").loadCatalogue>} catalogue
 * @param {import("hf-inference-wasm").CacheStore} store  where answers are kept
 */
export async function startChat(client, catalogue, store) {
  const turns = document.getElementById("chat-turns");
  const welcome = document.getElementById("chat-welcome");
  const system = document.getElementById("chat-system");
  const maxTokens = document.getElementById("chat-max-tokens");
  const caches = document.getElementById("chat-cache");
  const scrolling = startScrolling("chat");
  const composer = startComposer("chat", { label: "Send", keepText: false, send: ask, stop: () => current?.abort() });

  /** The conversation as the service is told it. @type {{ role: string, content: string }[]} */
  let messages = [];
  /** @type {{ abort(): void } | undefined} */
  let current;
  let choose;

  /** @param {string} question */
  function ask(question) {
    welcome.hidden = true;
    turns.append(element("li", "turn turn-user", [element("h2", "who", "You"), element("div", "content plain", question)]));
    return answer(question);
  }

  /** @param {string} question */
  async function answer(question) {
    const { model, offer } = choose();
    const policy = offer.startsWith(":") ? offer : "";
    const provider = policy || offer === "" ? "auto" : offer;
    const conversation = messages;
    const reply = createReply({
      markdown: true,
      provider: provider === "auto" ? undefined : provider,
      retry() {
        if (current) return false;
        scrolling.focus();
        void answer(question);
        return true;
      },
    });
    turns.append(element("li", "turn turn-assistant", [element("h2", "who", model), reply.root]));
    scrolling.follow();
    composer.setBusy(true);

    const asked = { role: "user", content: question };
    const instructions = system.value.trim();
    let stream;
    try {
      stream = client.chat.stream(
        {
          model: model + policy,
          provider,
          messages: [...(instructions ? [{ role: "system", content: instructions }] : []), ...conversation, asked],
          max_tokens: maxTokens.valueAsNumber || undefined,
          stream_options: { include_usage: true },
        },
        {
          timeout: TIMEOUT,
          // The same question has the same answer here, whatever the temperature: the figures say that it is an old one.
          cache: caches.checked && { store, when: "always" },
          onUsage: reply.billed,
        },
      );
      current = stream;
      for await (const event of stream.events) {
        if (event.type === "start") reply.answeredBy(event.provider);
        else if (event.type === "text") reply.addText(event.text);
        else if (event.type === "reasoning") reply.addReasoning(event.text);
      }
      const { message, usage, cost, trace, provider: by, finishReason } = await stream.final();
      reply.finish({ usage, cost, trace, provider: by, ending: finishReason });
      if (conversation === messages) messages.push(asked, message);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") {
        reply.stop(stream?.trace);
        // The reader has seen the beginning, so the model is told of it too.
        if (conversation === messages && reply.text) messages.push(asked, { role: "assistant", content: reply.text });
      } else {
        // A failed turn is shown, and not sent again: two questions in a row are refused by some services.
        reply.fail(error);
      }
    } finally {
      if (current === stream) {
        current = undefined;
        composer.setBusy(false);
      }
    }
  }

  document.getElementById("chat-new").addEventListener("click", () => {
    current?.abort();
    messages = [];
    turns.replaceChildren();
    welcome.hidden = false;
    composer.focus();
  });
  document.getElementById("chat-suggestions").addEventListener("click", ({ target }) => {
    if (target instanceof HTMLButtonElement) composer.sendText(target.textContent);
  });

  try {
    choose = startPickers("chat", (await catalogue).chat);
    composer.setReady();
  } catch {
    document.getElementById("chat-model-hint").textContent = "The list of models could not be read. Is the demo's server running, and does it reach its service? Reload to try again.";
  }
}
