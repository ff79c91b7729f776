"""The files that pages load: styles, scripts, pictures. All of them come with the package.

Their address has a hash of all their contents in it, so that a browser may keep them for ever and a new version is
another address; one script loads the next by a relative path, and stays within its version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

PREFIX: Final = "/static"

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

FOR_EVER = "public, max-age=31536000, immutable"


@cache
def contents() -> Mapping[str, bytes]:
    """Each file by its path below `static`."""
    return dict(_below(files("lastseen.web") / "static", ""))


def _below(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for one in sorted(folder.iterdir(), key=lambda each: each.name):
        if one.is_dir():
            found += _below(one, f"{path}{one.name}/")
        elif one.name.rpartition(".")[2] in TYPES:
            found.append((path + one.name, one.read_bytes()))
    return found


@cache
def edition() -> str:
    """What changes with any of them."""
    digest = hashlib.sha256()
    for path, content in contents().items():
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def asset(path: str) -> str:
    """Its address. Raises KeyError for a file that is not there: a page that names one is never served."""
    if path not in contents():
        raise KeyError(f"no file {path!r} in static")
    return f"{PREFIX}/{edition()}/{path}"


def asset_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(PREFIX + "/{which}/{path:path}")
    async def static_file(which: str, path: str) -> Response:
        content = contents().get(path)
        if content is None:
            raise HTTPException(404)
        kept = FOR_EVER if which == edition() else "no-cache"
        headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
        return Response(content, headers=headers, media_type=TYPES[path.rpartition(".")[2]])

    @router.get("/favicon.ico")
    async def favicon() -> Response:
        return Response(contents()["logo.svg"], headers={"Cache-Control": "max-age=86400"}, media_type=TYPES["svg"])

    return router
