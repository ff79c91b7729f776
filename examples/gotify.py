"""A notifier plugin. In a package of its own it is found by its entry point:

[project.entry-points."lastseen.notifiers"]
gotify = "lastseen_gotify:Gotify"
"""

from typing import Any

from pydantic import BaseModel, SecretStr

from lastseen import Message, Outcome, http_outcome


class Gotify:
    """Push to a Gotify server."""

    class Config(BaseModel):  # becomes the command line's flags and the encryption
        url: str
        token: SecretStr
        priority: int = 8

    max_batch = 50  # one send may speak for 50 machines

    def __init__(self, config: Config, tools: Any) -> None:
        self.config, self.http = config, tools.http  # guarded, timed out, pooled

    async def send(self, message: Message) -> Outcome:
        return http_outcome(
            await self.http.post(
                f"{self.config.url}/message",
                headers={"X-Gotify-Key": self.config.token.get_secret_value()},
                json={"title": message.title, "message": message.text, "priority": self.config.priority},
            )
        )
