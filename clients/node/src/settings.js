"use strict";

const { ConfigurationError } = require("./errors.js");
const { Secret } = require("./secret.js");

const VERSION = require("../package.json").version;

/**
 * Complete the options from the environment and validate them. Errors never quote a value: it may be a secret.
 *
 * @param {import('../types').KeywayOptions} options
 */
function readSettings(options) {
  const { apiKey, token, baseUrl = process.env.KEYWAY_BASE_URL, fetch = globalThis.fetch, ...others } = options;
  const { timeout = 30_000, maxRetries = 4, maxWait = 60_000, ...unknown } = others;
  // Not quoted: the unknown name may itself be a key.
  if (Object.keys(unknown).length > 0) throw new ConfigurationError("Unknown option.");
  if (typeof fetch !== "function") throw new ConfigurationError("fetch must be a function.");
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
  if (!baseUrl) throw new ConfigurationError("No server. Pass baseUrl or set KEYWAY_BASE_URL.");
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new ConfigurationError("The base URL is not a valid URL.");
  }
  if (!/^https?:$/.test(url.protocol)) throw new ConfigurationError("The base URL must start with https:// or http://.");
  // Checked here because the error of fetch would quote the user and password.
  if (url.username || url.password) throw new ConfigurationError("The base URL must not contain a user or password.");
  if (url.search || url.hash) throw new ConfigurationError("The base URL must not contain a query or fragment.");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}/api/v1/`;
}

/**
 * @param {string | import('../types').Secret | undefined} apiKey
 * @param {string | import('../types').Secret | undefined} token
 * @returns {{credential: string, headers: Record<string, string>}}
 */
function readCredential(apiKey, token) {
  if (apiKey !== undefined && token !== undefined) throw new ConfigurationError("Pass apiKey or token, not both.");
  const headers = { "User-Agent": `keyway-sdk-node/${VERSION}`, Accept: "application/json" };
  if (token !== undefined) {
    const credential = readSecret("token", token);
    return { credential, headers: { ...headers, Authorization: `Bearer ${credential}` } };
  }
  const key = apiKey ?? process.env.KEYWAY_API_KEY;
  if (!key) throw new ConfigurationError("No credential. Pass apiKey or token, or set KEYWAY_API_KEY.");
  const credential = readSecret("apiKey", key);
  return { credential, headers: { ...headers, "X-API-Key": credential } };
}

/**
 * @param {string} name
 * @param {string | import('../types').Secret} given
 */
function readSecret(name, given) {
  const value = given instanceof Secret ? given.reveal() : given;
  // Checked here because the error of fetch would quote an invalid header value.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw new ConfigurationError(`${name} must be a string of printable ASCII. Check for a trailing line break.`);
  }
  return value;
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} least
 */
function readNumber(name, value, least) {
  // Timers longer than 2^31-1 ms fire at once.
  if (typeof value !== "number" || !(value >= least) || value > 2 ** 31 - 1) {
    throw new ConfigurationError(`${name} must be a number from ${least} to 2147483647.`);
  }
  return value;
}

module.exports = { readNumber, readSettings };
