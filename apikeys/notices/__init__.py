"""Notices: events reported by email and by webhook.

A cause becomes one row of `Notice`, in the transaction of the change (`record`) or by a duty of
the worker that looks for it (`find`). A unique constraint keeps a second row of the same event
out. `spread` then turns each notice into messages of the outbox, once: emails for the people of
`audience`, in the words of `letters`, and a delivery for each webhook of its organization.
"""
