"""The OpenAPI description of the whole API.

Descriptions of the key operations (`keys`), of endpoints outside Django REST framework (`plain`),
their examples (`examples`), and the hooks that add credentials and problems (`hooks`).
"""
