"""User tokens: short-lived access tokens and single-use refresh tokens, as signed JWTs.

`services` signs in, refreshes, authenticates and signs out. `token` signs and verifies a `Token`
without a database. `models` stores each sign-in (`TokenFamily`) and its refresh tokens.
"""
