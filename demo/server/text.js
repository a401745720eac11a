/**
 * The readable text of the embedded server: a small deterministic composer, not a language model, and every answer says so.
 * It looks for a topic in the question, takes up the question's own words, and mixes prepared paragraphs, lists and code.
 */

import { createRandom } from "./random.js";

/** @typedef {import("./random.js").Random} Random */

/**
 * @typedef {object} Topic
 * @property {RegExp} about
 * @property {string[]} paragraphs
 * @property {{ title: string, items: string[] }} [list]
 * @property {{ lead: string, language: string, source: string }} [code]
 */

/** @type {Topic[]} */
const TOPICS = [
  {
    about: /\b(hi|hello|hey|good (morning|evening)|bonjour|hola|ciao|hallo)\b/i,
    paragraphs: [
      "Hello, and welcome! 👋 Ask me about rain, coffee, the tides, a city, a poem, some code: I know a little about a few things and will gladly pretend to think about the rest.",
      "Good to see you. This page streams every word to you the moment it is sent, so you can stop me as soon as you have read enough.",
    ],
    list: {
      title: "A few things worth trying here",
      items: [
        "press **Escape** while I am talking: the connection closes at once",
        "choose another provider and watch the speed change",
        "choose one of the *faults to try* and see how an error reads",
        "open the second tab and let me continue a sentence of yours",
      ],
    },
  },
  {
    about: /\b(who|what) are you\b|\bare you (a|an|real)\b|your name|\bdemo\b|which model/i,
    paragraphs: [
      "I am a few hundred lines of JavaScript that speak the same wire formats as the real services: server-sent events, token by token, with usage at the end. There are no weights in here, and no opinions either.",
      "What you are looking at is the client: Rust compiled to WebAssembly reads this stream in your browser. My part is only to send it something pleasant to read.",
    ],
    list: {
      title: "What is real, and what is not",
      items: [
        "the requests, the stream and the figures below this answer are **real**",
        "the errors you can provoke have the shape the services give them",
        "the knowledge is **not**: I mix prepared paragraphs with your own words",
      ],
    },
  },
  {
    about: /web ?assembly|\bwasm\b|\brust\b|compil/i,
    paragraphs: [
      "WebAssembly is a compact, typed instruction format that every browser can check and compile in one pass. Rust suits it well: no garbage collector to ship, and memory rules that are proved before anything runs.",
      "The price of the border between the two worlds is paid per crossing, not per byte. So a good design crosses it rarely: bytes go in by the chunk, and text comes out by the batch.",
    ],
    list: {
      title: "Three habits that keep a module small",
      items: [
        "bring no formatting machinery across the border; send a **code** and compose the sentence outside",
        "read JSON with a small pull reader in place of a general one",
        "measure after each dependency, not at the end",
      ],
    },
    code: {
      lead: "The whole ceremony, in the browser:",
      language: "js",
      source:
        'const response = fetch("/hello.wasm");\nconst { instance } = await WebAssembly.instantiateStreaming(response);\nconsole.log(instance.exports.add(2, 40)); // 42',
    },
  },
  {
    about: /stream|token|server-sent|\bsse\b|latency|abort|cancel/i,
    paragraphs: [
      "A streamed answer is a long response that arrives in small events. Each one carries a few letters; the reader sees the first of them after a fraction of a second instead of waiting for the last.",
      "The difficult part is not the happy path. It is knowing whether the stream is *finished*: a connection that merely ends has not said so, and a client that shows half an answer as a whole one is lying.",
    ],
    list: {
      title: "What a careful client does",
      items: [
        "closes the connection the moment the reader stops listening",
        "treats an end without `finish_reason` as a truncation",
        "survives a character cut in two, even an emoji 🌊 or a `é`",
        "keeps the text that did arrive when something breaks",
      ],
    },
    code: {
      lead: "Reading one with this package takes three lines:",
      language: "js",
      source:
        'const answer = client.chat.stream({ model: "demo/guide", messages });\nfor await (const text of answer.textStream) show(text);\nconst { usage, finishReason } = await answer.final();',
    },
  },
  {
    about: /coffee|tea\b|espresso|cook|recipe|bread|soup|dinner|breakfast|food|bak(e|ing)/i,
    paragraphs: [
      "Good cooking is mostly attention. Taste early, salt in small steps, and give heat the time it asks for: onions turn sweet at their own pace, and a crème brûlée has never been hurried by anyone who enjoyed it.",
      "For coffee the rule of thumb is sixty grams to a litre, water just off the boil, and a grind that lets it run through in about four minutes. A café in Kraków once told me the real secret is a warm cup. ☕",
    ],
    list: {
      title: "A supper for a grey evening",
      items: [
        "two leeks and a potato, softened slowly in butter",
        "half a litre of stock, ten quiet minutes",
        "a spoon of *crème fraîche*, black pepper, and good bread beside it",
      ],
    },
  },
  {
    about: /travel|city|cities|paris|berlin|tokyo|lisbon|train|holiday|trip|visit|island/i,
    paragraphs: [
      "The best hour in any city is the one after dawn, when the deliveries are in and the visitors are not. Take a tram to its last stop, then walk back: a place explains itself in that direction.",
      "In Lisbon the hills decide for you; in 東京 the train map does; in Zürich it is the lake. Leave one afternoon without a plan, because it is the one you will talk about later.",
    ],
    list: {
      title: "A light bag for three days",
      items: ["one good pair of shoes, already worn in", "a paper map, for the pleasure of it", "a book short enough to finish", "a coat that forgives the weather"],
    },
  },
  {
    about: /\b(sky|stars?|space|moon|planets?|sun|galaxy|astronom|universe)\b/i,
    paragraphs: [
      "The light of the nearest star beyond the Sun left it more than four years ago; the light of the Andromeda galaxy set out before there were people to look up. Every clear night is a collection of very old letters, all delivered at once. ✨",
      "The sky is blue because air scatters short waves more than long ones. At sunset the light has crossed so much air that the blue is spent, and what reaches you is the remaining red.",
    ],
    list: {
      title: "To see with the naked eye, tonight or soon",
      items: ["the Pleiades, six or seven of them, like a tiny misty dipper", "Jupiter, the steady one that does not twinkle", "a satellite, crossing in about four minutes"],
    },
  },
  {
    about: /\b(sea|ocean|tides?|waves?|water|river|rain|weather|storm|clouds?)\b/i,
    paragraphs: [
      "Tides are a slow conversation between the Moon, the Sun and the shape of the coast. The Moon pulls the water beneath it a little harder than the Earth's centre, and the far side a little less; the planet turns through both bulges, so most shores see two high waters a day.",
      "A storm announces itself to whoever looks: high thin clouds first, then a ring about the Sun, then a wind that cannot decide. Sailors on the Ærø ferry still trust the ring more than the forecast. 🌊",
    ],
    list: {
      title: "Three words for rain worth knowing",
      items: ["*Schnürlregen* (German): rain that falls in fine strings", "*小雨* (Japanese, kosame): a light, small rain", "*chirimiri* (Basque): so fine that you notice it only when wet"],
    },
  },
  {
    about: /music|song|piano|guitar|jazz|bach|melody|concert/i,
    paragraphs: [
      "A melody is a promise: each note leans towards the next, and pleasure comes from guessing nearly right. Bach keeps more of those promises at once than seems possible; Dvořák keeps them a moment late, which is its own kind of kindness. 🎵",
      "Practise slowly enough that nothing goes wrong, and the hands will remember only what was right. Speed is a by-product; nobody has ever found it by looking for it.",
    ],
    list: { title: "Ten quiet minutes of listening", items: ["Satie, *Gymnopédie No. 1*", "Bill Evans, *Peace Piece*", "Arvo Pärt, *Spiegel im Spiegel*"] },
  },
  {
    about: /poem|poetry|haiku|verse|rhyme|write me/i,
    paragraphs: [
      "Here is a small one, in no particular metre:\n\nThe kettle talks before the house is awake,\nthe window keeps last evening's rain;\nI read one line, for the reading's sake,\nand then I read that line again.",
      "And a haiku to go with it:\n\nLast train, empty car:\nsomeone left the evening news\nfolded like a bird",
    ],
  },
  {
    about: /code|function|javascript|python|program|script|regex|algorithm|sort|fibonacci|bug/i,
    paragraphs: [
      "The shortest program that works is a good place to start, and often a good place to stop. Give every name the word you would use aloud; if the word will not come, the idea is probably two ideas.",
      "When a bug hides, make it smaller: halve the input, halve the code, and keep whichever half still fails. After ten halvings a thousand lines have become one.",
    ],
    code: {
      lead: "A little generator, lazy in the good sense:",
      language: "js",
      source: "function* fibonacci() {\n  let [a, b] = [0, 1];\n  while (true) {\n    yield a;\n    [a, b] = [b, a + b];\n  }\n}\n\nfor (const n of fibonacci()) {\n  if (n > 100) break; // break is enough: the generator is closed\n  console.log(n);\n}",
    },
    list: { title: "Before you send it to review", items: ["read the diff as if somebody else had written it", "say in the commit *why*, the diff already says what", "delete the part you are proudest of, then see if anyone misses it"] },
  },
];

