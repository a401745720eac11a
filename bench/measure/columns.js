/** Columns that several parts show. */

const per = (unit, key, scale) => ({ head: unit, value: (sample) => (sample[key] * scale) / sample.count, digits: 2 });

/** Microseconds of CPU time for each `thing`. */
export const cpuPer = (thing) => per(`CPU µs per ${thing}`, "cpu", 1000);
export const wallPer = (thing) => per(`wall µs per ${thing}`, "wall", 1000);
/** Milliseconds for all. */
export const cpu = { head: "CPU ms", value: (sample) => sample.cpu, digits: 1 };
export const wall = { head: "wall ms", value: (sample) => sample.wall, digits: 1 };
export const peakRss = { head: "peak RSS, MiB", value: (sample) => sample.peakRss, digits: 0 };
export const addedRss = { head: "of it by the load", value: (sample) => sample.peakRss - sample.startRss, digits: 0 };
