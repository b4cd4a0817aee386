// import and require share one implementation, so that instanceof works across both.
import sdk from "./index.js";

export const {
  Keyway,
  Client,
  Listing,
  Page,
  Secret,
  KeywayError,
  ConfigurationError,
  ConnectionError,
  TimeoutError,
  UnexpectedAnswerError,
  AuthenticationError,
  PermissionDeniedError,
  InsufficientScopeError,
  NotFoundError,
  ConflictError,
  AlreadyRevokedError,
  BadRequestError,
  ValidationError,
  IdempotencyKeyReusedError,
  RateLimitedError,
  UnavailableError,
  InternalError,
} = sdk;