/** @type {Topic} */
const ANYTHING = {
  about: /.*/,
  paragraphs: [
    "That is a fine thing to wonder about. A useful way in is to ask what would have to be true for the opposite to hold; the answer is rarely dull, and it often shows which part of the question carries the weight.",
    "Most good explanations have the same shape: what one sees, what causes it, and where the explanation stops working. The third part is the honest one, and the easiest to leave out.",
    "Put the numbers beside the words whenever you can. An estimate on the back of an envelope, even a naïve one, settles more arguments than a paragraph of adjectives.",
  ],
  list: {
    title: "Three ways to go on from here",
    items: ["ask for an example, then for a counter-example", "look for the smallest case that still surprises you", "explain it to a friend, and write down where they frown 🙂"],
  },
};

const DISCLOSURES = [
  "This text was put together by the demo's embedded server from prepared sentences and your own words; no language model was asked.",
  "A word of honesty: I am the demo's embedded server, not a language model. Start it with a Hugging Face token to talk to a real one.",
  "(Composed by the embedded demo server. The stream is real, the wisdom is prepared.)",
];

const STOP_WORDS = new Set(
  ("about above after again also because been before being between both could does doing down each every from further have having " +
    "here into itself just like made make many more most much need only other please should some such tell than that their them then " +
    "there these they thing things this those through under until very want was well were what when where which while will with would " +
    "write your yours explain give show talk think know does that's what's sentence sentences short brief words careful the and for are you can how why who did has had was not but all any our out its let may his her get got say see use one two new now way she him off too yet me my").split(" "),
);

