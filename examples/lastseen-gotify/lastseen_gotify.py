"""Push to a Gotify server, by its message API: https://gotify.net/api-docs (POST /message)."""

from typing import Any

from pydantic import BaseModel, Field, HttpUrl, SecretStr

from lastseen import Message, Outcome, Retry, http_outcome


class Gotify:
    """Pushes to a Gotify server."""

    class Config(BaseModel):
        url: HttpUrl = Field(description="the server, such as https://gotify.example.org")
        token: SecretStr = Field(description="the token of an application")
        priority: int = Field(default=8, ge=0, le=10, description="of alerts, 0 to 10")
        calm_priority: int = Field(default=2, ge=0, le=10, description="of everything else")

    max_batch = 50  # one message may speak for 50 events
    label = "Gotify"

    def __init__(self, config: Config, tools: Any) -> None:
        self.config, self.http = config, tools.http  # guarded, timed out, pooled: an httpx.AsyncClient
        self.host = config.url.host or ""

    async def send(self, message: Message) -> Outcome:
        loud = any(event.severity == "alert" for event in message.events)
        answer = await self.http.post(
            f"{str(self.config.url).rstrip('/')}/message",
            headers={"X-Gotify-Key": self.config.token.get_secret_value()},
            json={
                "title": message.title,
                "message": message.text,
                "priority": self.config.priority if loud else self.config.calm_priority,
                "extras": {"client::display": {"contentType": "text/plain"}},
            },
        )
        if answer.is_success and '"id"' not in answer.text:  # a login page, a proxy: it may be over later
            return Retry("this is no answer of a Gotify server")
        return http_outcome(answer)
