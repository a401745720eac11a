/** The text generation tab: a prompt, and its continuation. */

import { ENDPOINT } from "./catalogue.js";
import { startComposer } from "./composer.js";
import { element } from "./dom.js";
import { startPickers } from "./pickers.js";
import { createReply } from "./reply.js";
import { startScrolling } from "./scrolling.js";

const TIMEOUT = { firstToken: 30_000, stall: 15_000 };

/**
 * @param {import("hf-inference-wasm").InferenceClient} client
 * @param {ReturnType<typeof import("./catalogue.js").loadCatalogue>} catalogue
 */
export async function startGeneration(client, catalogue) {
  const output = document.getElementById("generation-output");
  const welcome = document.getElementById("generation-welcome");
  const maxTokens = document.getElementById("generation-max-tokens");
  const temperature = document.getElementById("generation-temperature");
  const temperatureValue = document.getElementById("generation-temperature-value");
  const scrolling = startScrolling("generation");
  const composer = startComposer("generation", { label: "Generate", keepText: true, send: generate, stop: () => current?.abort() });

  /** @type {{ abort(): void } | undefined} */
  let current;
  let choose;
  // An endpoint serves one model: no provider to choose, no lookup.
  const endpoint = client.endpoint(location.origin);

  /** @param {string} prompt */
  async function generate(prompt) {
    welcome.hidden = true;
    const { model, offer } = choose();
    const reply = createReply({
      markdown: false,
      provider: offer || undefined,
      retry() {
        if (current) return false;
        scrolling.focus();
        void generate(prompt);
        return true;
      },
    });
    reply.root.prepend(element("span", "prompt", prompt));
    output.replaceChildren(reply.root);
    scrolling.follow();
    composer.setBusy(true);

    const parameters = { max_new_tokens: maxTokens.valueAsNumber || 120, temperature: temperature.valueAsNumber };
    const options = { timeout: TIMEOUT, onUsage: reply.billed };
    let stream;
    try {
      stream = offer
        ? client.textGenerationStream({ model, provider: offer, inputs: prompt, parameters }, options)
        : endpoint.textGenerationStream(
            // Only text-generation-inference knows "details"; it counts the tokens for us.
            model === ENDPOINT ? { inputs: prompt, parameters: { ...parameters, details: true } } : { model, inputs: prompt, parameters },
            options,
          );
      current = stream;
      for await (const text of stream.textStream) reply.addText(text);
      const { usage, details, provider, cost, trace } = await stream.final();
      reply.finish({
        usage: usage?.estimated && details ? { prompt_tokens: undefined, completion_tokens: details.generated_tokens } : usage,
        provider,
        cost,
        trace,
        ending: { eos_token: "stop", stop_sequence: "stop" }[details?.finish_reason] ?? details?.finish_reason,
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") reply.stop(stream?.trace);
      else reply.fail(error);
    } finally {
      if (current === stream) {
        current = undefined;
        composer.setBusy(false);
      }
    }
  }

  temperature.addEventListener("input", () => {
    temperatureValue.value = temperature.valueAsNumber.toFixed(1);
  });
  document.getElementById("generation-suggestions").addEventListener("click", ({ target }) => {
    if (target instanceof HTMLButtonElement) composer.sendText(target.textContent);
  });

  try {
    const { generation } = await catalogue;
    choose = startPickers("generation", generation);
    if (generation.length > 0) composer.setReady();
    else document.getElementById("generation-model-hint").textContent = "No model for text generation is offered here.";
  } catch {
    document.getElementById("generation-model-hint").textContent = "The list of models could not be read. Reload to try again.";
  }
}
