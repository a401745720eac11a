/** A component as people write them: an effect that starts a call, and stops it when it is cleaned up. */
import { createElement, StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import { InferenceClient } from "hf-inference-wasm";

const request = { model: "m", temperature: 0, messages: [{ role: "user", content: "q" }] };

/** Shows an answer under StrictMode. At its first words React throws the component away and makes it anew. */
export function mount(service, options) {
  const client = new InferenceClient({ baseUrl: service, retry: false, prices: [{ input: 1, output: 2 }], ...options });
  const seen = { effects: 0, cleanUps: 0, errors: [], atFirst: undefined, ended: false };

  function Answer() {
    const [text, setText] = useState("");
    useEffect(() => {
      seen.effects += 1;
      setText("");
      const controller = new AbortController();
      const run = async () => {
        let shown = "";
        for await (const part of client.chat.stream(request, { signal: controller.signal }).textStream) {
          setText((shown += part));
          if (seen.atFirst) continue;
          seen.atFirst = { effects: seen.effects, cleanUps: seen.cleanUps };
          show("second");
        }
        seen.ended = true;
      };
      run().catch((error) => seen.errors.push(error.name));
      return () => {
        seen.cleanUps += 1;
        controller.abort();
      };
    }, []);
    return createElement("p", { id: "answer" }, text);
  }

  const root = createRoot(document.body.appendChild(document.createElement("main")));
  const show = (key) => root.render(createElement(StrictMode, null, createElement(Answer, { key })));
  show("first");
  return { seen, total: () => client.ledger.summary().total };
}
