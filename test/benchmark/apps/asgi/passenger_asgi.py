"""A short answer, one that waits for 100 ms, and long bodies, by ASGI."""

import asyncio

PIECE = b"x" * 65536
DOWN = 1024 * 1024 * 1024


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    body = b"hello\n"
    if path == "/down":
        await begin(send, DOWN)
        for _ in range(DOWN // len(PIECE)):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        body = b""
    elif path == "/up":
        body = b"%d" % await size_of_body(receive)
        await begin(send, len(body))
    else:
        if path == "/wait":
            await asyncio.sleep(0.1)
        await begin(send, len(body))
    await send({"type": "http.response.body", "body": body})


async def begin(send, size):
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def size_of_body(receive):
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return size
