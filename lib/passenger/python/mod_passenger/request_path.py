"""The path of a request."""

from urllib.parse import unquote_to_bytes


def decoded(path):
    """The bytes of a path from httpd's variables. `%2F` stays. httpd's access rules have seen it so
    (AllowEncodedSlashes NoDecode), or the application is to see it (PassengerAllowEncodedSlashes).
    """
    text = path.encode("latin-1")
    return unquote_to_bytes(text.replace(b"%2F", b"%252F").replace(b"%2f", b"%252f"))
