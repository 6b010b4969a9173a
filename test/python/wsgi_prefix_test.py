"""Where Django finds the prefix of its links."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger.wsgi import _keep_prefix  # noqa: E402


def prefixes_of(environment):
    """As django.core.handlers.wsgi.get_script_name(), of older and of present versions."""
    url = environment.get("SCRIPT_URL") or environment.get("REDIRECT_URL")
    if not url:
        return {environment["SCRIPT_NAME"]}
    path = environment["PATH_INFO"]
    return {url[: -len(path)], url[: -len(path)] if url.endswith(path) else url}


class WsgiPrefixTest(unittest.TestCase):
    def assert_prefix(self, prefix, changed, **environment):
        before = dict(environment)
        _keep_prefix(environment)
        self.assertEqual({prefix}, prefixes_of(environment))
        self.assertEqual(changed, environment != before)

    def test_the_base_uri_itself(self):
        self.assert_prefix("/reader", True, SCRIPT_NAME="/reader", PATH_INFO="/", SCRIPT_URL="/reader")

    def test_an_error_document(self):
        self.assert_prefix("", True, SCRIPT_NAME="", PATH_INFO="/missing", REDIRECT_URL="/shop/articles/42")
        self.assert_prefix("", True, SCRIPT_NAME="", PATH_INFO="/missing", REDIRECT_URL="/shop/articles/42",
                           SCRIPT_URL="/shop/articles/42")
        self.assert_prefix("", True, SCRIPT_NAME="", PATH_INFO="/missing", REDIRECT_URL="/x")

    def test_a_url_that_mod_rewrite_has_changed(self):
        self.assert_prefix("", True, SCRIPT_NAME="", PATH_INFO="/new/x", SCRIPT_URL="/old/x")

    def test_a_right_prefix_stays(self):
        self.assert_prefix("/reader", False, SCRIPT_NAME="/reader", PATH_INFO="/1")
        self.assert_prefix("/reader", False, SCRIPT_NAME="/reader", PATH_INFO="/1", SCRIPT_URL="/reader/1")
        # The base URI is hidden by mod_rewrite.
        self.assert_prefix("", False, SCRIPT_NAME="/app", PATH_INFO="/x", REDIRECT_URL="/x")


if __name__ == "__main__":
    unittest.main()
