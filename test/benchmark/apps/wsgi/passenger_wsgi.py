"""A short answer, one that waits for 100 ms, and long bodies, by WSGI."""

import time

PIECE = b"x" * 65536
DOWN = 1024 * 1024 * 1024


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/down":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(DOWN))])
        return (PIECE for _ in range(DOWN // len(PIECE)))
    body = b"hello\n"
    if path == "/wait":
        time.sleep(0.1)
    elif path == "/up":
        body = str(sum(map(len, iter(lambda: environ["wsgi.input"].read(65536), b"")))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
