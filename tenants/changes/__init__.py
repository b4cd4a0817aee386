"""How a change that takes access away becomes effective in every process.

`leases` bounds how long a process may reuse what it read (`Leases`, `register`) and lets a change
wait until every lease has ended (`end`, `one_wait`). `middleware` waits once per response.
"""
