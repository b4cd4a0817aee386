"""Who may do what: every address and method, tried by every guise. test_access_table enforces it.

How to read a row: the method, the address, then one letter for each guise. The ruler above each
table gives the guises' initials by kind of credential, and ANSWERS the meaning of the letters. BOTH
stands for GET and POST. A method without a row is refused to every guise.

    #                               none  session  token
    #                               -     oamusx   oamusx
    GET  /api/v1/api-keys/{script}  k     ++++nn   ++++nn

says that without a credential the answer is 401 missing_key, that an owner, admin, member and
auditor may read the key with a browser session or a user token, and that staff and outsiders get
404.

In addresses, {script} is a public key of bob's, who is a member, and {agent} is an agent key.
"""

ANSWERS = {
    "+": "yes",
    "~": "redirect",
    ">": "sign in",
    "x": "403",
    "-": "404",
    "m": "405",
    "n": "404 not_found",
    "k": "401 missing_key",
    "t": "401 missing_token",
    "s": "403 insufficient_scope",
    "w": "403 wrong_key_type",
    "z": "403 wrong_organization",
    "o": "403 not_key_owner",
    "p": "403 stronger_than_issuer",
    "f": "403 forbidden",
    "u": "415 unsupported_media_type",
    "r": "400 invalid_request",
}
# Initials of the ruler: owner, admin, member, auditor (u), staff, outsider (x).
PEOPLE = {
    "o": "owner",
    "a": "admin",
    "m": "member",
    "u": "auditor",
    "s": "staff",
    "x": "outsider",
}
NONE = {"-": "anonymous"}
SESSIONS = {initial: f"session {name}" for initial, name in PEOPLE.items()}
# Kinds of credential, each with its guises by initial, in the order of the columns.
API_COLUMNS = {
    "none": NONE,
    "session": SESSIONS,
    "token": {initial: f"token {name}" for initial, name in PEOPLE.items()},
    "agent": {"a": "agent", "x": "outsider's agent"},
    "key": {
        "r": "reading key",
        "w": "key without the scope",
        "a": "admin's managing key",
        "m": "member's managing key",
        "x": "outsider's key",
    },
    "application": {
        "r": "reading application",
        "w": "application without the scope",
        "x": "outsider's application",
    },
}
# Pages ignore the credentials of programs, so that two of them are enough.
PAGE_COLUMNS = {
    "none": NONE,
    "session": SESSIONS,
    "program": {"t": "token admin", "k": "admin's managing key"},
}


def guises_of(columns: dict[str, dict[str, str]]) -> list[str]:
    """The guises in the order of a row's letters."""
    return [guise for group in columns.values() for guise in group.values()]


# Bodies of requests that need one to get past validation.
BODIES = {
    "POST /api/v1/api-keys": (
        '{"name": "New", "scopes": ["read:audit-activity"], "organization_id": "ORGANIZATION"}'
    ),
    "POST /api/keys/generate": '{"name": "New"}',
    "PATCH /api/v1/api-keys/{script}": '{"name": "Renamed"}',
    "PATCH /api/v1/api-keys/{agent}": '{"name": "Renamed"}',
    "PATCH /api/v1/organizations/{organization_id}/key-rules": '{"longest_days": 90}',
    "POST /api/v1/agent/heartbeat": '{"host": "h", "version": "1"}',
    "POST /api/v1/agent/events": (
        '[{"event_id": "0199f3a2-7c31-7d6e-9a44-2f1b7c0de001", "host": "h", "action_id": "SL",'
        ' "event_time": "2026-01-15T10:00:00Z", "succeeded": true}]'
    ),
}

