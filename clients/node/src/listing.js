"use strict";

const { KeywayError } = require("./errors.js");

/**
 * One page, as the API answers it; iterating goes through its `data`.
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
 * A list that is fetched as it is read: `for await` goes through all of it, `await` and `page()` fetch the first page.
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
   * @param {string} [cursor] `next_cursor` of the page before
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
      if (cursor !== undefined && page.next_cursor === cursor) {
        throw new KeywayError("unexpected_answer", "The next page is the same page again.");
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