/** The words of a question that carry its meaning, as the asker wrote them. @param {string} question @param {number} [limit] */
export function keywords(question, limit = 3) {
  const seen = new Set();
  const found = [];
  for (const word of question.match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}'’-]*/gu) ?? []) {
    const key = word.toLowerCase();
    // Scripts without spaces have short words, so the length rule is for ASCII only.
    if ((/^[\x00-\x7f]+$/.test(word) && word.length < 3) || STOP_WORDS.has(key) || seen.has(key)) continue;
    seen.add(key);
    found.push([...word].slice(0, 40).join(""));
    if (found.length === limit) break;
  }
  return found;
}

/** @param {string[]} words */
function join(words) {
  const bold = words.map((word) => `**${word}**`);
  return bold.length < 2 ? bold.join("") : `${bold.slice(0, -1).join(", ")} and ${bold[bold.length - 1]}`;
}

/** @param {string} question */
function topicOf(question) {
  return TOPICS.find((topic) => topic.about.test(question)) ?? ANYTHING;
}

/** Paragraphs that share more words with the question come first. @param {string[]} paragraphs @param {string} question */
function closest(paragraphs, question) {
  const words = keywords(question, 20).map((word) => word.toLowerCase());
  const shared = (/** @type {string} */ paragraph) => words.filter((word) => paragraph.toLowerCase().includes(word)).length;
  return paragraphs
    .map((paragraph) => ({ paragraph, score: shared(paragraph) }))
    .sort((a, b) => b.score - a.score)
    .map(({ paragraph }) => paragraph);
}

/**
 * @param {{ question: string, earlier?: string, toolResult?: string, voice: string, seed: number }} request
 * @returns {{ reasoning: string, text: string }}
 */
