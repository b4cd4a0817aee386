"""Organizations, users, memberships and roles, and what belongs to them.

`models` and `roles` define them, `access.enter` is the only way into an organization, and
`services` makes every change. `sign_in` identifies users, `agents` looks after agents, and
`changes` makes revocation effective in every process.
"""
