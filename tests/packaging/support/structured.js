import { value } from "./server.js";

/** What `structured` of `shared/structured.js` gives when all is well. */
export const structuredAnswer = JSON.stringify({
  object: value,
  name: "InvalidResponseError",
  issues: [{ message: "expected number, received string", path: ["color"] }],
});
