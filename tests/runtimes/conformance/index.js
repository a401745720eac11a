import { batchChecks } from "./batch.js";
import { byteChecks } from "./bytes.js";
import { cacheChecks } from "./cache.js";
import { cancelChecks } from "./cancel.js";
import { chatChecks } from "./chat.js";
import { concurrencyChecks } from "./concurrency.js";
import { errorChecks } from "./errors.js";
import { generationChecks } from "./generation.js";
import { hostileChecks } from "./hostile.js";
import { lifecycleChecks } from "./lifecycle.js";
import { moneyChecks } from "./money.js";
import { requestChecks } from "./requests.js";
import { resilienceChecks } from "./resilience.js";
import { routeChecks } from "./route.js";
import { structuredChecks } from "./structured.js";
import { timeoutChecks } from "./timeouts.js";

/** What the package promises in every runtime. @type {import("./harness.js").Check[]} */
export const checks = [
  ...lifecycleChecks,
  ...chatChecks,
  ...generationChecks,
  ...requestChecks,
  ...structuredChecks,
  ...byteChecks,
  ...cancelChecks,
  ...cacheChecks,
  ...errorChecks,
  ...timeoutChecks,
  ...resilienceChecks,
  ...moneyChecks,
  ...batchChecks,
  ...routeChecks,
  ...hostileChecks,
  ...concurrencyChecks,
];

export { runChecks } from "./harness.js";
