"use strict";

const { randomUUID } = require("node:crypto");
const { NOT_MODIFIED } = require("./answers.js");
const { Listing } = require("./listing.js");
const { Secret } = require("./secret.js");

/**
 * @typedef {import('./transport.js').Transport} Transport
 * @typedef {import('../types').CallOptions} CallOptions
 */

/**
 * Return the path of a key. Rejects anything but an id: URLs are logged, and it may be a secret.
 *
 * @param {string} id
 */
function pathOf(id, below = "") {
  if (typeof id !== "string" || !/^key_[0-9a-z]{26}$/.test(id)) throw new TypeError("Pass a key's id, key_….");
  return `api-keys/${id}${below}`;
}

/**
 * Wrap the secret of an answer in a Secret, or set it to null if there is none.
 *
 * @param {{body: any}} answer
 */
function withSecret({ body }) {
  return { ...body, key: typeof body.key === "string" ? new Secret(body.key) : null };
}

class Keys {
  #transport;

  /** @param {Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /**
   * @param {import('../types').KeyOrder} order
   * @param {CallOptions & {idempotencyKey?: string}} [options]
   * @returns {Promise<import('../types').CreatedKey>}
   */
  async create(order, { idempotencyKey = randomUUID(), ...options } = {}) {
    if (!/^[\x20-\x7e]{1,255}$/.test(idempotencyKey)) throw new TypeError("An idempotency key must be 1 to 255 printable ASCII characters.");
    const headers = { "Idempotency-Key": idempotencyKey };
    return withSecret(
      await this.#transport.send({ method: "POST", path: "api-keys", body: order, headers, idempotent: true }, options),
    );
  }

  /**
   * @param {import('../types').KeyFilters} [filters]
   * @param {CallOptions} [options]
   * @returns {Listing<import('../types').ApiKey>}
   */
  list(filters = {}, options) {
    return listing(this.#transport, "api-keys", filters, options);
  }

  /**
   * @param {string} id
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').ApiKey>}
   */
  async get(id, options) {
    return (await this.#transport.send({ method: "GET", path: pathOf(id), idempotent: true }, options)).body;
  }

  /**
   * @param {string} id
   * @param {import('../types').KeyChanges} changes
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').UpdatedKey>}
   */
  async update(id, changes, options) {
    const call = { method: "PATCH", path: pathOf(id), body: changes, idempotent: true };
    return (await this.#transport.send(call, options)).body;
  }

  /**
   * Not idempotent: a second rotation would end the secret of the first, which callers may use.
   *
   * @param {string} id
   * @param {import('../types').Rotation} [rotation]
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').RotatedKey>}
   */
  async rotate(id, { grace = 0, finish_with_last_host } = {}, options) {
    const body = finish_with_last_host === undefined ? { grace } : { grace, finish_with_last_host };
    const call = { method: "POST", path: pathOf(id, "/rotate"), body, idempotent: false };
    return withSecret(await this.#transport.send(call, options));
  }

  /**
   * @param {string} id
   * @param {{reason?: string}} [revocation]
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').Revocation>}
   */
  async revoke(id, { reason } = {}, options) {
    const body = reason === undefined ? undefined : { reason };
    return (await this.#transport.send({ method: "DELETE", path: pathOf(id), body, idempotent: true }, options)).body;
  }

  /**
   * @param {string} id
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').Usage>}
   */
  async usage(id, options) {
    return (await this.#transport.send({ method: "GET", path: pathOf(id, "/usage"), idempotent: true }, options)).body;
  }
}

class Activity {
  #transport;

  /** @param {Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /**
   * @param {import('../types').ActivityFilters} [filters]
   * @param {CallOptions} [options]
   * @returns {Listing<import('../types').ActivityEvent>}
   */
  list(filters = {}, options) {
    return listing(this.#transport, "public/audit-activity", filters, options);
  }
}

class Agent {
  #transport;

  /** @param {Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /**
   * Idempotent: events are identified by their `event_id`.
   *
   * @param {readonly import('../types').AgentEvent[]} events
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').BatchOutcome>}
   */
  async sendEvents(events, options) {
    const call = { method: "POST", path: "agent/events", body: events, idempotent: true };
    return (await this.#transport.send(call, options)).body;
  }

  /**
   * @param {CallOptions & {knownVersion?: number}} [options]
   * @returns {Promise<import('../types').AgentConfiguration | null>} null if `knownVersion` is still in force
   */
  async config({ knownVersion, ...options } = {}) {
    /** @type {Record<string, string>} */
    const headers = knownVersion === undefined ? {} : { "If-None-Match": `"${Number(knownVersion)}"` };
    const { status, body } = await this.#transport.send(
      { method: "GET", path: "agent/config", headers, idempotent: true },
      options,
    );
    return status === NOT_MODIFIED ? null : body;
  }

  /**
   * @param {import('../types').Heartbeat} heartbeat
   * @param {CallOptions} [options]
   * @returns {Promise<import('../types').HeartbeatAnswer>}
   */
  async heartbeat(heartbeat, options) {
    const call = { method: "POST", path: "agent/heartbeat", body: heartbeat, idempotent: true };
    return (await this.#transport.send(call, options)).body;
  }
}

/**
 * @param {Transport} transport
 * @param {string} path
 * @param {object} filters
 * @param {CallOptions} [options]
 * @returns {Listing<any>}
 */
function listing(transport, path, filters, options) {
  return new Listing(async (cursor) => {
    const query = cursor === undefined ? filters : { ...filters, cursor };
    return (await transport.send({ method: "GET", path, query, idempotent: true }, options)).body;
  });
}

module.exports = { Activity, Agent, Keys };
