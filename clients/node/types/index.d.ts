/**
 * Fields that are sent or received keep the API's snake_case names (answers, filters, bodies). Options and error properties are
 * camelCase. Times are RFC 3339 strings; parameters also accept a Date.
 */

export interface KeywayOptions {
  /** Default: KEYWAY_API_KEY. */
  apiKey?: string | Secret;
  /** A user token, instead of a key. */
  token?: string | Secret;
  /** Keyway's URL, without /api/v1. Default: KEYWAY_BASE_URL. */
  baseUrl?: string;
  /** Milliseconds for one attempt, including reading the answer. Default: 30,000. */
  timeout?: number;
  /** Attempts after the first. Default: 4. */
  maxRetries?: number;
  /** Total milliseconds that a call may wait between its attempts. Default: 60,000. */
  maxWait?: number;
  /** Replaces Node's fetch. Its headers contain the credential. */
  fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  /** Aborts the call, including its waits. The call rejects with the signal's reason. */
  signal?: AbortSignal;
  timeout?: number;
  maxRetries?: number;
}

export declare class Keyway {
  constructor(options?: KeywayOptions);
  readonly keys: Keys;
  readonly activity: Activity;
  readonly agent: Agent;
  /** Return the presented credential: organization, kind, environment, scopes, expiry, limits. */
  whoami(options?: CallOptions): Promise<Whoami>;
}

export { Keyway as Client };

/** Appears as `[secret]` when printed, inspected or serialized. */
export declare class Secret {
  constructor(value: string);
  reveal(): string;
  toString(): string;
  toJSON(): string;
}

export interface Keys {
  /** Idempotent: each call generates an Idempotency-Key, which all its attempts share. */
  create(order: KeyOrder, options?: CallOptions & { idempotencyKey?: string }): Promise<CreatedKey>;
  list(filters?: KeyFilters, options?: CallOptions): Listing<ApiKey>;
  get(id: string, options?: CallOptions): Promise<ApiKey>;
  update(id: string, changes: KeyChanges, options?: CallOptions): Promise<UpdatedKey>;
  rotate(id: string, rotation?: Rotation, options?: CallOptions): Promise<RotatedKey>;
  revoke(id: string, revocation?: { reason?: string }, options?: CallOptions): Promise<Revocation>;
  usage(id: string, options?: CallOptions): Promise<Usage>;
}

export interface Activity {
  /** Newest first. */
  list(filters?: ActivityFilters, options?: CallOptions): Listing<ActivityEvent>;
}

export interface Agent {
  /** Send 1 to 10,000 events. Idempotent: events are identified by `event_id`. */
  sendEvents(events: readonly AgentEvent[], options?: CallOptions): Promise<BatchOutcome>;
  /** Null if `knownVersion` is still in force. */
  config(options?: CallOptions & { knownVersion?: number }): Promise<AgentConfiguration | null>;
  heartbeat(heartbeat: Heartbeat, options?: CallOptions): Promise<HeartbeatAnswer>;
}

