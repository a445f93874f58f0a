"""`/static/*`: stylesheets, and the assets of /docs. Pages name them with a version, so browsers may keep them."""

from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from engage.web.rendering import STATIC


class Assets(StaticFiles):
    """The folder engage/web/static."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response
