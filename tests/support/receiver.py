"""A receiver of alerts on 127.0.0.1: Slack's Web API, its incoming webhooks, and a JSON webhook; it can misbehave."""

import asyncio
import json
from typing import Self

from aiohttp import web


class Receiver:
    """Answers by script, a word a request, then "ok": "429:SECONDS", "500", "hang", "reset", or a Slack error code."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.requests: list[tuple[str, dict]] = []
        self.tokens: list[str] = []
        self._posted = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def headlines(self) -> list[str]:
        """Return the first line of each message that was taken."""
        return [body.get("text") or body.get("headline", "") for _, body in self.requests]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization", ""))
        word = self.script.pop(0) if self.script else "ok"
        if word == "hang":
            await asyncio.sleep(60)
        if word == "reset":
            request.transport.abort()
        if word.startswith("429"):
            headers = {"Retry-After": word.partition(":")[2]}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        if word.isdigit():
            return web.Response(status=int(word), text="broken")
        if word != "ok":
            return web.json_response({"ok": False, "error": word})
        self.requests.append((request.match_info["path"], await self._body(request)))
        self._posted += 1
        return web.json_response({"ok": True, "channel": "C1", "ts": f"1700000000.{self._posted:06}"})

    async def _body(self, request: web.Request) -> dict:
        if request.content_type == "application/json":
            return await request.json()
        form = dict(await request.post())
        return form | {name: json.loads(form[name]) for name in ("blocks",) if name in form}
