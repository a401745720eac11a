import { InferenceClient } from "hf-inference-wasm";

export default {
  async fetch(request, env) {
    const client = new InferenceClient({ baseUrl: env.SERVER });
    const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
    const { text } = await answer.final();
    return new Response(text);
  },
};
