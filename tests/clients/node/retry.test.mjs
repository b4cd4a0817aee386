import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { ConnectionError, RateLimitedError, TimeoutError, UnavailableError } from "../../../clients/node/src/index.mjs";
import { KEY_ID, away, busy, hangUp, problem, serving } from "./server.mjs";

const { pauseBefore, readRetryAfter } = createRequire(import.meta.url)("../../../clients/node/src/retry.js");
const EVENT = { event_id: "0", event_time: new Date(0), host: "h", action_id: "SL", succeeded: true };
const good = { body: { ok: true } };

// Concurrent, because these tests mostly wait.
describe("retries", { concurrency: true }, () => {
  test("429 and 503 are retried until the call succeeds", () =>
    serving([busy, away, good], async ({ client, requests }) => {
      assert.deepEqual(await client().whoami(), { ok: true });
      assert.equal(requests.length, 3);
    }));

  test("retries wait for Retry-After, in seconds", () =>
    serving([problem(429, "rate_limited", {}, { "Retry-After": "1" }), good], async ({ client, requests }) => {
      await client().whoami();
      assert.ok(requests[1].at - requests[0].at >= 990);
    }));

  test("the error after the last retry has retryAfter", () =>
    serving([busy], async ({ client, requests }) => {
      await assert.rejects(client({ maxRetries: 2 }).whoami(), (error) => {
        assert.ok(error instanceof RateLimitedError);
        assert.equal(error.retryAfter, 0);
        return true;
      });
      assert.equal(requests.length, 3);
    }));

  test("a wait beyond maxWait is not started", () =>
    serving([problem(503, "unavailable", {}, { "Retry-After": "3600" })], async ({ client, requests }) => {
      await assert.rejects(client().whoami(), (error) => error instanceof UnavailableError && error.retryAfter === 3600);
      assert.equal(requests.length, 1);
    }));

  test("the waits of a call add up to maxWait at most", () =>
    serving([problem(429, "rate_limited", {}, { "Retry-After": "1" })], async ({ client, requests }) => {
      await assert.rejects(client({ maxWait: 1999, maxRetries: 100 }).whoami(), RateLimitedError);
      assert.ok(requests.length <= 2);
    }));

  test("a refusal is not retried", () =>
    serving([problem(401, "revoked_key"), good], async ({ client, requests }) => {
      await assert.rejects(client().whoami(), { code: "revoked_key" });
      assert.equal(requests.length, 1);
    }));

  for (const [name, call] of Object.entries({
    whoami: (client) => client.whoami(),
    "activity.list": (client) => client.activity.list().page(),
    "keys.get": (client) => client.keys.get(KEY_ID),
    "keys.update": (client) => client.keys.update(KEY_ID, { name: "n" }),
    "keys.revoke": (client) => client.keys.revoke(KEY_ID),
    "keys.create": (client) => client.keys.create({ name: "n", scopes: [] }),
    "agent.sendEvents": (client) => client.agent.sendEvents([EVENT]),
    "agent.heartbeat": (client) => client.agent.heartbeat({ host: "h", version: "1" }),
  })) {
    test(`${name} is retried after a lost connection`, () =>
      serving([hangUp, { body: { data: [], next_cursor: null } }], async ({ client, requests }) => {
        await call(client());
        assert.equal(requests.length, 2);
        assert.deepEqual(requests[0].body, requests[1].body);
      }));
  }

  test("all attempts of a create share its Idempotency-Key", () =>
    serving([hangUp, busy, good], async ({ client, requests }) => {
      const order = { name: "n", scopes: ["read:audit-activity"] };
      await client().keys.create(order);
      await client().keys.create(order);
      const keys = requests.map(({ headers }) => headers["idempotency-key"]);
      assert.match(keys[0], /^[0-9a-f-]{36}$/);
      assert.deepEqual(keys.slice(0, 3), [keys[0], keys[0], keys[0]]);
      assert.notEqual(keys[3], keys[0]);
    }));

  test("a rotation whose answer was lost is not retried", () =>
    serving([hangUp, good], async ({ client, requests }) => {
      await assert.rejects(client().keys.rotate(KEY_ID), (error) => error instanceof ConnectionError && !error.neverSent);
      assert.equal(requests.length, 1);
    }));

  test("a rotation is retried after 429, not after 502, 503 or 504", async () => {
    await serving([busy, busy, good], async ({ client, requests }) => {
      await client().keys.rotate(KEY_ID);
      assert.equal(requests.length, 3);
    });
    const bare = [502, 503, 504].map((status) => ({ status, body: "<h1>Bad gateway</h1>" }));
    for (const answer of [away, ...bare]) {
      await serving([answer, good], async ({ client, requests }) => {
        await assert.rejects(client().keys.rotate(KEY_ID), { status: answer.status });
        assert.equal(requests.length, 1);
      });
    }
  });

  test("an idempotent call is retried after 502 and 504", () =>
    serving([{ status: 502, body: "<h1>" }, { status: 504, body: "" }, good], async ({ client, requests }) => {
      await client().whoami();
      assert.equal(requests.length, 3);
    }));

  test("a rotation that was never sent is retried", async () => {
    let attempts = 0;
    const counting = (...request) => {
      attempts += 1;
      return fetch(...request);
    };
    let gone;
    await serving([good], async ({ client }) => (gone = client({ fetch: counting, maxRetries: 2 })));
    const error = await gone.keys.rotate(KEY_ID).catch((thrown) => thrown);
    assert.equal(error.neverSent, true);
    assert.match(error.message, /ECONNREFUSED/);
    assert.equal(attempts, 3);
  });

  test("the timeout covers both headers and body", async () => {
    const silent = () => {};
    const halting = (_, response) => response.writeHead(200, { "Content-Type": "application/json" }).write("{");
    for (const answer of [silent, halting]) {
      await serving([answer, good], async ({ client, requests }) => {
        await assert.rejects(client({ timeout: 200, maxRetries: 0 }).whoami(), TimeoutError);
        assert.ok(requests.length <= 1);
      });
    }
  });

  test("an incomplete answer is retried", () =>
    serving(
      [(request, response) => {
        response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "100" }).write("{");
        setImmediate(() => request.socket.destroy());
      }, good],
      async ({ client, requests }) => {
        await client().whoami();
        assert.equal(requests.length, 2);
      },
    ));

  test("a signal aborts before, during and between attempts", async () => {
    const reason = new Error("enough");
    await serving([good], async ({ client, requests }) => {
      await assert.rejects(client().whoami({ signal: AbortSignal.abort(reason) }), reason);
      assert.equal(requests.length, 0);
    });
    const during = new AbortController();
    await serving([() => during.abort(reason), good], async ({ client, requests }) => {
      await assert.rejects(client().whoami({ signal: during.signal }), reason);
      assert.equal(requests.length, 1);
    });
    const between = new AbortController();
    const slow = problem(429, "rate_limited", {}, { "Retry-After": "30" });
    const pausing = (_, response) => {
      response.writeHead(slow.status, slow.headers).end(JSON.stringify(slow.body));
      setTimeout(() => between.abort(reason), 100);
    };
    await serving([pausing], async ({ client, requests }) => {
      await assert.rejects(client().whoami({ signal: between.signal }), reason);
      assert.equal(requests.length, 1);
    });
  });

  test("pauses grow, are random, and honor Retry-After", () => {
    assert.deepEqual([0, 1, 2, 9].map((attempt) => pauseBefore(attempt, null, () => 1)), [500, 1000, 2000, 8000]);
    assert.equal(pauseBefore(3, null, () => 0), 0);
    assert.equal(pauseBefore(0, 7, () => 0), 7000);
    assert.equal(pauseBefore(0, 7, () => 0.5), 7250);
    assert.ok(new Set(Array.from({ length: 50 }, () => pauseBefore(0, 1))).size > 40);
  });

  test("Retry-After is seconds, or a date by the server's clock", () => {
    const read = (after, date) => readRetryAfter(new Headers({ ...(after && { "Retry-After": after }), ...(date && { Date: date }) }));
    assert.equal(read("120"), 120);
    assert.equal(read("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"), 30);
    assert.equal(read("Wed, 21 Oct 2015 07:28:00 GMT"), 0);
    for (const nonsense of [undefined, "soon", "-1", "1.5", "1e9", "99999999999", "Nonsense, 99"]) assert.equal(read(nonsense), null);
  });
});
