import assert from "node:assert/strict";
import { test } from "node:test";
import * as sdk from "../../../clients/node/src/index.mjs";
import { KEY_ID, problem, serving } from "./server.mjs";

const failure = (call) => call.then(() => assert.fail("it succeeded"), (error) => error);
const whoami = (answer, look) =>
  serving([answer], async ({ client }) => look(await failure(client({ maxRetries: 0 }).whoami())));

const FAMILIES = [
  [401, "invalid_key", "AuthenticationError"],
  [401, "a_code_of_tomorrow", "AuthenticationError"],
  [403, "not_key_owner", "PermissionDeniedError"],
  [403, "insufficient_scope", "InsufficientScopeError"],
  [404, "not_found", "NotFoundError"],
  [409, "key_not_usable", "ConflictError"],
  [409, "already_revoked", "AlreadyRevokedError"],
  [400, "invalid_cursor", "BadRequestError"],
  [413, "batch_too_large", "BadRequestError"],
  [422, "validation_failed", "ValidationError"],
  [422, "idempotency_key_reused", "IdempotencyKeyReusedError"],
  [429, "rate_limited", "RateLimitedError"],
  [500, "internal_error", "InternalError"],
  [503, "unavailable", "UnavailableError"],
];

for (const [status, code, name] of FAMILIES) {
  test(`${status} ${code} is a ${name}`, () =>
    whoami(problem(status, code), (error) => {
      assert.equal(error.constructor, sdk[name]);
      assert.equal(error.name, name);
      assert.ok(error instanceof sdk.KeywayError && error instanceof Error);
      assert.deepEqual([error.code, error.status, error.detail], [code, status, `It is ${code}.`]);
      assert.equal(error.requestId, "0123456789abcdef");
    }));
}

test("an error has the field errors and the whole problem", () =>
  whoami(problem(422, "validation_failed", { errors: { name: ["Too long."] }, rejected: [{ index: 0 }] }), (error) => {
    assert.deepEqual(error.errors, { name: ["Too long."] });
    assert.deepEqual(error.problem.rejected, [{ index: 0 }]);
  }));

for (const [name, answer] of Object.entries({
  "a proxy's page with 401": { status: 401, body: "<h1>Login</h1>" },
  "a proxy's page with 502": { status: 502, body: "<h1>Bad Gateway</h1>" },
  "a page with 200": { status: 200, body: "<h1>Welcome to the hotel</h1>" },
  "JSON that is not a problem": { status: 403, body: { error: "denied" } },
  "incomplete JSON": { status: 200, headers: { "Content-Type": "application/json" }, body: '{"a": ' },
  "a list": { status: 200, body: [1] },
  null: { status: 200, body: null },
  "an empty body": { status: 500, headers: { "Content-Type": "application/problem+json" }, body: "" },
  "a code that is not a string": problem(400, 7),
})) {
  test(`${name} is an UnexpectedAnswerError`, () =>
    whoami(answer, (error) => {
      assert.equal(error.constructor, sdk.UnexpectedAnswerError);
      assert.deepEqual([error.code, error.status], ["unexpected_answer", answer.status]);
      assert.doesNotMatch(error.message, /<h1>/);
    }));
}

test("a redirect is not followed", () =>
  serving([{}], async ({ url, requests }) => {
    for (const status of [301, 302, 307, 308]) {
      await whoami({ status, headers: { Location: `${url}/elsewhere` }, body: "" }, (error) => {
        assert.equal(error.constructor, sdk.UnexpectedAnswerError);
        assert.match(error.detail, /redirect/);
      });
    }
    assert.equal(requests.length, 0);
  }));

test("anything but a key's id is refused before it is sent", () =>
  serving([{}], async ({ client, requests }) => {
    const { keys } = client();
    for (const id of ["", ".", "..", "key_../whoami", "sk_live_tUsLbcdefghijklmnopqrstuv4wZ2AB", undefined, `${KEY_ID}/rotate`]) {
      for (const method of ["get", "update", "rotate", "revoke", "usage"]) {
        await assert.rejects(keys[method](id), (error) => {
          assert.ok(error instanceof TypeError);
          assert.doesNotMatch(error.stack, /sk_live|whoami"/);
          return true;
        });
      }
    }
    assert.equal(requests.length, 0);
  }));

test("a malformed idempotency key is refused before it is sent", () =>
  serving([{}], async ({ client, requests }) => {
    for (const idempotencyKey of ["", "é", "a\nb", "x".repeat(256)]) {
      await assert.rejects(client().keys.create({ name: "n", scopes: [] }, { idempotencyKey }), TypeError);
    }
    assert.equal(requests.length, 0);
  }));
