"""Helper modules that assert. Rewritten like tests, so that a failure shows what was compared."""

import pytest

pytest.register_assert_rewrite("tests.browser", "tests.servers", "tests.wsgi")
