"use strict";

const { KeywayError } = require("./errors.js");

/**
 * One page of a list. Iterates over its `data`.
 *
 * @template T
 */
class Page {
  /** @param {{data: T[], next_cursor: string | null, total?: number}} body */
  constructor(body) {
    this.data = body.data;
    this.next_cursor = body.next_cursor;
    if (body.total !== undefined) this.total = body.total;
  }

  [Symbol.iterator]() {
    return this.data[Symbol.iterator]();
  }
}

/**
 * A list fetched on demand. `for await` iterates over all pages; `await` and `page()` fetch the first one.
 *
 * @template T
 * @implements {PromiseLike<Page<T>>}
 */
class Listing {
  #fetch;

  /** @param {(cursor?: string) => Promise<{data: T[], next_cursor: string | null, total?: number}>} fetch */
  constructor(fetch) {
    this.#fetch = fetch;
  }

  /**
   * @param {string} [cursor] the previous page's `next_cursor`
   * @returns {Promise<Page<T>>}
   */
  async page(cursor) {
    return new Page(await this.#fetch(cursor));
  }

  async *pages() {
    /** @type {string | undefined} */
    let cursor;
    do {
      const page = await this.page(cursor);
      yield page;
      // A server that repeats a cursor would otherwise keep this loop running forever.
      if (cursor !== undefined && page.next_cursor === cursor) {
        throw new KeywayError("unexpected_answer", "The server returned the same cursor twice.");
      }
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  async *[Symbol.asyncIterator]() {
    for await (const page of this.pages()) yield* page;
  }

  /**
   * @template [A=Page<T>]
   * @template [B=never]
   * @param {((page: Page<T>) => A | PromiseLike<A>) | null} [fulfilled]
   * @param {((reason: any) => B | PromiseLike<B>) | null} [rejected]
   * @returns {Promise<A | B>}
   */
  then(fulfilled, rejected) {
    return this.page().then(fulfilled, rejected);
  }
}

module.exports = { Listing, Page };
