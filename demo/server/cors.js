/** Any page may call the embedded server: it has nothing to protect. */

const EXPOSED = "x-request-id, x-inference-provider, retry-after, x-compute-type, x-prompt-tokens, x-generated-tokens";

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
export function allowEveryOrigin(request, response) {
  response.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
  response.setHeader("access-control-expose-headers", EXPOSED);
  response.setHeader("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  if (request.method !== "OPTIONS") return;
  response.setHeader("access-control-allow-methods", "GET, POST, OPTIONS");
  response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "authorization, content-type");
  response.setHeader("access-control-max-age", "600");
  if (request.headers["access-control-request-private-network"]) response.setHeader("access-control-allow-private-network", "true");
}
