"""Looks at a page in a real, headless Chromium: a viewport of any width, light or dark, through the DevTools protocol.

(The command line alone cannot: a window is never narrower than some 500 pixels, and no switch makes a page's
`prefers-color-scheme: dark` match.)
"""

import asyncio
import base64
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from engage.workers.tether import Tethered

_T = TypeVar("_T")
_READY_WITHIN_SECONDS = 60.0
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_HEADLESS = ("--headless", "--remote-debugging-port=0")


def find_chromium() -> Path | None:
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    return _ON_MACOS if _ON_MACOS.exists() else None


class Browser:
    """One running Chromium with a profile of its own. Each call opens a fresh page and closes it."""

    def __init__(self, program: Path) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="engage-chromium-", ignore_cleanup_errors=True)
        with (Path(self._profile.name) / "log").open("wb") as log:
            command = [str(program), *SWITCHES, *_HEADLESS, f"--user-data-dir={self._profile.name}", "about:blank"]
            self._process = Tethered(command, output=log)
        try:
            self._endpoint = self._wait_for_endpoint()
        except BaseException:
            self.stop()
            raise

    def screenshot(
        self, page: str | Path, picture: Path, width: int, height: int | None = None, *, dark: bool = False
    ) -> None:
        """Writes `picture` (PNG) of `page`, a file or a URL, `width` CSS pixels wide; no `height`: the whole page."""

        async def take(tab: "_Tab") -> None:
            visible = {"captureBeyondViewport": height is None, "format": "png"}
            if height is None:
                size = (await tab.call("Page.getLayoutMetrics"))["cssContentSize"]
                visible["clip"] = {"x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1}
            answer = await tab.call("Page.captureScreenshot", **visible)
            picture.write_bytes(base64.b64decode(answer["data"]))

        asyncio.run(self._on_page(page, width, height, dark, take))

    def evaluate(self, page: str | Path, script: str, width: int = 1024, *, dark: bool = False) -> Any:
        """The value of a JavaScript expression on `page`, such as `innerWidth`; a promise is awaited."""

        async def ask(tab: "_Tab") -> Any:
            answer = await tab.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
            if "exceptionDetails" in answer:
                raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
            return answer["result"].get("value")

        return asyncio.run(self._on_page(page, width, None, dark, ask))

    def stop(self) -> None:
        self._process.stop()
        self._profile.cleanup()

    async def _on_page(
        self, page: str | Path, width: int, height: int | None, dark: bool, use: Callable[["_Tab"], Awaitable[_T]]
    ) -> _T:
        url = Path(page).resolve().as_uri() if isinstance(page, Path) or "://" not in page else page
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{self._endpoint}/json/new?about:blank") as answer:
                target = await answer.json()
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = _Tab(socket)
                metrics = {"width": width, "height": height or 800, "deviceScaleFactor": 1, "mobile": False}
                await tab.call("Emulation.setDeviceMetricsOverride", **metrics)
                scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
                await tab.call("Emulation.setEmulatedMedia", features=[scheme])
                await tab.open(url)
                result = await use(tab)
                await tab.call("Page.close")
        return result

    def _wait_for_endpoint(self) -> str:
        said = Path(self._profile.name) / "DevToolsActivePort"
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while self._process.running() and time.monotonic() < deadline:
            if said.exists() and len(lines := said.read_text().splitlines()) == 2:
                return f"http://127.0.0.1:{lines[0]}"
            time.sleep(0.02)
        raise RuntimeError(f"Chromium did not start: {(Path(self._profile.name) / 'log').read_text(errors='replace')}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Tab:
    """One page's side of the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0

    async def call(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        answer = await self._next(lambda message: message.get("id") == self._last)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def open(self, url: str) -> None:
        """Loads `url`, with its pictures and fonts."""
        await self.call("Page.enable")
        answer = await self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise RuntimeError(f"{url}: {answer['errorText']}")
        await self._next(lambda message: message.get("method") == "Page.loadEventFired")
        await self.call("Runtime.evaluate", expression="document.fonts.ready", awaitPromise=True)

    async def _next(self, wanted: Callable[[Any], bool]) -> Any:
        while True:
            message = await self._socket.receive_json(timeout=60)
            if wanted(message):
                return message
