/** Errors as a person wants to read them: what happened, and what to do about it. */

const ADVICE = {
  AuthenticationError: [
    "The access token was not accepted.",
    "Check that HF_TOKEN is set where the demo was started, and that the token may “Make calls to Inference Providers”.",
  ],
  PermissionError: ["This token may not make this call.", "Give it the permission “Make calls to Inference Providers”, or ask for access to the model."],
  PaymentRequiredError: ["The credits are used up.", "Buy credits or wait for the new month, or choose a provider that is free."],
  NotFoundError: ["The model was not found here.", "Choose another model, or another provider for this one."],
  RateLimitError: ["Too many requests for now.", "Wait a moment, or choose another provider."],
  ServerError: ["The service has a problem of its own.", "This mostly passes: try again, or choose another provider."],
  NetworkError: ["The connection failed.", "Check that the demo's server is still running and that you are online, then try again."],
  TimeoutError: ["The service has gone silent.", "Nothing came for too long, so the connection was closed. Try again, or choose another provider."],
  StreamInterruptedError: ["The answer broke off.", "The connection was lost, or the service failed in the middle. Try again; nothing you sent is lost."],
  TruncatedError: ["The answer ended without being finished.", "The service closed the stream early, so something is missing. Try again."],
  InvalidResponseError: ["The service answered with something that is not an answer.", "Try again, or choose another provider."],
  ResponseTooLargeError: ["The answer is too large to be taken in.", "Ask for a shorter one."],
  InputError: ["The request could not be made.", "One of the settings does not fit; the details say which."],
  CircuitOpenError: ["This provider has failed several times in a row.", "It is given a short rest. Choose another one meanwhile."],
  BudgetExceededError: ["The page's budget does not allow this.", "The answer may cost more than is left of what this page may spend. Lower max_tokens, choose a cheaper provider, or reload the page to begin anew."],
  InternalError: ["Something went wrong inside the client.", "Reload the page and try again. If it comes back, please report it."],
};

/**
 * @param {unknown} error
 * @returns {{ title: string, advice: string, details: [string, string][] }}
 */
export function explain(error) {
  const known = error instanceof Error ? error : new Error(String(error));
  const [title, advice] = Object.hasOwn(ADVICE, known.name) ? ADVICE[known.name] : ["Something went wrong.", "Try again; if it comes back, the details may help."];
  const wait = secondsUntil(known.retryAt);
  const details = [
    ["Message", known.message],
    ["Error", known.name],
    ["Status", known.status],
    ["Provider", known.provider],
    ["Model", known.model],
    ["Request", known.requestId],
  ];
  return {
    title,
    advice: wait ? `The service asks you to wait ${wait} second${wait === 1 ? "" : "s"}. You can also choose another provider.` : advice,
    details: details.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => [name, String(value)]),
  };
}

/** @param {unknown} moment a Date or milliseconds since 1970 */
function secondsUntil(moment) {
  const at = moment instanceof Date ? moment.getTime() : moment;
  return typeof at === "number" && Number.isFinite(at) ? Math.max(0, Math.ceil((at - Date.now()) / 1000)) : 0;
}
