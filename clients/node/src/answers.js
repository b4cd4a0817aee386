"use strict";

const errors = require("./errors.js");
const { readRetryAfter } = require("./retry.js");

const NOT_MODIFIED = 304;

/** @typedef {new (code: string, detail: string, facts: import('../types').ErrorFacts) => errors.KeywayError} ErrorClass */

/** @type {Map<string, ErrorClass>} */
const BY_CODE = new Map([
  ["insufficient_scope", errors.InsufficientScopeError],
  ["already_revoked", errors.AlreadyRevokedError],
  ["idempotency_key_reused", errors.IdempotencyKeyReusedError],
]);

/** The class for codes that this version does not know. @type {Map<number, ErrorClass>} */
const BY_STATUS = new Map([
  [401, errors.AuthenticationError],
  [403, errors.PermissionDeniedError],
  [404, errors.NotFoundError],
  [409, errors.ConflictError],
  [422, errors.ValidationError],
  [429, errors.RateLimitedError],
  [503, errors.UnavailableError],
]);

/**
 * @param {string} code
 * @param {number} status
 * @returns {ErrorClass}
 */
function errorClass(code, status) {
  return BY_CODE.get(code) ?? BY_STATUS.get(status) ?? (status >= 500 ? errors.InternalError : errors.BadRequestError);
}

/**
 * Decode a response, or throw the error that it represents.
 *
 * Errors never include the body or the parser's message: both may quote an issued secret.
 *
 * @param {Response} response
 * @param {string} text the body
 * @returns {{status: number, body: any}}
 */
function readAnswer(response, text) {
  const { status } = response;
  if (status === 204 || status === NOT_MODIFIED) return { status, body: null };
  const body = readObject(response, text);
  if (response.ok && body) return { status, body };
  throw asError(response, body);
}

/**
 * @param {Response} response
 * @param {string} text
 * @returns {Record<string, any> | null}
 */
function readObject(response, text) {
  const mediaType = (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (mediaType !== "application/json" && mediaType !== "application/problem+json") return null;
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * @param {Response} response
 * @param {Record<string, any> | null} body
 */
function asError(response, body) {
  const { status, headers } = response;
  const facts = { status, requestId: headers.get("x-request-id"), retryAfter: readRetryAfter(headers) };
  if (response.ok || body === null || !isProblem(body)) return new errors.UnexpectedAnswerError(describe(status), facts);
  const { code, detail } = body;
  return new (errorClass(code, status))(code, detail, { ...facts, errors: body.errors, problem: body });
}

/** @param {Record<string, any>} body */
function isProblem(body) {
  return typeof body.code === "string" && typeof body.detail === "string";
}

/** @param {number} status */
function describe(status) {
  if (status >= 300 && status < 400) return `The server answered with a redirect (${status}). It was not followed, to protect the key.`;
  return `The answer (${status}) did not come from Keyway. Check the base URL, and any proxy in between.`;
}

module.exports = { NOT_MODIFIED, readAnswer };
