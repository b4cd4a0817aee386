"use strict";

/** Base class of all errors. Its text comes from the response, never from the request. */
class KeywayError extends Error {
  /**
   * @param {string} code
   * @param {string} detail
   * @param {import('../types').ErrorFacts} [facts]
   */
  constructor(code, detail, facts = {}) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.status = facts.status ?? null;
    this.requestId = facts.requestId ?? null;
    this.retryAfter = facts.retryAfter ?? null;
    this.errors = facts.errors ?? null;
    this.problem = facts.problem ?? null;
  }

  get name() {
    return this.constructor.name;
  }
}

class ConfigurationError extends KeywayError {
  /** @param {string} detail */
  constructor(detail) {
    super("not_configured", detail);
  }
}

/** No answer arrived. Unless `neverSent`, the call may have been carried out. */
class ConnectionError extends KeywayError {
  /**
   * @param {string} detail
   * @param {boolean} neverSent
   * @param {string} [code]
   */
  constructor(detail, neverSent, code = "no_answer") {
    super(code, detail);
    this.neverSent = neverSent;
  }
}

class TimeoutError extends ConnectionError {
  /** @param {number} timeout in milliseconds */
  constructor(timeout) {
    super(`No answer within ${timeout} ms.`, false, "timeout");
  }
}

/** The response is not Keyway's: a proxy's page, a redirect, an incomplete body. */
class UnexpectedAnswerError extends KeywayError {
  /**
   * @param {string} detail
   * @param {import('../types').ErrorFacts} facts
   */
  constructor(detail, facts) {
    super("unexpected_answer", detail, facts);
  }
}

class AuthenticationError extends KeywayError {}
class PermissionDeniedError extends KeywayError {}
class InsufficientScopeError extends PermissionDeniedError {}
class NotFoundError extends KeywayError {}
class ConflictError extends KeywayError {}
class AlreadyRevokedError extends ConflictError {}
class BadRequestError extends KeywayError {}
class ValidationError extends BadRequestError {}
class IdempotencyKeyReusedError extends ValidationError {}
class RateLimitedError extends KeywayError {}
class UnavailableError extends KeywayError {}
class InternalError extends KeywayError {}

module.exports = {
  KeywayError,
  ConfigurationError,
  ConnectionError,
  TimeoutError,
  UnexpectedAnswerError,
  AuthenticationError,
  PermissionDeniedError,
  InsufficientScopeError,
  NotFoundError,
  ConflictError,
  AlreadyRevokedError,
  BadRequestError,
  ValidationError,
  IdempotencyKeyReusedError,
  RateLimitedError,
  UnavailableError,
  InternalError,
};
