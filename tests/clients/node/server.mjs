/** An HTTP server that answers by script, and an SDK client for it. */
import { once } from "node:events";
import { createServer } from "node:http";
import { Keyway } from "../../../clients/node/src/index.mjs";

export const KEY = "sk_live_tUsLbcdefghijklmnopqrstuv4wZ2AB";
export const KEY_ID = "key_01jd0000000000000000000000";

/**
 * Sends the answers in order and repeats the last one. An answer is `{status, headers, body}` or a function of the raw request and
 * response. Calls `use` with `{url, requests, client}`; `client(options)` creates a client of this server.
 */
export async function serving(answers, use) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const { method, url, headers } = request;
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push({ method, url, headers, body, at: performance.now() });
    if (typeof answer === "function") answer(request, response);
    else reply(response, answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const client = (options = {}) => new Keyway({ apiKey: KEY, baseUrl: url, ...options });
  try {
    await use({ url, requests, client });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function reply(response, { status = 200, headers = {}, body = {} }) {
  const isText = typeof body === "string";
  response.writeHead(status, { "Content-Type": isText ? "text/html" : "application/json", ...headers });
  response.end(status === 204 || status === 304 ? undefined : isText ? body : JSON.stringify(body));
}

export function problem(status, code, members = {}, headers = {}) {
  const body = { type: `/docs/errors/#${code}`, title: code, status, detail: `It is ${code}.`, code, ...members };
  return { status, body, headers: { "Content-Type": "application/problem+json", "X-Request-Id": "0123456789abcdef", ...headers } };
}

export const hangUp = (request) => request.socket.destroy();
export const busy = problem(429, "rate_limited", {}, { "Retry-After": "0" });
export const away = problem(503, "unavailable", {}, { "Retry-After": "0" });
