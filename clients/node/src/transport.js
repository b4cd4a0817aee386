"use strict";

const { readAnswer } = require("./answers.js");
const { ConnectionError, KeywayError, TimeoutError } = require("./errors.js");
const { isWorthRetrying, pauseBefore, sleep } = require("./retry.js");
const { HIDDEN } = require("./secret.js");
const { readNumber } = require("./settings.js");

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/**
 * A call of the API. `path` is relative to /api/v1/.
 *
 * @typedef {{method: string, path: string, idempotent: boolean, query?: object, body?: unknown,
 *   headers?: Record<string, string>}} Call
 * @typedef {import('../types').CallOptions} CallOptions
 */

/** Sends and retries calls. The credential is in a private field, which no inspection of the object shows. */
class Transport {
  #settings;

  /** @param {ReturnType<typeof import('./settings.js').readSettings>} settings */
  constructor(settings) {
    this.#settings = settings;
  }

  /**
   * @param {Call} call
   * @param {CallOptions} [options]
   */
  async send(call, options = {}) {
    const { signal } = options;
    const timeout = readNumber("timeout", options.timeout ?? this.#settings.timeout, 1);
    const maxRetries = readNumber("maxRetries", options.maxRetries ?? this.#settings.maxRetries, 0);
    let patience = this.#settings.maxWait;
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        return await this.#attempt(call, timeout, signal);
      } catch (error) {
        if (attempt >= maxRetries || !isWorthRetrying(error, call.idempotent)) throw error;
        const pause = pauseBefore(attempt, error.retryAfter);
        if (pause > patience) throw error;
        patience -= pause;
        await sleep(pause, signal);
      }
    }
  }

  /**
   * @param {Call} call
   * @param {number} timeout
   * @param {AbortSignal} [signal]
   */
  async #attempt(call, timeout, signal) {
    // Not AbortSignal.any, which requires Node 20.
    const controller = new AbortController();
    const { fetch } = this.#settings;
    const address = this.#address(call);
    const init = this.#init(call, controller.signal);
    const abort = () => controller.abort();
    const timer = setTimeout(abort, timeout);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const response = await fetch(address, init);
      const text = await response.text();
      return readAnswer(response, response.ok ? text : this.#censored(text));
    } catch (error) {
      if (error instanceof KeywayError) throw error;
      signal?.throwIfAborted();
      if (controller.signal.aborted) throw new TimeoutError(timeout);
      throw asConnectionError(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** @param {Call} call */
  #address({ path, query = {} }) {
    const url = new URL(this.#settings.root + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, asText(value));
    }
    return url.href;
  }

  /**
   * @param {Call} call
   * @param {AbortSignal} signal
   * @returns {RequestInit}
   */
  #init({ method, body, headers = {} }, signal) {
    const all = { ...this.#settings.headers, ...headers };
    // Following a redirect would send X-API-Key to another host.
    if (body === undefined) return { method, headers: all, signal, redirect: "manual" };
    return {
      method,
      headers: { ...all, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
      redirect: "manual",
    };
  }

  /** Mask the credential: a proxy may echo the request's headers in its error page. @param {string} text */
  #censored(text) {
    return text.replaceAll(this.#settings.credential, HIDDEN);
  }
}

/** @param {unknown} value */
function asText(value) {
  return value instanceof Date ? value.toISOString() : String(value);
}

/**
 * Convert a failure, keeping only its code: its message and cause may quote the request.
 *
 * @param {any} error
 */
function asConnectionError(error) {
  const code = [error?.cause?.code, error?.code].find((text) => /^[A-Z][A-Z_]{2,39}$/.test(text));
  return new ConnectionError(`No answer (${code ?? "unknown cause"}).`, NEVER_SENT.has(code));
}

module.exports = { Transport };
