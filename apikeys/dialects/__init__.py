"""Other products' addresses and field names, over Keyway's own services.

`ascend` has the key management of ASCEND's guide, and `dbaudit` the base address of DB Audit's API.
Neither accepts a browser session. docs/dialects.md maps both to Keyway's API.
"""
