"""The scope with which an ASGI application is called."""

import copy

from .request_path import decoded

# From 2.4 on Starlette's streams wait for no http.disconnect. They notice only at their next send()
# that the client has left, which may be never.
_SPEC_VERSIONS = {"http": "2.3", "websocket": "2.4", "lifespan": "2.0"}
ASGI = {kind: {"version": "3.0", "spec_version": version} for kind, version in _SPEC_VERSIONS.items()}
_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/2.0": "2"}
# Names of header fields by the names of variables. The limit is for clients that make names up.
_header_names = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_NAMES_KEPT = 512


def scope_of(environment, kind, state):
    """The scope of a request or of a WebSocket, from the variables that the httpd child has made.

    The path includes the root path, as the specification demands."""
    headers = []
    for name, value in environment.items():
        known = _header_names.get(name)
        if known is None:
            if not name.startswith("HTTP_") or name == "HTTP_TRANSFER_ENCODING":
                continue
            known = name[5:].replace("_", "-").lower().encode("latin-1")
            if len(_header_names) < _NAMES_KEPT:
                _header_names[name] = known
        headers.append((known, value.encode("latin-1")))
    get = environment.get
    path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
    port = get("REMOTE_PORT", "0")
    scope = {
        "type": kind,
        "asgi": dict(ASGI[kind]),
        "http_version": _VERSIONS.get(get("SERVER_PROTOCOL"), "1.1"),
        "scheme": "https" if get("HTTPS") == "on" else "http",
        "path": _text(path),
        "raw_path": path.encode("latin-1"),
        "query_string": get("QUERY_STRING", "").encode("latin-1"),
        "root_path": _text(get("SCRIPT_NAME", "")),
        "headers": headers,
        "client": (get("REMOTE_ADDR", ""), int(port) if port.isdigit() else 0),
        "server": (get("SERVER_NAME", ""), int(get("SERVER_PORT", "80"))),
        "extensions": {},
    }
    identifier = get("PASSENGER_REQUEST_ID")
    if identifier:
        scope["extensions"]["passenger"] = {"request_id": identifier}
    if state is not None:
        scope["state"] = copy.copy(state)
    return scope


def _text(path):
    return decoded(path).decode("utf-8", "replace")
