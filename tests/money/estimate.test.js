/** How far the estimate of an answer is from a real tokenizer's count, in texts of some length; README has the figures. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Tiktoken } from "js-tiktoken/lite";
import ranks from "js-tiktoken/ranks/o200k_base";

import { usePackage } from "../testing/support.js";

const { library, testing } = await usePackage();

const texts = {
  English: `A tide is the slow rise and fall of the sea, and the moon is its main cause. The side of the earth that faces the moon is pulled a little more strongly than the middle, and the middle more than the far side, so that the water heaps up at both ends. As the earth turns beneath these two heaps, most coasts see high water twice a day. The sun does the same with half the strength: when both pull along one line the range is greatest, and when they pull at right angles it is least. The shape of a bay can make all of this far larger or hide it altogether.`,
  German: `Die Gezeiten sind das langsame Steigen und Fallen des Meeres, und der Mond ist ihre wichtigste Ursache. Die ihm zugewandte Seite der Erde wird etwas stärker angezogen als ihre Mitte, und diese stärker als die abgewandte Seite, sodass sich das Wasser an beiden Enden auftürmt. Während sich die Erde unter diesen Flutbergen dreht, erleben die meisten Küsten zweimal täglich Hochwasser. Die Sonne wirkt ebenso, nur halb so stark; liegen beide auf einer Linie, ist der Unterschied am größten.`,
  Russian: `Приливы и отливы — это медленное поднятие и опускание моря, и главная их причина — Луна. Сторона Земли, обращённая к Луне, притягивается немного сильнее, чем её середина, а середина сильнее, чем обратная сторона, поэтому вода собирается с обоих концов. Пока Земля вращается, большинство берегов видит полную воду дважды в день. Солнце действует так же, но вдвое слабее.`,
  Chinese: `潮汐是海水缓慢的涨落，主要由月亮引起。地球朝向月亮的一面受到的引力比中心略强，而中心又比背面略强，因此海水在两端隆起。地球在这两处隆起之下自转，大多数海岸每天会看到两次高潮。太阳也有同样的作用，但强度只有一半左右；当两者在一条直线上时，潮差最大，互相垂直时潮差最小。海湾的形状可以使潮差变得更大，也可以使它几乎消失。`,
  Japanese: `潮の満ち引きは海面がゆっくりと上下する現象で、その主な原因は月です。月に面した側は地球の中心より少し強く引かれ、中心は反対側より強く引かれるため、海水は両端に盛り上がります。地球がその下で回るので、多くの海岸では一日に二回満潮になります。太陽も同じ働きをしますが、その強さは半分ほどです。`,
  JSON: JSON.stringify({ stations: [{ id: 17, name: "Brest", latitude: 48.3829, longitude: -4.495, high: ["04:12", "16:37"], range: 6.1 }, { id: 18, name: "Saint-Malo", latitude: 48.6493, longitude: -2.0257, high: ["06:58", "19:20"], range: 10.7 }, { id: 19, name: "Calais", latitude: 50.9513, longitude: 1.8587, high: ["11:45", "23:59"], range: 6.3 }], unit: "m", complete: true }),
  code: `export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\\n");
      rest = parts.pop() ?? "";
      for (const line of parts) yield line;
    }
    if (rest !== "") yield rest;
  } finally {
    await reader.cancel();
  }
}`,
};

test("the estimate is as far off as README says", async () => {
  const tokenizer = new Tiktoken(ranks);
  const off = [];
  for (const [kind, text] of Object.entries(texts)) {
    const fetch = testing.faultyFetch({ answer: [text] });
    const client = new library.InferenceClient({ endpointUrl: "https://service.example/v1", fetch, retry: false });
    const request = { model: "m", messages: [{ role: "user", content: text }], stream_options: { include_usage: false } };
    const { usage, text: answered } = await client.chat.stream(request).final();
    assert.ok(usage.estimated && answered === text);
    const count = tokenizer.encode(text).length;
    assert.ok(count >= 80, `${kind}: ${count} tokens`);
    const percent = Math.round((usage.completion_tokens / count - 1) * 100);
    assert.ok(Math.abs(percent) <= 60, `${kind}: ${percent} %`);
    off.push(`${kind} ${percent > 0 ? "+" : percent < 0 ? "−" : ""}${Math.abs(percent)} %`);
    // The prompt is counted with its JSON around it.
    assert.ok(usage.prompt_tokens >= usage.completion_tokens && usage.prompt_tokens < usage.completion_tokens * 1.3 + 20);
  }
  const said = off.join(", ");
  console.log(said);
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  assert.ok(readme.includes(said), `README says something else than "${said}"`);
});
