import { AlreadyRevokedError, Client, Keyway, KeywayError, Secret } from "@keyway/sdk";
import type { ActivityEvent, ApiKey, Page, Whoami } from "@keyway/sdk";

export async function use(signal: AbortSignal): Promise<string> {
  const client: Keyway = new Client({ apiKey: new Secret("s"), baseUrl: "https://keyway.example", timeout: 1000, fetch });
  const me: Whoami = await client.whoami({ signal });
  const keys: Page<ApiKey> = await client.keys.list({ status: "active", limit: 10 });
  for (const key of keys) console.log(key.mask, keys.total);
  for await (const event of client.activity.list({ since: new Date(), success: false })) show(event);

  const created = await client.keys.create({ name: "n", scopes: ["read:audit-activity"], expires_in_days: 30 });
  // @ts-expect-error a replay has no secret, so `key` may be null
  created.key.reveal();
  if (created.key === null) return created.secret_shown ? "rotate it" : "";
  const secret: string = created.key.reveal();
  await client.keys.create({ name: "n", scopes: [], expires_at: new Date(), allowed_cidrs: ["10.0.0.0/8"] });
  // @ts-expect-error only one of the two expiries
  await client.keys.create({ name: "n", scopes: [], expires_at: new Date(), expires_in_days: 30 });
  await client.keys.create({ name: "n", kind: "agent" });
  // @ts-expect-error agent keys have the scopes of their kind
  await client.keys.create({ name: "n", kind: "agent", scopes: ["read:audit-activity"] });
  // @ts-expect-error not one of the choices
  await client.keys.create({ name: "n", scopes: [], expires_in_days: 31 });

  const { effective_at } = await client.keys.update(created.id, { scopes: [] });
  const rotated = await client.keys.rotate(created.id, { grace: 3600 });
  const config = await client.agent.config({ knownVersion: 1 });
  // @ts-expect-error null if unchanged
  config.version;
  try {
    await client.keys.revoke(created.id, { reason: "Leaked" });
  } catch (error) {
    if (error instanceof AlreadyRevokedError) return error.code;
    if (error instanceof KeywayError) return `${error.status} ${error.requestId} ${error.errors?.name?.[0]}`;
    throw error;
  }
  // @ts-expect-error there is no such option
  new Keyway({ apikey: "s" });
  return secret + rotated.key.reveal() + effective_at + me.key_id;
}

function show(event: ActivityEvent): void {
  console.log(event.event_time, event.statement);
}
