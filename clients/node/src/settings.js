"use strict";

const { ConfigurationError } = require("./errors.js");
const { Secret } = require("./secret.js");

const VERSION = require("../package.json").version;

/**
 * Complete the options from the environment, and refuse what cannot work before anything is sent. No value is quoted.
 *
 * @param {import('../types').KeywayOptions} options
 */
function readSettings(options) {
  const { apiKey, token, baseUrl = process.env.KEYWAY_BASE_URL, fetch = globalThis.fetch, ...others } = options;
  const { timeout = 30_000, maxRetries = 4, maxWait = 60_000, ...unknown } = others;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) throw new ConfigurationError("There is an option that the SDK does not know.");
  if (typeof fetch !== "function") throw new ConfigurationError("fetch is not a function.");
  return {
    root: readRoot(baseUrl),
    ...readCredential(apiKey, token),
    fetch,
    timeout: readNumber("timeout", timeout, 1),
    maxRetries: readNumber("maxRetries", maxRetries, 0),
    maxWait: readNumber("maxWait", maxWait, 0),
  };
}

/** @param {string | undefined} baseUrl */
function readRoot(baseUrl) {
  if (!baseUrl) throw new ConfigurationError("Give baseUrl, or set KEYWAY_BASE_URL: where is your Keyway?");
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new ConfigurationError("The base URL is not a URL.");
  }
  if (!/^https?:$/.test(url.protocol)) throw new ConfigurationError("The base URL starts with https:// or http://.");
  // fetch would refuse a user and password by quoting them.
  if (url.username || url.password) throw new ConfigurationError("The base URL carries no user and no password.");
  if (url.search || url.hash) throw new ConfigurationError("The base URL has no query and no fragment.");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}/api/v1/`;
}

/**
 * @param {string | import('../types').Secret | undefined} apiKey
 * @param {string | import('../types').Secret | undefined} token
 * @returns {{credential: string, headers: Record<string, string>}}
 */
function readCredential(apiKey, token) {
  if (apiKey !== undefined && token !== undefined) throw new ConfigurationError("Give apiKey or token, not both.");
  const headers = { "User-Agent": `keyway-sdk-node/${VERSION}`, Accept: "application/json" };
  if (token !== undefined) {
    const credential = readSecret("token", token);
    return { credential, headers: { ...headers, Authorization: `Bearer ${credential}` } };
  }
  const key = apiKey ?? process.env.KEYWAY_API_KEY;
  if (!key) throw new ConfigurationError("Give apiKey, or set KEYWAY_API_KEY.");
  const credential = readSecret("apiKey", key);
  return { credential, headers: { ...headers, "X-API-Key": credential } };
}

/**
 * @param {string} name
 * @param {string | import('../types').Secret} given
 */
function readSecret(name, given) {
  const value = given instanceof Secret ? given.reveal() : given;
  // fetch would refuse it as a header's value by quoting it.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw new ConfigurationError(`${name} is not a text of printable ASCII. Is there a line break at its end?`);
  }
  return value;
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} least
 */
function readNumber(name, value, least) {
  // Above 2^31-1 timers fire at once.
  if (typeof value !== "number" || !(value >= least) || value > 2 ** 31 - 1) {
    throw new ConfigurationError(`${name} is a number from ${least}.`);
  }
  return value;
}

module.exports = { readNumber, readSettings };
