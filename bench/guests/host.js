/**
 * Runs one guest in this process and prints what it cost as one line of JSON:
 *
 *     node --expose-gc bench/guests/host.js stream '{"client":…}'
 *
 * @typedef {object} Guest what is measured; each guest module exports `prepare(options): Promise<Guest>`
 * @property {() => Promise<void>} run the measured work
 * @property {() => (object | void | Promise<object | void>)} finish checks what the work gave, and throws when it is wrong; may give figures of its own
 * @property {number} [count] the number of things that the cost is divided by
 */
const [name, options] = process.argv.slice(2);
const { prepare } = await import(`./${name}.js`);
const guest = await prepare(JSON.parse(options));

globalThis.gc();
const { maxRSS } = process.resourceUsage();
const before = process.cpuUsage();
const began = performance.now();
await guest.run();
const wall = performance.now() - began;
const { user, system } = process.cpuUsage(before);
const peak = process.resourceUsage().maxRSS;

const figures = await guest.finish();
// Kibibytes in, mebibytes out; times in milliseconds.
const cost = { cpu: (user + system) / 1000, wall, count: guest.count ?? 1, startRss: maxRSS / 1024, peakRss: peak / 1024 };
// A client that left a timer or a socket must not keep the process.
process.stdout.write(`${JSON.stringify({ ...cost, ...figures })}\n`, () => process.exit());
