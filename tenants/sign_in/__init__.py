"""Signing in, in a browser or with tokens.

`recent` requires a recent sign-in before a sensitive change, `password.prove` checks a password and
second factor without a page, `adapter` configures allauth, `authentication` accepts user tokens in
the REST API, and `tokens` issues and revokes them.
"""
