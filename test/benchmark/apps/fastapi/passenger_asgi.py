"""A short answer of FastAPI."""

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

application = FastAPI()


@application.get("/hello", response_class=PlainTextResponse)
async def hello():
    return "hello\n"