API = """
#                                               none  session  token   agent  key    application
#                                               -     oamusx   oamusx  ax     rwamx  rwx
GET    /.well-known/jwks.json                   +     ++++++   ++++++  ++     +++++  +++
GET    /.well-known/oauth-authorization-server  +     ++++++   ++++++  ++     +++++  +++
GET    /api/v1/agent/config                     k     kkkkkk   wwwwzw  ++     wwwww  www
POST   /api/v1/agent/events                     k     kkkkkk   wwwwzw  ++     wwwww  www
POST   /api/v1/agent/heartbeat                  k     kkkkkk   wwwwzw  ++     wwwww  www
GET    /api/v1/api-keys                         k     ++++++   ++++++  ww     ss+++  sss
POST   /api/v1/api-keys                         k     +++ffn   +++ffn  ww     ss++n  sss
GET    /api/v1/api-keys/{script}                k     ++++nn   ++++nn  ww     ss++n  sss
PATCH  /api/v1/api-keys/{script}                k     +++onn   +++onn  ww     ss++n  sss
DELETE /api/v1/api-keys/{script}                k     +++onn   +++onn  ww     ss++n  sss
POST   /api/v1/api-keys/{script}/rotate         k     +++onn   +++onn  ww     ss++n  sss
GET    /api/v1/api-keys/{script}/usage          k     ++++nn   ++++nn  ww     ss++n  sss
GET    /api/v1/api-keys/{agent}                 k     ++o++n   ++o++n  ww     ss+on  sss
PATCH  /api/v1/api-keys/{agent}                 k     ++oo+n   ++oo+n  ww     sspon  sss
DELETE /api/v1/api-keys/{agent}                 k     ++oo+n   ++oo+n  ww     sspon  sss
POST   /api/v1/api-keys/{agent}/rotate          k     ++oo+n   ++oo+n  ww     sspon  sss
GET    /api/v1/api-keys/{agent}/usage           k     ++o++n   ++o++n  ww     ss+on  sss
GET    /api/v1/key-requests                     k     ++++++   ++++++  ww     ss+++  sss
GET    /api/v1/key-requests/{request_id}        k     ++++nn   ++++nn  ww     ssn+n  sss
POST   /api/v1/key-requests/{request_id}/collect  t   nn+nnn   nn+nnn  tt     ttttt  ttt
GET    /api/v1/organizations/{organization_id}/key-rules  t  ++f+fn  ++f+fn  tt  ttttt  ttt
PATCH  /api/v1/organizations/{organization_id}/key-rules  t  ++fffn  ++fffn  tt  ttttt  ttt
POST   /api/v1/auth/login                       u     uuuuuu   uuuuuu  uu     uuuuu  uuu
POST   /api/v1/auth/refresh                     u     uuuuuu   uuuuuu  uu     uuuuu  uuu
POST   /api/v1/auth/logout                      t     tttttt   ++++++  tt     ttttt  ttt
GET    /api/v1/auth/me                          t     tttttt   ++++++  tt     ttttt  ttt
GET    /api/v1/public/audit-activity            k     kkkkkk   +++sz+  ww     +s+++  +s+
GET    /api/v1/schema                           +     ++++++   ++++++  ++     +++++  +++
GET    /api/v1/verify                           k     kkkkkk   ++++z+  ++     +++++  +++
GET    /api/v1/whoami                           k     kkkkkk   ++++z+  ++     +++++  +++
POST   /api/keys/generate                       k     kkkkkk   ++fff+  ww     ss+f+  sss
GET    /api/keys/list                           k     kkkkkk   ++++++  ww     ss+++  sss
GET    /api/keys/{script}/usage                 k     kkkkkk   ++++nn  ww     ss++n  sss
GET    /api/keys/{agent}/usage                  k     kkkkkk   ++o++n  ww     ss+on  sss
DELETE /api/keys/{script}/revoke                k     kkkkkk   +++onn  ww     ss++n  sss
DELETE /api/keys/{agent}/revoke                 k     kkkkkk   ++oo+n  ww     sspon  sss
POST   /v1/auth/login                           u     uuuuuu   uuuuuu  uu     uuuuu  uuu
POST   /v1/auth/refresh                         u     uuuuuu   uuuuuu  uu     uuuuu  uuu
POST   /oauth/token                             r     rrrrrr   rrrrrr  rr     rrrrr  rrr
POST   /oauth/revoke                            r     rrrrrr   rrrrrr  rr     rrrrr  rrr
POST   /oauth/introspect                        r     rrrrrr   rrrrrr  rr     rrrrr  rrr
GET    /healthz                                 +     ++++++   ++++++  ++     +++++  +++
GET    /readyz                                  +     ++++++   ++++++  ++     +++++  +++
GET    /metrics                                 -     ------   ------  --     -----  ---
"""

