"""Django settings. Reads every deploy-time value, once.

docs/configuration.md lists them all, and a test keeps the list complete.
"""

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ

from config.lib import database, logs, redis_options
from config.lib.peppers import parse_peppers
from config.lib.rates import parse_rate

# Lets forms and admin classes name their model at run time, as in ModelForm[User].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
ENV_FILE = env.path("KEYWAY_ENV_FILE", default=str(BASE_DIR / "var" / "keyway.env"))
if Path(ENV_FILE).is_file():
    env.read_env(ENV_FILE)

# --- the installation ---------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
KEYWAY_URL = env.str("KEYWAY_URL", default="https://localhost")
SECURE = urlsplit(KEYWAY_URL).scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[urlsplit(KEYWAY_URL).hostname or "localhost"])
CSRF_TRUSTED_ORIGINS = [KEYWAY_URL.rstrip("/")]

INSTALLED_APPS = [
    "apikeys",
    "tenants",
    "audit",
    "audit.outbox",
    "config.lib.worker",
    "config.apps.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "oauth2_provider",
    "apikeys.oauth",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

# One list for pages and API calls. The ones from config.pages.skip do nothing for API calls.
MIDDLEWARE = [
    "config.serving.metrics.MetricsMiddleware",
    "apikeys.api.middleware.UsageMiddleware",
    "apikeys.api.middleware.RateLimitMiddleware",
    "config.serving.api_headers.ApiHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.pages.skip.StaticFiles",
    "config.pages.skip.ContentSecurityPolicy",
    "config.pages.skip.LibraryMethods",
    "tenants.changes.middleware.LeaseMiddleware",
    "config.pages.skip.Session",
    "config.pages.skip.Common",
    # Django and allauth look for these three by name. They cost an API call next to nothing.
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.pages.skip.Authentication",
    "config.pages.skip.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.TimeZoneMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.shell.shell",
            ],
            "builtins": ["django.contrib.humanize.templatetags.humanize"],
        },
    },
]

# --- database -----------------------------------------------------------------------------------
STATEMENT_TIMEOUT_MS = env.int("KEYWAY_STATEMENT_TIMEOUT_MS", default=5000)
DATABASES = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'keyway.sqlite3'}")
}
DATABASES["default"]["ENGINE"] = database.engine(DATABASES["default"]["ENGINE"])
# One connection for each request thread, two to renew leases, two to spare. The worker needs more.
DATABASE_POOL = env.int("KEYWAY_DATABASE_POOL", default=env.int("KEYWAY_THREADS", default=4) + 4)
DATABASES["default"]["OPTIONS"] = DATABASES["default"].get("OPTIONS", {}) | database.options(
    DATABASES["default"]["ENGINE"], STATEMENT_TIMEOUT_MS, DATABASE_POOL
)

# Redis is optional. Without it, and during an outage, each process counts its share of every limit.
REDIS_URL = env.str("REDIS_URL", default="")
KEYWAY_REDIS_WAIT_MS = env.int("KEYWAY_REDIS_WAIT_MS", default=20)
KEYWAY_PROCESSES = env.int("KEYWAY_PROCESSES", default=env.int("WEB_CONCURRENCY", default=2))
if REDIS_URL:
    CACHES = {"default": redis_options.cache(REDIS_URL, KEYWAY_REDIS_WAIT_MS / 1000)}

# --- people signing in --------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
ACCOUNT_ADAPTER = "tenants.sign_in.adapter.AccountAdapter"
SIGN_IN_RATE = parse_rate("KEYWAY_LIMIT_SIGN_IN", env.str("KEYWAY_LIMIT_SIGN_IN", default="30/m"))
ACCOUNT_RATE_LIMITS = {
    "login": SIGN_IN_RATE
    and SIGN_IN_RATE.share(1 if REDIS_URL else KEYWAY_PROCESSES).for_allauth("ip")
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("KEYWAY_RECENT_SIGN_IN_SECONDS", default=300)
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Keyway] "
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Keyway"
# Safe because sign-up is closed: no one can put a second factor on another person's address.
MFA_ALLOW_UNVERIFIED_EMAIL = True
USERSESSIONS_TRACK_ACTIVITY = False
USERSESSIONS_ADAPTER = "tenants.sign_in.adapter.UserSessionsAdapter"

SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_NAME = "__Host-keyway" if SECURE else "keyway"
CSRF_COOKIE_NAME = "__Host-keyway-csrf" if SECURE else "keyway-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.pages.errors.csrf_failure"

