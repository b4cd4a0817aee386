"use strict";

const { Activity, Agent, Keys } = require("./resources.js");
const { readSettings } = require("./settings.js");
const { Transport } = require("./transport.js");

/** Client of one Keyway server with one credential. */
class Keyway {
  #transport;

  /** @param {import('../types').KeywayOptions} [options] */
  constructor(options = {}) {
    this.#transport = new Transport(readSettings(options));
    this.keys = new Keys(this.#transport);
    this.activity = new Activity(this.#transport);
    this.agent = new Agent(this.#transport);
  }

  /**
   * @param {import('../types').CallOptions} [options]
   * @returns {Promise<import('../types').Whoami>}
   */
  async whoami(options) {
    return (await this.#transport.send({ method: "GET", path: "whoami", idempotent: true }, options)).body;
  }
}

module.exports = { Keyway };