PAGES = """
#                                                      none  session  program
#                                                      -     oamusx   tk
GET  /                                                 >     ~~~~~~   >>
GET  /administration/organizations/                    >     xxxx+x   >>
BOTH /administration/organizations/new/                >     xxxx+x   >>
BOTH /administration/organizations/{slug}/rename/      >     xxxx+x   >>
BOTH /administration/organizations/{slug}/domain/      >     xxxx+x   >>
BOTH /administration/organizations/{slug}/suspend/     >     xxxx+x   >>
BOTH /administration/organizations/{slug}/resume/      >     xxxx+x   >>
GET  /administration/tenant-agents/                    >     ++x+++   >>
GET  /docs/api/                                        +     ++++++   ++
GET  /docs/errors/                                     +     ++++++   ++
BOTH /hand-overs/{hand_over_id}/accept/                >     ++----   >>
POST /hand-overs/{hand_over_id}/decline/               >     ++----   >>
GET  /keys/{script}/                                   >     ++++--   >>
BOTH /keys/{script}/edit/                              >     +++x--   >>
BOTH /keys/{script}/hand-over/                         >     +++x--   >>
POST /keys/{script}/hand-over/withdraw/                >     +++x--   >>
BOTH /keys/{script}/pause/                             >     +++x--   >>
BOTH /keys/{script}/resume/                            >     +++x--   >>
BOTH /keys/{script}/revoke/                            >     +++x--   >>
GET  /keys/{script}/usage/                             >     ++++--   >>
GET  /keys/{agent}/                                    >     ++x++-   >>
BOTH /keys/{agent}/edit/                               >     ++xx+-   >>
BOTH /keys/{agent}/hand-over/                          >     ++xx+-   >>
POST /keys/{agent}/hand-over/withdraw/                 >     ++xx+-   >>
BOTH /keys/{agent}/pause/                              >     ++xx+-   >>
BOTH /keys/{agent}/resume/                             >     ++xx+-   >>
BOTH /keys/{agent}/revoke/                             >     ++xx+-   >>
GET  /keys/{agent}/usage/                              >     ++x++-   >>
BOTH /keys/{agent}/rotate/                             >     ++xx+-   >>
BOTH /keys/{script}/rotate/                            >     +++x--   >>
BOTH /keys/{script}/secrets/{secret_id}/end/           >     +++x--   >>
GET  /o/{slug}/                                        >     ++++x-   >>
GET  /o/{slug}/activity/                               >     ++++x-   >>
GET  /o/{slug}/activity/{event_id}/                    >     ++++x-   >>
GET  /o/{slug}/agents/                                 >     ++x++-   >>
GET  /o/{slug}/agents/api-keys/                        >     ++x++-   >>
BOTH /o/{slug}/agents/api-keys/new/                    >     ++xx+-   >>
BOTH /o/{slug}/agents/api-keys/{key_id}/delete/        >     ++xx+-   >>
GET  /o/{slug}/agents/configuration/                   >     ++x++-   >>
POST /o/{slug}/agents/configuration/                   >     ++xx+-   >>
GET  /o/{slug}/applications/                           >     ++xxx-   >>
BOTH /o/{slug}/applications/new/                       >     ++xxx-   >>
BOTH /o/{slug}/applications/{application_id}/          >     ++xxx-   >>
BOTH /o/{slug}/applications/{application_id}/delete/   >     ++xxx-   >>
BOTH /o/{slug}/applications/{application_id}/disable/  >     ++xxx-   >>
BOTH /o/{slug}/applications/{application_id}/enable/   >     ++xxx-   >>
BOTH /o/{slug}/applications/{application_id}/secret/   >     ++xxx-   >>
GET  /o/{slug}/audit-log/                              >     ++x+x-   >>
GET  /o/{slug}/key-requests/                           >     ++++x-   >>
GET  /o/{slug}/key-requests/{request_id}/              >     ++++x-   >>
BOTH /o/{slug}/key-requests/{request_id}/approve/      >     ++xxx-   >>
BOTH /o/{slug}/key-requests/{request_id}/collect/      >     --+-x-   >>
BOTH /o/{slug}/key-requests/{request_id}/refuse/       >     ++xxx-   >>
GET  /o/{slug}/settings/key-rules/                     >     ++x+x-   >>
POST /o/{slug}/settings/key-rules/                     >     ++xxx-   >>
GET  /o/{slug}/members/                                >     ++x+x-   >>
BOTH /o/{slug}/members/add/                            >     ++xxx-   >>
BOTH /o/{slug}/members/{membership_id}/deactivate/     >     ++xxx-   >>
BOTH /o/{slug}/members/{membership_id}/reactivate/     >     ++xxx-   >>
BOTH /o/{slug}/members/{membership_id}/remove/         >     ++xxx-   >>
BOTH /o/{slug}/members/{membership_id}/role/           >     ++xxx-   >>
BOTH /o/{slug}/settings/notifications/                 >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/new/                  >     ++xxx-   >>
GET  /o/{slug}/settings/webhooks/{webhook_id}/         >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/{webhook_id}/edit/    >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/{webhook_id}/secret/  >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/{webhook_id}/disable/ >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/{webhook_id}/enable/  >     ++xxx-   >>
BOTH /o/{slug}/settings/webhooks/{webhook_id}/delete/  >     ++xxx-   >>
POST /o/{slug}/settings/webhooks/{webhook_id}/test/    >     ++xxx-   >>
POST /o/{slug}/settings/webhooks/{webhook_id}/{delivery_id}/redeliver/ >     ++xxx-   >>
GET  /o/{slug}/settings/                               >     ++++x-   >>
POST /o/{slug}/settings/                               >     ++xxx-   >>
GET  /o/{slug}/settings/api-keys/                      >     ++++x-   >>
BOTH /o/{slug}/settings/api-keys/new/                  >     +++xx-   >>
GET  /o/{slug}/settings/api-keys/pause/                >     ~~~~x-   >>
POST /o/{slug}/settings/api-keys/pause/                >     ++++x-   >>
GET  /o/{slug}/settings/api-keys/revoke/               >     ~~~~x-   >>
POST /o/{slug}/settings/api-keys/revoke/               >     ++++x-   >>
BOTH /oauth/authorize                                  >     ++++++   >>
BOTH /profile/                                         >     ++++++   >>
BOTH /profile/api-keys/new/                            >     +++xx+   >>
BOTH /profile/applications/{application_id}/withdraw/  >     ------   >>
GET  /o/{slug}/single-sign-on/                          >     +xxxx-   >>
BOTH /o/{slug}/single-sign-on/provider/                 >     +xxxx-   >>
BOTH /o/{slug}/single-sign-on/provider/remove/          >     +xxxx-   >>
BOTH /o/{slug}/single-sign-on/domains/add/              >     +xxxx-   >>
BOTH /o/{slug}/single-sign-on/domains/{domain_id}/      >     +xxxx-   >>
BOTH /o/{slug}/single-sign-on/domains/{domain_id}/remove/ >     +xxxx-   >>
BOTH /profile/notifications/                           >     ++++++   >>
POST /profile/programs/{family_id}/sign-out/           >     --+---   >>
POST /profile/sessions/{session_id}/sign-out/          >     --+---   >>
"""

