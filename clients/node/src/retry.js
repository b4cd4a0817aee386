"use strict";

const { ConnectionError, KeywayError } = require("./errors.js");

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
const DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Whether a failed call may be retried without the risk of being carried out twice.
 *
 * @param {unknown} error
 * @param {boolean} idempotent
 * @returns {error is KeywayError}
 */
function isWorthRetrying(error, idempotent) {
  if (!(error instanceof KeywayError)) return false;
  if (error instanceof ConnectionError) return idempotent || error.neverSent;
  if (error.status === 429) return true;
  // Even a 503 with Retry-After may arrive after the change was made.
  return idempotent && error.status !== null && error.status >= 502 && error.status <= 504;
}

/**
 * Return the milliseconds to wait: Retry-After plus a random backoff, so that clients do not retry in step.
 *
 * @param {number} attempt counted from 0
 * @param {number | null} retryAfter in seconds
 * @param {() => number} [random]
 */
function pauseBefore(attempt, retryAfter, random = Math.random) {
  const backoff = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
  return (retryAfter ?? 0) * 1000 + random() * backoff;
}

/**
 * Parse Retry-After (RFC 9110, 10.2.3) into seconds. A date is relative to the server's Date header if there is one.
 *
 * @param {{get(name: string): string | null}} headers
 * @returns {number | null} null if the header is missing or invalid
 */
function readRetryAfter(headers) {
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  // Date.parse accepts nearly anything, even "-1".
  const at = DATE.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) return null;
  const now = Date.parse(headers.get("date") ?? "") || Date.now();
  return Math.max(0, Math.ceil((at - now) / 1000));
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>} rejected with the signal's reason once it is aborted
 */
async function sleep(milliseconds, signal) {
  signal?.throwIfAborted();
  await new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve(undefined);
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

module.exports = { isWorthRetrying, pauseBefore, readRetryAfter, sleep };