export function composeAnswer({ question, earlier, toolResult, voice, seed }) {
  const random = createRandom(seed);
  const words = keywords(question);
  const topic = topicOf(question);
  const blocks = [];

  if (toolResult !== undefined) {
    blocks.push(`The tool answered: \`${toolResult.replaceAll("`", "'").slice(0, 400)}\`. Taken together with your question, that settles it.`);
  } else if (words.length > 0) {
    blocks.push(
      random.pick([
        `You asked about ${join(words)}. Here is what I can offer.`,
        `Briefly, then, on ${join(words)}.`,
        `Let us look at ${join(words)} for a moment.`,
      ]),
    );
  }
  if (voice === "polyglot") {
    blocks.push(
      random.pick([
        "In several tongues first: *welcome*, *bienvenue*, *willkommen*, *добро пожаловать*, *ようこそ*, *أهلاً*, *ברוכים הבאים*.",
        "Good words travel well: *hygge*, *saudade*, *Fernweh*, *木漏れ日*, *ubuntu*, *ξενία*.",
      ]),
    );
  }
  const wantsCode = /code|function|script|example|snippet/i.test(question);
  const wantsMore = /\b(long|detail|essay|everything|thorough)/i.test(question);
  blocks.push(...closest(random.shuffle(topic.paragraphs), question).slice(0, wantsMore || random.chance(0.4) ? 2 : 1));
  if (topic.code && (wantsCode || random.chance(0.6))) {
    blocks.push(topic.code.lead, `\`\`\`${topic.code.language}\n${topic.code.source}\n\`\`\``);
  }
  if (topic.list && (wantsMore || !topic.code || random.chance(0.5))) {
    blocks.push(`${topic.list.title}:`, random.shuffle(topic.list.items).map((item) => `- ${item}`).join("\n"));
  }
  if (wantsMore) blocks.push(...random.shuffle(ANYTHING.paragraphs).slice(0, 2));
  if (earlier && random.chance(0.7)) {
    const before = keywords(earlier, 2);
    if (before.length > 0) blocks.push(`And it is not far from ${join(before)}, which you brought up earlier.`);
  }
  blocks.push(random.pick(DISCLOSURES));

  const reasoning =
    voice === "thinker"
      ? [
          words.length > 0 ? `The question turns on ${words.join(", ")}.` : "The question is short, so the answer should be.",
          random.pick([
            "First what is known for certain, then an illustration; a list only if it helps.",
            "One paragraph should do. An example would make it easier to remember.",
          ]),
          "I am the embedded demo server, so this thinking is as prepared as the answer: say that plainly at the end.",
        ].join(" ")
      : "";
  return { reasoning, text: blocks.join("\n\n") };
}

const SENTENCES = [
  "The lamp in the harbour office was still on, and somebody had left a cup of coffee on the sill.",
  "Nobody had seen the old ferryman since the rain began, yet his boat moved a little further along the quay each night.",
  "She unfolded the letter again. It said only: *come before the tide does*.",
  "Behind the bakery a radio played something slow by Dvořák, and the whole street seemed to keep time with it.",
  "“That is not a map,” said the boy, “it is a recipe.”",
  "By noon the fog had lifted, and the island on the horizon turned out to be a very patient ship.",
  "The station clock had stopped at ten past four, which suited everyone who was late.",
  "They walked until the road gave up, and then a little further, because the view had not.",
  "Somewhere above them a window opened, and a voice asked whether it was Tuesday already.",
  "He counted the steps on the way up, forgot the number at the top, and decided that it did not matter. 🌙",
  "The storyteller, who was only the demo's embedded server and had no model to ask, paused to choose the next prepared sentence.",
  "In the morning there were footprints on the beach, leading out of the water and nowhere else.",
  "The café at the corner served one dish, one wine and one opinion, all of them excellent.",
  "“Wait for the third wave,” the woman in the blue coat had told them, and so they waited.",
  "It was the kind of silence in which one hears the bread cool.",
];

/** Goes on from a prompt, for as long as anybody asks. @param {{ prompt: string, seed: number }} request @returns {Generator<string>} */
export function* continueText({ prompt, seed }) {
  const random = createRandom(seed);
  const words = keywords(prompt, 4);
  const midSentence = !/[.!?…:"”\n]\s*$/u.test(prompt);
  let lead = /\s$/.test(prompt) || prompt === "" ? "" : " ";
  if (midSentence && prompt.trim() !== "") {
    yield lead + random.pick(["and nobody was more surprised than the cat.", "just as the lights along the quay came on.", "or so the people of Ærø would tell it, years later."]);
    lead = " ";
  }
  // The sentence that says who is speaking is never left to chance: it comes among the first three.
  const honest = SENTENCES.find((sentence) => sentence.includes("embedded server"));
  let deck = random.shuffle(SENTENCES.filter((sentence) => sentence !== honest));
  deck.splice(1 + Math.floor(random.next() * 2), 0, /** @type {string} */ (honest));
  for (let count = 1; ; count++) {
    if (deck.length === 0) deck = random.shuffle(SENTENCES);
    const sentence = /** @type {string} */ (deck.shift());
    yield lead + sentence;
    lead = count % 4 === 0 ? "\n\n" : " ";
    if (count % 3 === 0 && words.length > 0) {
      yield `${lead}It all came back to ${random.pick(words)}, as such things do.`;
      lead = " ";
    }
  }
}