# allauth's pages. They show users their own account only, so that roles make no difference. Changes
# to how someone signs in ask for a recent sign-in. None of the cast has a second factor, and the
# sign-up page only says that accounts are by invitation.
ACCOUNTS = """
#                                                  none  session  program
#                                                  -     oamusx   tk
GET  /accounts/2fa/                                >     ++++++   >>
GET  /accounts/2fa/authenticate/                   >     ~~~~~~   >>
POST /accounts/2fa/authenticate/                   >     ++++++   >>
BOTH /accounts/2fa/reauthenticate/                 >     >>>>>>   >>
GET  /accounts/2fa/recovery-codes/                 >     ------   >>
BOTH /accounts/2fa/recovery-codes/download/        >     ------   >>
BOTH /accounts/2fa/recovery-codes/generate/        >     >>>>>>   >>
BOTH /accounts/2fa/totp/activate/                  >     >>>>>>   >>
BOTH /accounts/2fa/totp/deactivate/                >     ------   >>
GET  /accounts/confirm-email/                      +     ++++++   ++
GET  /accounts/confirm-email/{key}/                +     ++++++   ++
POST /accounts/confirm-email/{key}/                -     ------   --
GET  /accounts/email/                              ~     ~~~~~~   ~~
POST /accounts/email/                              +     ++++++   ++
GET  /accounts/inactive/                           +     ++++++   ++
GET  /accounts/login/                              +     ~~~~~~   ++
POST /accounts/login/                              +     ++++++   ++
GET  /accounts/login/code/confirm/                 >     ~~~~~~   >>
POST /accounts/login/code/confirm/                 >     ++++++   >>
GET  /accounts/logout/                             >     ++++++   >>
POST /accounts/logout/                             >     >>>>>>   >>
BOTH /accounts/password/change/                    >     ++++++   >>
BOTH /accounts/password/reset/                     +     ++++++   ++
GET  /accounts/password/reset/done/                +     ++++++   ++
GET  /accounts/password/reset/key/done/            +     ++++++   ++
BOTH /accounts/password/reset/key/{uidb36}-{key}/  +     ++++++   ++
GET  /accounts/password/set/                       >     ~~~~~~   >>
POST /accounts/password/set/                       >     ++++++   >>
BOTH /accounts/reauthenticate/                     >     ++++++   >>
BOTH /accounts/sessions/                           >     ++++++   >>
BOTH /accounts/sso/                                +     ++++++   ++
GET  /accounts/sso/{slug}/callback/                x     xxxxxx   xx
GET  /accounts/signup/                             +     ~~~~~~   ++
POST /accounts/signup/                             +     ++++++   ++
BOTH /accounts/signup/{key}/                       +     ++++++   ++
"""

