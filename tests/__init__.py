"""Modules of the tests that assert without being tests: what they compared is told when it does not hold."""

import pytest

pytest.register_assert_rewrite("tests.browser", "tests.servers", "tests.wsgi")
