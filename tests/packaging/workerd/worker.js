import { InferenceClient } from "./dist/entries/workerd.js";
import { structured } from "./structured.js";

export default {
  async fetch(request, env) {
    const client = new InferenceClient({ baseUrl: env.SERVER });
    if (new URL(request.url).pathname === "/structured") return new Response(await structured(client));
    const answer = client.chat.stream({ model: "fixed", messages: [{ role: "user", content: "Why is the sky blue?" }] });
    const { text } = await answer.final();
    return new Response(text);
  },
};
