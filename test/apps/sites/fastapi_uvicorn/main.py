import asyncio
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()
done = []
gone = []

class Item(BaseModel):
    name: str
    price: float

@app.post("/items")
async def add(item: Item, tasks: BackgroundTasks):
    tasks.add_task(done.append, item.name)
    return {"name": item.name, "total": item.price * 2}

@app.get("/done")
async def finished():
    return {"done": done, "gone": gone}

@app.get("/about")
async def about(request: Request):
    return {"url": str(request.url), "client": request.client and request.client.host}

@app.get("/ticks")
async def ticks():
    async def stream():
        try:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.05)
        finally:
            gone.append("ticks")
    return StreamingResponse(stream(), media_type="text/event-stream")

@app.websocket("/socket")
async def socket(connection: WebSocket):
    await connection.accept()
    while True:
        await connection.send_text((await connection.receive_text()).upper())
