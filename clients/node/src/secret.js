"use strict";

const HIDDEN = "[secret]";

/** Keeps a secret out of logs. Only `reveal()` returns it. */
class Secret {
  #value;

  /** @param {string} value */
  constructor(value) {
    this.#value = value;
  }

  reveal() {
    return this.#value;
  }

  toString() {
    return HIDDEN;
  }

  toJSON() {
    return HIDDEN;
  }

  [Symbol.for("nodejs.util.inspect.custom")]() {
    return `Secret(${HIDDEN})`;
  }
}

module.exports = { HIDDEN, Secret };
