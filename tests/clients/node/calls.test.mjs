import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as sdk from "../../../clients/node/src/index.mjs";
import { KEY, KEY_ID, serving } from "./server.mjs";

const required = createRequire(import.meta.url)("../../../clients/node/src/index.js");
const good = { body: { data: [], next_cursor: null } };

test("import and require return the same classes", () => {
  assert.deepEqual(Object.keys(sdk).sort(), Object.keys(required).sort());
  for (const name of Object.keys(sdk)) assert.equal(sdk[name], required[name]);
  assert.equal(sdk.Client, sdk.Keyway);
});

const CALLS = {
  whoami: [(client) => client.whoami(), "GET", "/whoami", ""],
  create: [
    (client) => client.keys.create({ name: "n", scopes: ["read:logs"], expires_at: new Date(0) }),
    "POST", "/api-keys", '{"name":"n","scopes":["read:logs"],"expires_at":"1970-01-01T00:00:00.000Z"}',
  ],
  "create without expiry": [(client) => client.keys.create({ name: "n", scopes: [], expires_in_days: null }), "POST", "/api-keys", '{"name":"n","scopes":[],"expires_in_days":null}'],
  list: [(client) => client.keys.list({ status: "active", owner: "me", q: "a b&c", kind: undefined }).page(), "GET", "/api-keys?status=active&owner=me&q=a+b%26c", ""],
  get: [(client) => client.keys.get(KEY_ID), "GET", `/api-keys/${KEY_ID}`, ""],
  update: [(client) => client.keys.update(KEY_ID, { scopes: [] }), "PATCH", `/api-keys/${KEY_ID}`, '{"scopes":[]}'],
  rotate: [(client) => client.keys.rotate(KEY_ID), "POST", `/api-keys/${KEY_ID}/rotate`, '{"grace":0}'],
  revoke: [(client) => client.keys.revoke(KEY_ID), "DELETE", `/api-keys/${KEY_ID}`, ""],
  "revoke with a reason": [(client) => client.keys.revoke(KEY_ID, { reason: "Leaked" }), "DELETE", `/api-keys/${KEY_ID}`, '{"reason":"Leaked"}'],
  usage: [(client) => client.keys.usage(KEY_ID), "GET", `/api-keys/${KEY_ID}/usage`, ""],
  activity: [
    (client) => client.activity.list({ since: new Date(0), success: false, limit: 7 }).page("c=1"),
    "GET", "/public/audit-activity?since=1970-01-01T00%3A00%3A00.000Z&success=false&limit=7&cursor=c%3D1", "",
  ],
  sendEvents: [(client) => client.agent.sendEvents([{ event_id: "1" }]), "POST", "/agent/events", '[{"event_id":"1"}]'],
  config: [(client) => client.agent.config(), "GET", "/agent/config", ""],
  heartbeat: [(client) => client.agent.heartbeat({ host: "h", version: "1" }), "POST", "/agent/heartbeat", '{"host":"h","version":"1"}'],
};

for (const [name, [call, method, path, body]] of Object.entries(CALLS)) {
  test(`${name} is ${method} ${path}`, () =>
    serving([good], async ({ client, requests }) => {
      await call(client());
      const [{ headers, ...request }] = requests;
      assert.deepEqual([request.method, request.url, request.body], [method, `/api/v1${path}`, body]);
      assert.equal(headers["x-api-key"], KEY);
      assert.equal(headers.authorization, undefined);
      assert.equal(headers["content-type"], body ? "application/json" : undefined);
      assert.match(headers["user-agent"], /^keyway-sdk-node\/\d/);
    }));
}

test("a token is sent in Authorization, without the environment's key", () =>
  serving([good], async ({ client, requests }) => {
    process.env.KEYWAY_API_KEY = KEY;
    await client({ apiKey: undefined, token: "t.o.k" }).whoami();
    delete process.env.KEYWAY_API_KEY;
    assert.equal(requests[0].headers.authorization, "Bearer t.o.k");
    assert.equal(requests[0].headers["x-api-key"], undefined);
  }));

test("new Keyway() reads the environment and names a missing variable", () =>
  serving([good], async ({ url, requests }) => {
    assert.throws(() => new sdk.Keyway(), /KEYWAY_BASE_URL/);
    process.env.KEYWAY_BASE_URL = `${url}/below/`;
    assert.throws(() => new sdk.Keyway(), /KEYWAY_API_KEY/);
    process.env.KEYWAY_API_KEY = KEY;
    await new sdk.Keyway().whoami();
    delete process.env.KEYWAY_API_KEY;
    delete process.env.KEYWAY_BASE_URL;
    assert.equal(requests[0].url, "/below/api/v1/whoami");
  }));

test("an unchanged configuration is null", () =>
  serving([{ status: 304 }], async ({ client, requests }) => {
    assert.equal(await client().agent.config({ knownVersion: 3 }), null);
    assert.equal(requests[0].headers["if-none-match"], '"3"');
  }));

const page = (data, next_cursor) => ({ body: { data, next_cursor, total: 3 } });

test("for await reads every page, empty ones too, and only on demand", () =>
  serving([page([1, 2], "b"), page([], "c"), page([3], null)], async ({ client, requests }) => {
    const listing = client().keys.list({ limit: 2 });
    assert.equal(requests.length, 0);
    const seen = [];
    for await (const key of listing) {
      seen.push(key);
      if (key === 2) assert.equal(requests.length, 1);
    }
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(requests.map(({ url }) => url.split("?")[1]), ["limit=2", "limit=2&cursor=b", "limit=2&cursor=c"]);
  }));

test("await returns the first page, page(cursor) another one", () =>
  serving([page([1, 2], "b"), page([3], null)], async ({ client, requests }) => {
    const keys = await client().keys.list();
    assert.deepEqual([...keys], [1, 2]);
    assert.deepEqual([keys.data, keys.next_cursor, keys.total], [[1, 2], "b", 3]);
    assert.deepEqual((await client().keys.list().page(keys.next_cursor)).data, [3]);
    assert.equal(requests.length, 2);
  }));

test("breaking out of the loop fetches no further page", () =>
  serving([page([1], "b")], async ({ client, requests }) => {
    for await (const _ of client().keys.list()) break;
    assert.equal(requests.length, 1);
  }));

test("a repeated cursor does not loop forever", () =>
  serving([page([1], "b")], async ({ client, requests }) => {
    await assert.rejects(async () => { for await (const _ of client().keys.list()); }, { code: "unexpected_answer" });
    assert.equal(requests.length, 2);
  }));

test("a page's error is thrown when the page is read", () =>
  serving([page([1], "b"), { status: 500, body: "" }], async ({ client }) => {
    const seen = [];
    await assert.rejects(async () => { for await (const key of client().keys.list()) seen.push(key); }, { status: 500 });
    assert.deepEqual(seen, [1]);
  }));
