"use strict";

const HIDDEN = "[secret]";

/** Carries a secret past logs: only `reveal()` shows it. */
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
