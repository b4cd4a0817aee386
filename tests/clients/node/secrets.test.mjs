import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify, inspect } from "node:util";
import { Keyway, KeywayError, Secret } from "../../../clients/node/src/index.mjs";
import { KEY, KEY_ID, problem, serving } from "./server.mjs";

const ISSUED = "sk_live_ISSUEDdefghijklmnopqrstuv4wZ2AB";
const TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c3JfMDEifQ.c2lnbmF0dXJl";
const WHOLE = { depth: Infinity, showHidden: true, showProxy: true, getters: true, maxStringLength: null, maxArrayLength: null };

/** Every way in which a value could be logged. */
function printed(thing) {
  const own = typeof thing === "object" ? Reflect.ownKeys(thing).map((name) => inspect(thing[name], WHOLE)) : [];
  const error = thing instanceof Error ? [thing.message, thing.stack, `${thing}`] : [];
  return [inspect(thing), inspect(thing, WHOLE), JSON.stringify(thing), JSON.stringify([thing]), String(thing), ...own, ...error].join("\n");
}

function assertHidden(thing, ...secrets) {
  for (const secret of [KEY, ISSUED, TOKEN, ...secrets]) assert.ok(!printed(thing).includes(secret), "a secret is shown");
}

const failure = (call) => call.then(() => assert.fail("it succeeded"), (error) => error);

test("assertHidden finds a secret that is not hidden", () => {
  assert.throws(() => assertHidden({ at: { some: { depth: { below: KEY } } } }));
  assert.throws(() => assertHidden(Object.defineProperty({}, "hidden", { value: TOKEN, enumerable: false })));
  assert.throws(() => assertHidden(new Error(KEY)));
});

test("a client hides its key or token", () => {
  for (const credential of [{ apiKey: KEY }, { apiKey: new Secret(KEY) }, { token: TOKEN }]) {
    const client = new Keyway({ baseUrl: "http://127.0.0.1:9", ...credential });
    for (const part of [client, client.keys, client.activity, client.agent, client.keys.list(), client.whoami]) assertHidden(part);
  }
});

test("only reveal() returns a Secret's value", () => {
  const secret = new Secret(ISSUED);
  assertHidden(secret);
  assertHidden({ deep: [secret] });
  assert.equal(`${secret}`, "[secret]");
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}');
  assert.equal(secret.reveal(), ISSUED);
});

test("issued and rotated secrets are Secrets; a replay has none", async () => {
  const key = { id: KEY_ID, name: "n" };
  await serving([{ body: { ...key, key: ISSUED } }], async ({ client, requests }) => {
    const created = await client().keys.create({ name: "n", scopes: [] });
    const rotated = await client().keys.rotate(KEY_ID, { grace: 60 });
    for (const answer of [created, rotated]) {
      assertHidden(answer);
      assert.equal(answer.key.reveal(), ISSUED);
    }
    assert.equal(requests[1].body, '{"grace":60}');
  });
  await serving([{ body: { ...key, secret_shown: true } }], async ({ client }) => {
    const replayed = await client().keys.create({ name: "n", scopes: [] });
    assert.deepEqual([replayed.key, replayed.secret_shown], [null, true]);
  });
});

test("the error of an incomplete answer hides its secret", async () => {
  const text = `{"id": "${KEY_ID}", "key": "${ISSUED}" oops`;
  await serving([{ headers: { "Content-Type": "application/json" }, body: text }], async ({ client }) => {
    assertHidden(await failure(client().keys.rotate(KEY_ID)));
  });
});

test("an echoed request does not put the key into the error", async () => {
  const echo = (request, response) => {
    const sent = JSON.stringify(request.headers);
    const { body, headers } = problem(400, "bad_request", { detail: sent, errors: { headers: [sent] }, echoed: request.headers });
    response.writeHead(400, headers).end(JSON.stringify(body));
  };
  for (const credential of [{}, { apiKey: undefined, token: TOKEN }]) {
    await serving([echo], async ({ client }) => {
      const error = await failure(client(credential).whoami());
      assert.match(error.detail, /\[secret\]/);
      assertHidden(error);
    });
  }
});

test("a fetch error with the request in it does not leak the key", async () => {
  const leaking = async (url, init) => {
    throw Object.assign(new Error(`failed: ${JSON.stringify(init.headers)}`), { config: init, code: init.headers["X-API-Key"], cause: { init } });
  };
  const client = new Keyway({ apiKey: KEY, baseUrl: "http://127.0.0.1:9", fetch: leaking, maxRetries: 0 });
  const error = await failure(client.whoami());
  assert.ok(error instanceof KeywayError);
  assertHidden(error);
});

test("invalid options are refused without being quoted", () => {
  const baseUrl = "http://127.0.0.1:9";
  const wrong = [
    KEY,
    { apiKey: `${KEY}\n`, baseUrl },
    { apiKey: `${KEY}é`, baseUrl },
    { apiKey: [KEY], baseUrl },
    { apiKey: KEY, token: TOKEN, baseUrl },
    { apiKey: KEY, baseUrl: `https://user:${KEY}@keyway.example` },
    { apiKey: KEY, baseUrl: `https://keyway.example?key=${KEY}` },
    { apiKey: KEY, baseUrl: KEY },
    { apiKey: KEY, baseUrl: "file:///etc/passwd" },
    { [KEY]: KEY, baseUrl },
    { apiKey: KEY, baseUrl, timeout: KEY },
  ];
  for (const options of wrong) {
    assert.throws(() => new Keyway(options), (error) => {
      assert.equal(error.code, "not_configured");
      assertHidden(error);
      return true;
    });
  }
});

test("a crashing program and a printed client show no secret", async () => {
  const index = new URL("../../../clients/node/src/index.mjs", import.meta.url);
  const program = `
    const { Keyway } = await import(${JSON.stringify(index.href)});
    const client = new Keyway({ maxRetries: 0 });
    console.log(client, JSON.stringify(client), \`\${client}\`);
    console.dir(client, { depth: null, showHidden: true });
    await client.whoami();`;
  await serving([problem(401, "invalid_key")], async ({ url }) => {
    const env = { PATH: process.env.PATH, KEYWAY_API_KEY: KEY, KEYWAY_BASE_URL: url };
    const died = await failure(promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { env }));
    assert.match(died.stderr, /AuthenticationError: invalid_key/);
    assert.match(died.stdout, /Keyway/);
    assert.ok(!`${died.stdout}${died.stderr}`.includes(KEY));
  });
});
