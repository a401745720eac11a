/**
 * Puts the fake services in the place of `fetch`, in Node (`node --import`) and in a page. Every
 * other host is out of reach, but for the page's own and the CDN's, which the harness serves.
 */

import { fakeResponse } from "./fake-services.js";

const realFetch = globalThis.fetch;
const pageOrigin = globalThis.location?.origin;
const answers = globalThis.process?.env.FAKE_ANSWERS ?? globalThis.fakeAnswers;

globalThis.fetch = async function fetch(input, init) {
  const request = new Request(input, init);
  const response = await fakeResponse(request, { answers, pageOrigin });
  if (response) return response;
  const { origin, hostname, protocol } = new URL(request.url);
  if (protocol === "data:" || origin === pageOrigin || (pageOrigin && hostname === "cdn.jsdelivr.net")) {
    return realFetch(input, init);
  }
  throw new TypeError(`${request.url} is not to be reached from a README example`);
};
