/** Asks for a value of a JSON Schema, and for one that the answer does not fit. */

export async function structured(client) {
  const ask = (type) =>
    client.chat.parse({
      model: "fixed",
      messages: [{ role: "user", content: "Which colour is the sky?" }],
      schema: { type: "object", properties: { color: { type } }, required: ["color"] },
    });
  const { object } = await ask("string");
  const { name, issues } = await ask("number").catch((error) => error);
  return JSON.stringify({ object, name, issues });
}
