"""Heartbeats through an application of your own: uvicorn examples.fastapi_app:app --workers 2"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Body, FastAPI

from lastseen import HeartbeatMonitor, Telegram

# TELEGRAM_BOT_TOKEN is the bot's; without it the alerts are printed
notify = {"ops": Telegram.from_env(chat_id=123456) if "TELEGRAM_BOT_TOKEN" in os.environ else print}
monitor = HeartbeatMonitor(
    os.environ.get("APP_DATABASE", "sqlite:///app.db"),
    offline_after=os.environ.get("APP_OFFLINE_AFTER", "3m"),
    notify=notify,
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with monitor:  # safe with several workers on one database
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/devices/{device_id}/heartbeat", status_code=204)
async def heartbeat(device_id: str, report: dict | None = Body(None)) -> None:  # type: ignore[type-arg]
    await monitor.heartbeat(device_id, report)