/** `for await` iterates over all pages; `await` and `page()` fetch the first one. */
export declare class Listing<T> implements AsyncIterable<T>, PromiseLike<Page<T>> {
  private constructor();
  /** `cursor`: the previous page's `next_cursor`. */
  page(cursor?: string): Promise<Page<T>>;
  pages(): AsyncGenerator<Page<T>, void, undefined>;
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined>;
  then<A = Page<T>, B = never>(
    fulfilled?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    rejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B>;
}

export declare class Page<T> implements Iterable<T> {
  private constructor();
  data: T[];
  next_cursor: string | null;
  /** The number of keys in the whole list. Not available for activity. */
  total?: number;
  [Symbol.iterator](): Iterator<T>;
}

export type Kind = "public" | "agent";
export type Environment = "live" | "test";
export type Status = "active" | "expiring" | "paused" | "inactive" | "expired" | "revoked";

export interface Owner {
  /** `usr_…` */
  id: string;
  email: string;
}

export type SecretState = "pending" | "live" | "retiring" | "retired" | "lapsed";

/** A secret that works. Two while a rotation is in progress. */
export interface KeySecret {
  /** `sec_…` */
  id: string;
  mask: string;
  state: SecretState;
  created_at: string;
  activated_at: string | null;
  expires_at: string | null;
  /** A pending secret ends then if it is not used. */
  lapses_at: string | null;
}

/** The hosts of an agent key during a rotation, at most 100 names of each. */
export interface HostProgress {
  moved_count: number;
  remaining_count: number;
  moved: string[];
  remaining: string[];
}

export interface ApiKey {
  /** `key_…` */
  id: string;
  name: string;
  description: string;
  kind: Kind;
  environment: Environment;
  /** `org_…` */
  organization_id: string;
  owner: Owner | null;
  scopes: string[];
  allowed_cidrs: string[];
  status: Status;
  mask: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  last_used_ip: string | null;
  rotated_at: string | null;
  secrets: KeySecret[];
  /** When the secret that is being rotated out stops working; null while that is unknown. */
  old_key_expires_at: string | null;
  /** Only in the answer of `get`, for an agent key in rotation. */
  hosts?: HostProgress | null;
  paused_at: string | null;
  revoked_at: string | null;
  revoke_reason: string;
}

export interface KeyDetails {
  /** 1 to 255 characters. */
  name: string;
  /** At most 500 characters. */
  description?: string;
  environment?: Environment;
  /** Required if the caller is a member of several organizations. */
  organization_id?: string;
  allowed_cidrs?: readonly string[];
}

/** Keys expire after 90 days by default; with `expires_in_days: null`, never. Only admins can issue agent keys. */
export type KeyOrder = KeyDetails &
  ({ kind?: "public"; scopes: readonly string[] } | { kind: "agent"; scopes?: undefined }) &
  (
    | { expires_in_days?: 30 | 60 | 90 | 180 | 365 | null; expires_at?: undefined }
    | { expires_at: string | Date; expires_in_days?: undefined }
  );

/**
 * `key` is null if an earlier request with the same Idempotency-Key issued the key. Only the answer to that request contains the
 * secret. If it was lost, rotate the key.
 */
export type CreatedKey = (ApiKey & { key: Secret; secret_shown?: false }) | (ApiKey & { key: null; secret_shown: true });

export interface KeyChanges {
  name?: string;
  description?: string;
  scopes?: readonly string[];
  allowed_cidrs?: readonly string[];
}

export type UpdatedKey = ApiKey & { effective_at: string };

/** With a grace, the new secret is pending until `lapses_at`, and `effective_at` is null. */
export type RotatedKey = ApiKey & {
  key: Secret;
  rotated_at: string;
  effective_at: string | null;
  lapses_at: string | null;
};

/** `grace`: seconds for which the old secret works after the first use of the new one. Default: 0, it ends at once. */
export interface Rotation {
  grace?: number;
  /** For agent keys: end the old secret as soon as every known host has moved. */
  finish_with_last_host?: boolean;
}

/** No request that starts after `effective_at` is accepted. */
export interface Revocation {
  id: string;
  revoked_at: string;
  effective_at: string;
}

export interface KeyFilters {
  status?: Status;
  kind?: Kind;
  environment?: Environment;
  organization_id?: string;
  /** `me`, or `usr_…`. */
  owner?: string;
  /** Part of the name. */
  q?: string;
  /** Keys per page, 1 to 100. */
  limit?: number;
}

export interface Usage {
  key_id: string;
  key_name: string;
  usage: {
    total_requests: number;
    requests_24h: number;
    requests_7d: number;
    requests_30d: number;
    error_count: number;
    /** Percent. */
    error_rate: number;
  };
  last_used: string | null;
  top_endpoints: { endpoint: string; count: number }[];
  daily_usage: { date: string; requests: number; error_count: number }[];
  denials: { reason: string; count: number }[];
  secrets: {
    id: string;
    mask: string;
    state: SecretState;
    created_at: string;
    activated_at: string | null;
    lapses_at: string | null;
    retired_at: string | null;
    total_requests: number;
    requests_24h: number;
  }[];
  /** Periods in which some requests were not recorded. */
  incomplete: { since: string; until: string }[];
}

export interface Whoami {
  /** Null for an access token. */
  key_id: string | null;
  /** The application (`app_…`) of an access token; null for a key. */
  application_id: string | null;
  name: string;
  kind: Kind;
  environment: Environment;
  organization: { id: string; name: string; slug: string };
  owner: Owner | null;
  scopes: string[];
  expires_at: string | null;
  limits: {
    limit: string;
    quota: number;
    window_seconds: number;
    remaining: number;
    resets_in_seconds: number;
  }[];
}

/** All filters are optional. `q` searches the text fields; the others match exactly. */
export interface ActivityFilters {
  since?: string | Date;
  until?: string | Date;
  actor?: string;
  action?: string;
  database?: string;
  object?: string;
  success?: boolean;
  client_ip?: string;
  q?: string;
  /** Events per page, 1 to 1,000. */
  limit?: number;
}

export interface EventDetails {
  action_name?: string;
  server_principal_name?: string;
  database_principal_name?: string;
  server_instance_name?: string;
  database_name?: string;
  schema_name?: string;
  object_name?: string;
  application_name?: string;
  host_name?: string;
  client_ip?: string;
  session_id?: string;
  statement?: string;
  additional_information?: string;
}

export interface AgentEvent extends EventDetails {
  /** A UUID. Send the same one when you resend the event. */
  event_id: string;
  event_time: string | Date;
  host: string;
  action_id: string;
  succeeded: boolean;
}

export interface ActivityEvent extends Required<EventDetails> {
  /** `evt_…` */
  id: string;
  event_id: string;
  event_time: string;
  host: string;
  action_id: string;
  succeeded: boolean;
  received_at: string;
}

export interface BatchOutcome {
  accepted: number;
  duplicate: number;
  rejected: Rejection[];
}

export interface Rejection {
  index: number;
  code: string;
  field: string;
  detail: string;
}

export interface AgentConfiguration {
  version: number;
  heartbeat_interval_seconds: number;
  batch_size: number;
  /** Action ids to collect; empty for all. */
  actions: string[];
  include_objects: string[];
  exclude_objects: string[];
}

export interface Heartbeat {
  host: string;
  version: string;
  configuration_version?: number | null;
  queue_depth?: number | null;
}

export interface HeartbeatAnswer {
  configuration_version: number;
  heartbeat_interval_seconds: number;
  rotating_out: boolean;
  /** Null until the new secret was used. */
  rotating_out_at: string | null;
}

export interface ErrorFacts {
  status?: number | null;
  requestId?: string | null;
  retryAfter?: number | null;
  errors?: Record<string, string[]> | null;
  problem?: Record<string, unknown> | null;
}

export declare class KeywayError extends Error {
  constructor(code: string, detail: string, facts?: ErrorFacts);
  /** Stable. A code of Keyway's error table, or `not_configured`, `no_answer`, `timeout` or `unexpected_answer`. */
  readonly code: string;
  readonly detail: string;
  /** Null if there was no answer. */
  readonly status: number | null;
  /** Identifies the request in Keyway's log. Quote it to the operator. */
  readonly requestId: string | null;
  /** Seconds. */
  readonly retryAfter: number | null;
  /** Messages by field. */
  readonly errors: Record<string, string[]> | null;
  /** The whole answer (RFC 9457). */
  readonly problem: Record<string, unknown> | null;
}

/** An option is missing or invalid. Nothing was sent. */
export declare class ConfigurationError extends KeywayError {
  constructor(detail: string);
}
/** No answer arrived. Unless `neverSent`, the call may have been carried out. */
export declare class ConnectionError extends KeywayError {
  constructor(detail: string, neverSent: boolean, code?: string);
  readonly neverSent: boolean;
}
export declare class TimeoutError extends ConnectionError {
  constructor(timeout: number);
}
/** The response is not Keyway's: a proxy's page, a redirect. Its status says nothing about the key. */
export declare class UnexpectedAnswerError extends KeywayError {
  constructor(detail: string, facts: ErrorFacts);
}
/** 401 */
export declare class AuthenticationError extends KeywayError {}
/** 403 */
export declare class PermissionDeniedError extends KeywayError {}
export declare class InsufficientScopeError extends PermissionDeniedError {}
/** 404 */
export declare class NotFoundError extends KeywayError {}
/** 409 */
export declare class ConflictError extends KeywayError {}
export declare class AlreadyRevokedError extends ConflictError {}
/** The request is invalid: 400, 413, 415… */
export declare class BadRequestError extends KeywayError {}
/** 422; see `errors`. */
export declare class ValidationError extends BadRequestError {}
export declare class IdempotencyKeyReusedError extends ValidationError {}
/** 429, after the retries */
export declare class RateLimitedError extends KeywayError {}
/** 503, after the retries */
export declare class UnavailableError extends KeywayError {}
/** 500 */
export declare class InternalError extends KeywayError {}