# Platform staff can view everything here and cannot add, edit or delete anything.
ADMIN = """
#                                            none  session  program
#                                            -     oamusx   tk
BOTH /admin/                                 >     xxxx+x   >>
GET  /admin/autocomplete/                    >     xxxxxx   >>
GET  /admin/jsi18n/                          >     xxxx+x   >>
GET  /admin/login/                           >     xxxx~x   >>
POST /admin/login/                           >     xxxx+x   >>
POST /admin/logout/                          +     xxxx+x   ++
GET  /admin/password_change/                 >     xxxx~x   >>
POST /admin/password_change/                 >     xxxx+x   >>
BOTH /admin/{app_label}/                     >     xxxx+x   >>
BOTH /admin/{url}                            >     xxxx-x   >>
BOTH /admin/{model}/                         >     xxxx+x   >>
BOTH /admin/{model}/add/                     >     xxxxxx   >>
GET  /admin/{model}/{object_id}/             >     xxxx~x   >>
POST /admin/{model}/{object_id}/             >     xxxx+x   >>
GET  /admin/{model}/{object_id}/change/      >     xxxx+x   >>
POST /admin/{model}/{object_id}/change/      >     xxxxxx   >>
BOTH /admin/{model}/{object_id}/delete/      >     xxxxxx   >>
BOTH /admin/{model}/{object_id}/history/     >     xxxx+x   >>
"""
MODELS = (
    "apikeys/key", "audit/trailentry", "oauth/application", "outbox/message",
    "tenants/agent", "tenants/membership", "tenants/organization", "tenants/user",
)  # fmt: skip


def rows_of(text: str) -> dict[tuple[str, str], str]:
    """The letters of each method and address. BOTH and {model} make several rows of one."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {
        (method, address.replace("{model}", model)): "".join(letters)
        for methods, address, *letters in rows
        for method in (("GET", "POST") if methods == "BOTH" else (methods,))
        for model in (MODELS if "{model}" in address else ("",))
    }