# Email goes to the outbox with the change that causes it; the worker sends it to EMAIL_URL.
EMAIL_CONFIG = env.email("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
KEYWAY_EMAIL_TRANSPORT = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_BACKEND = "audit.outbox.backend.OutboxBackend"
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Keyway <keyway@localhost>")

# --- browsers -----------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Origins whose pages may call the API. See config.serving.cors.
KEYWAY_CORS_ORIGINS = env.list("KEYWAY_CORS_ORIGINS", default=[])
KEYWAY_TRUSTED_PROXIES = env.int("KEYWAY_TRUSTED_PROXIES", default=0)
if KEYWAY_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The format is Django 6's, which replaces config.pages.csp at the next LTS. Start from 'none' and
# allow single sources, so that a forgotten one stays blocked.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}

STATIC_URL = "/static/"
STATIC_ROOT = env.path("KEYWAY_STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

# --- the API ------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apikeys.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apikeys.api.permissions.IsCredential"],
    "DEFAULT_RENDERER_CLASSES": ["config.lib.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.lib.renderers.FastContentNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apikeys.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS responds 405; the public schema says more
    "URL_FORMAT_OVERRIDE": None,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
SPECTACULAR_SETTINGS = {
    "TITLE": "Keyway API",
    "DESCRIPTION": (
        "Send a key in the `X-API-Key` header. "
        "Errors are `application/problem+json` with a stable `code`."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/keyway/favicon.svg",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"key_id": {"type": "string", "pattern": "^key_[0-9a-z]{26}$"}},
    "POSTPROCESSING_HOOKS": ["apikeys.api.schema.hooks.complete"],
}

# --- keys ---------------------------------------------------------------------------------------
KEYWAY_PEPPERS = parse_peppers(env.str("KEYWAY_PEPPERS", default=""))
KEYWAY_AGENT_KEY_PREFIX = env.str("KEYWAY_AGENT_KEY_PREFIX", default="ak")
KEYWAY_PUBLIC_KEY_PREFIX = env.str("KEYWAY_PUBLIC_KEY_PREFIX", default="sk")
KEYWAY_SCOPES = env.json("KEYWAY_SCOPES", default=[])
KEYWAY_ARGON2_MEMORY_KIB = env.int("KEYWAY_ARGON2_MEMORY_KIB", default=19456)
KEYWAY_ARGON2_TIME_COST = env.int("KEYWAY_ARGON2_TIME_COST", default=2)
KEYWAY_LEASE_MS = env.int("KEYWAY_LEASE_MS", default=250)
KEYWAY_HASH_WAIT_MS = env.int("KEYWAY_HASH_WAIT_MS", default=2000)

# --- user tokens --------------------------------------------------------------------------------
KEYWAY_SIGNING_KEYS = env.str("KEYWAY_SIGNING_KEYS", default="")
KEYWAY_REFRESH_TOKEN_DAYS = env.int("KEYWAY_REFRESH_TOKEN_DAYS", default=14)
KEYWAY_SIGN_IN_DAYS = env.int("KEYWAY_SIGN_IN_DAYS", default=30)

# --- OAuth --------------------------------------------------------------------------------------
KEYWAY_OAUTH_TOKEN_SECONDS = env.int("KEYWAY_OAUTH_TOKEN_SECONDS", default=3600)
KEYWAY_OAUTH_REFRESH_DAYS = env.int("KEYWAY_OAUTH_REFRESH_DAYS", default=30)
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth.Application"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth.AccessToken"  # noqa: S105  a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth.RefreshToken"  # noqa: S105
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth.IDToken"  # noqa: S105
OAUTH2_PROVIDER_GRANT_MODEL = "oauth.Grant"
# Switches off what the toolkit allows for backward compatibility only (RFC 9700). In addition,
# apikeys.oauth.server supports no grants but Keyway's, and apikeys.oauth.validator stores keyed
# hashes.
OAUTH2_PROVIDER = {
    "OAUTH2_VALIDATOR_CLASS": "apikeys.oauth.validator.Validator",
    "OIDC_ISS_ENDPOINT": KEYWAY_URL.rstrip("/"),
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "PKCE_REQUIRED": True,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ACCESS_TOKEN_EXPIRE_SECONDS": KEYWAY_OAUTH_TOKEN_SECONDS,
    "REFRESH_TOKEN_EXPIRE_SECONDS": KEYWAY_OAUTH_REFRESH_DAYS * 24 * 3600,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}

# --- limits -------------------------------------------------------------------------------------
KEYWAY_LIMITS = {
    "key": parse_rate("KEYWAY_LIMIT_KEY", env.str("KEYWAY_LIMIT_KEY", default="6000/m")),
    "application": parse_rate(
        "KEYWAY_LIMIT_APPLICATION", env.str("KEYWAY_LIMIT_APPLICATION", default="6000/m")
    ),
    "user": parse_rate("KEYWAY_LIMIT_USER", env.str("KEYWAY_LIMIT_USER", default="1200/m")),
    "organization": parse_rate(
        "KEYWAY_LIMIT_ORGANIZATION", env.str("KEYWAY_LIMIT_ORGANIZATION", default="30000/m")
    ),
    "refused": parse_rate("KEYWAY_LIMIT_REFUSED", env.str("KEYWAY_LIMIT_REFUSED", default="60/m")),
    "issue": parse_rate("KEYWAY_LIMIT_ISSUE", env.str("KEYWAY_LIMIT_ISSUE", default="10/m")),
    "refresh": parse_rate("KEYWAY_LIMIT_REFRESH", env.str("KEYWAY_LIMIT_REFRESH", default="10/m")),
}

# --- usage --------------------------------------------------------------------------------------
KEYWAY_SPOOL = env.str("KEYWAY_SPOOL", default=str(BASE_DIR / "var" / "spool"))
KEYWAY_SPOOL_BYTES = env.int("KEYWAY_SPOOL_BYTES", default=1024**3)
KEYWAY_USAGE_WHEN_FULL = env.str("KEYWAY_USAGE_WHEN_FULL", default="block")
KEYWAY_USAGE_RETENTION_DAYS = env.int("KEYWAY_USAGE_RETENTION_DAYS", default=90)

# --- operators ----------------------------------------------------------------------------------
KEYWAY_METRICS_TOKEN = env.str("KEYWAY_METRICS_TOKEN", default="")

# --- log ----------------------------------------------------------------------------------------
LOGGING = logs.configuration(
    level=env.str("KEYWAY_LOG_LEVEL", default="INFO"),
    form=env.str("KEYWAY_LOG_FORMAT", default="json"),
)
logs.close_side_doors()
