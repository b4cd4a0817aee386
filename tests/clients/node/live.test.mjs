/** The SDK against a running Keyway. test_node_sdk.py passes its URL and seed. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  AlreadyRevokedError, AuthenticationError, BadRequestError, IdempotencyKeyReusedError, Keyway, NotFoundError, PermissionDeniedError,
  ValidationError,
} from "../../../clients/node/src/index.mjs";

const seed = JSON.parse(process.env.SEED);
const alice = seed.users.find(({ email }) => email.startsWith("alice@"));
const secretOf = (facts) =>
  seed.keys.find((key) => Object.entries(facts).every(([name, value]) => key[name] === value)).secret;

const reader = new Keyway({ apiKey: secretOf({ kind: "public", environment: "live", owner: alice.id }) });
const agent = new Keyway({ apiKey: secretOf({ kind: "agent", environment: "test" }) });
const manager = new Keyway({ apiKey: process.env.MANAGING_KEY });
const ci = new Keyway({ apiKey: secretOf({ kind: "public", environment: "test" }) });

test("whoami describes the credential", async () => {
  const me = await reader.whoami();
  assert.deepEqual([me.kind, me.environment, me.owner.email], ["public", "live", alice.email]);
  assert.deepEqual(me.scopes, ["read:audit-activity"]);
  assert.equal((await agent.whoami()).owner, null);
});

test("a secret with one wrong character is refused", async () => {
  const secret = secretOf({ kind: "public", environment: "live", owner: alice.id });
  const wrong = secret.slice(0, -1) + (secret.endsWith("A") ? "B" : "A");
  const error = await new Keyway({ apiKey: wrong }).whoami().catch((thrown) => thrown);
  assert.ok(error instanceof AuthenticationError);
  assert.deepEqual([error.code, error.status], ["invalid_key", 401]);
  assert.match(error.requestId, /^[0-9a-f]{32}$/);
});

test("activity lists each event once, newest first", async () => {
  const events = [];
  const pages = [];
  for await (const page of reader.activity.list({ limit: 1000 }).pages()) {
    pages.push(page);
    events.push(...page);
  }
  assert.equal(events.length, 2400);
  assert.ok(pages.length >= 3);
  assert.equal(new Set(events.map(({ id }) => id)).size, 2400);
  const times = events.map(({ event_time }) => Date.parse(event_time));
  assert.deepEqual(times, times.toSorted ? times.toSorted((a, b) => b - a) : [...times].sort((a, b) => b - a));
});

test("the server understands the filters", async () => {
  const newest = (await reader.activity.list({ limit: 1 })).data[0];
  const since = new Date(Date.parse(newest.event_time) - 86_400_000);
  let count = 0;
  for await (const event of reader.activity.list({ since, success: false, actor: newest.server_principal_name })) {
    assert.ok(Date.parse(event.event_time) >= since && event.succeeded === false);
    count += 1;
  }
  assert.ok(count < 2400);
  await assert.rejects(reader.activity.list({ colour: "red" }).page(), (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.deepEqual([error.code, error.problem.parameter], ["invalid_parameter", "colour"]);
    return true;
  });
});

const event = () => ({
  event_id: randomUUID(), event_time: new Date(), host: "sql-test-01", action_id: "SL", succeeded: true, statement: "SELECT 'ü'",
});

test("an agent's heartbeat, configuration and events work", async () => {
  const { configuration_version } = await agent.agent.heartbeat({ host: "sql-test-01", version: "1.0.0", queue_depth: 0 });
  const configuration = await agent.agent.config();
  assert.equal(configuration.version, configuration_version);
  assert.equal(await agent.agent.config({ knownVersion: configuration.version }), null);

  const events = [event(), event()];
  assert.deepEqual(await agent.agent.sendEvents(events), { accepted: 2, duplicate: 0, rejected: [] });
  assert.deepEqual(await agent.agent.sendEvents(events), { accepted: 0, duplicate: 2, rejected: [] });
  const mixed = await agent.agent.sendEvents([event(), { ...event(), host: "" }]);
  assert.deepEqual([mixed.accepted, mixed.rejected[0].index, mixed.rejected[0].field], [1, 1, "host"]);

  const seen = (await ci.activity.list()).data.filter(({ event_id }) => events.some((sent) => sent.event_id === event_id));
  assert.equal(seen.length, 2);
  assert.equal(seen[0].statement, "SELECT 'ü'");
});

test("a refused batch lists its reasons", () =>
  assert.rejects(agent.agent.sendEvents([{ ...event(), action_id: "" }]), (error) => {
    assert.ok(error instanceof ValidationError);
    assert.equal(error.code, "invalid_batch");
    assert.equal(error.problem.rejected[0].field, "action_id");
    return true;
  }));

test("keys of the wrong kind are refused", async () => {
  await assert.rejects(reader.agent.config(), (error) => error instanceof PermissionDeniedError && error.code === "wrong_key_type");
  await assert.rejects(agent.activity.list().page(), PermissionDeniedError);
});

const order = { name: "Made by the SDK", scopes: ["read:audit-activity"], expires_in_days: 30 };

test("a key can be created, used, edited, rotated and revoked", async () => {
  const created = await manager.keys.create({ ...order, description: "d", allowed_cidrs: ["127.0.0.0/8"] });
  assert.deepEqual([created.name, created.description, created.kind, created.owner.email], [order.name, "d", "public", alice.email]);
  assert.deepEqual(created.allowed_cidrs, ["127.0.0.0/8"]);
  const holder = new Keyway({ apiKey: created.key });
  assert.equal((await holder.whoami()).key_id, created.id);

  const changed = await manager.keys.update(created.id, { name: "Renamed", allowed_cidrs: [] });
  assert.deepEqual([changed.name, changed.description, changed.allowed_cidrs], ["Renamed", "d", []]);
  const shown = await manager.keys.get(created.id);
  assert.deepEqual([shown.name, shown.status, "key" in shown], ["Renamed", "active", false]);

  const kept = await manager.keys.rotate(created.id, { grace: 60 });
  assert.deepEqual([kept.secrets.map((secret) => secret.state), kept.effective_at], [["pending", "live"], null]);
  for (const client of [holder, new Keyway({ apiKey: kept.key })]) assert.equal((await client.whoami()).key_id, created.id);
  const rotated = await manager.keys.rotate(created.id);
  await assert.rejects(new Keyway({ apiKey: kept.key }).whoami(), { code: "rotated_key" });

  const receipt = await manager.keys.revoke(created.id, { reason: "Done" });
  assert.equal(receipt.id, created.id);
  await assert.rejects(new Keyway({ apiKey: rotated.key }).whoami(), { code: "revoked_key" });
  await assert.rejects(manager.keys.revoke(created.id), AlreadyRevokedError);
  assert.equal((await manager.keys.get(created.id)).revoke_reason, "Done");
});

test("one Idempotency-Key issues one key and one secret", async () => {
  const idempotencyKey = randomUUID();
  const first = await manager.keys.create(order, { idempotencyKey });
  const again = await manager.keys.create(order, { idempotencyKey });
  assert.deepEqual([again.id, again.key, again.secret_shown], [first.id, null, true]);
  await assert.rejects(manager.keys.create({ ...order, name: "Other" }, { idempotencyKey }), IdempotencyKeyReusedError);
});

test("keys are listed over pages, with filters", async () => {
  const name = `Paged ${randomUUID()}`;
  const made = [];
  for (const number of [1, 2, 3]) made.push(await manager.keys.create({ ...order, name: `${name} ${number}` }));
  const found = [];
  for await (const key of manager.keys.list({ q: name, owner: "me", limit: 1 })) found.push(key.id);
  assert.deepEqual(found.sort(), made.map(({ id }) => id).sort());
  const page = await manager.keys.list({ q: name, status: "active", limit: 2 });
  assert.deepEqual([page.total, page.data.length, typeof page.next_cursor], [3, 2, "string"]);
  assert.equal((await manager.keys.usage(made[0].id)).key_name, `${name} 1`);
});

test("refusals have their class", async () => {
  await assert.rejects(manager.keys.create({ ...order, name: "" }), (error) => {
    assert.ok(error instanceof ValidationError);
    assert.deepEqual(Object.keys(error.errors), ["name"]);
    return true;
  });
  await assert.rejects(manager.keys.create({ ...order, scopes: ["read:databases"] }), (error) => error instanceof PermissionDeniedError);
  await assert.rejects(reader.keys.list().page(), { code: "insufficient_scope" });
  const elsewhere = seed.keys.find(({ organization }) => organization !== alice.organization);
  await assert.rejects(manager.keys.get(elsewhere.id), NotFoundError);
});
