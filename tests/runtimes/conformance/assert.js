/** The few assertions the checks need, since node:assert is not everywhere. */

export class AssertionError extends Error {
  name = "AssertionError";
}

export const assert = {
  ok(value, message = "expected a true value") {
    if (!value) throw new AssertionError(`${message}: got ${show(value)}`);
  },

  equal(actual, expected, message = "not equal") {
    if (!Object.is(actual, expected)) throw new AssertionError(`${message}: got ${show(actual)}, expected ${show(expected)}`);
  },

  deepEqual(actual, expected, message = "not equal") {
    const path = firstDifference(actual, expected, "");
    if (path !== undefined) {
      throw new AssertionError(`${message}: they differ at "${path}": got ${show(actual)}, expected ${show(expected)}`);
    }
  },

  includes(text, part, message = "part is missing") {
    if (typeof text !== "string" || !text.includes(part)) throw new AssertionError(`${message}: ${show(part)} is not in ${show(text)}`);
  },

  excludes(text, part, message = "unwanted part") {
    if (typeof text === "string" && text.includes(part)) throw new AssertionError(`${message}: ${show(part)} is in ${show(text)}`);
  },

  /** @returns {Promise<any>} what the promise was rejected with */
  async rejects(promiseOrFunction, message = "expected a rejection") {
    let value;
    try {
      value = await (typeof promiseOrFunction === "function" ? promiseOrFunction() : promiseOrFunction);
    } catch (error) {
      return error;
    }
    throw new AssertionError(`${message}: it succeeded with ${show(value)}`);
  },
};

function firstDifference(actual, expected, path) {
  if (Object.is(actual, expected)) return undefined;
  if (typeof actual !== "object" || typeof expected !== "object" || actual === null || expected === null) return path;
  if (Array.isArray(actual) !== Array.isArray(expected)) return path;
  for (const key of new Set([...Object.keys(actual), ...Object.keys(expected)])) {
    const difference = firstDifference(actual[key], expected[key], `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function show(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  let text;
  try {
    text = typeof value === "string" || (typeof value === "object" && value !== null) ? JSON.stringify(value) : String(value);
  } catch {
    text = String(value);
  }
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}
