"""A real browser, headless, by its DevTools protocol: as much of it as looking at a page needs."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1180,1500"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--mute-audio"),
)

_RETURN = "const found = {}; return found instanceof Node ? true : found;"  # elements cannot be handed over


class Browser:
    """One tab. A context manager.

    Attributes:
        requests: addresses that pages asked for, in order.
        complaints: errors that pages wrote to the console.
    """

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._folder, self._number = folder, 0
        self._loop = asyncio.new_event_loop()
        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "Browser":
        address = self._folder / "DevToolsActivePort"
        for _ in range(600):
            if address.is_file() and address.read_text().count("\n"):
                break
            time.sleep(0.1)
        self._run(self._connect(int(address.read_text().split("\n")[0])))
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._session.close())
        self._loop.close()
        self._process.terminate()
        self._process.wait(20)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; its result."""
        return self._run(self._send(method, parameters))

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Of some JavaScript in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 60) -> Any:
        """Until the expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.value(f"(() => {{ try {{ {_RETURN.format(expression)} }} catch (e) {{ return null; }} }})()")
            if found:
                return found
            time.sleep(0.1)
        text = self.value("document.body.innerText")
        raise TimeoutError(f"{expression} was not true within {seconds} s; the page says: {text}")

    def click(self, selector: str) -> None:
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.value(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """In place of what a field holds, by the keyboard's events."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.value(f"(() => {{ const f = document.querySelector({json.dumps(selector)}); f.focus(); f.select(); }})()")
        self.send("Input.dispatchKeyEvent", type="keyDown", key="Backspace", code="Backspace", windowsVirtualKeyCode=8)
        self.send("Input.dispatchKeyEvent", type="keyUp", key="Backspace", code="Backspace", windowsVirtualKeyCode=8)
        if text:
            self.send("Input.insertText", text=text)
        self.value(f"document.querySelector({json.dumps(selector)}).blur()")

    def upload(self, selector: str, file: Path) -> None:
        """Into a field for files."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def screenshot(self, path: Path) -> Path:
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _run(self, what: Any) -> Any:
        return self._loop.run_until_complete(what)

    async def _connect(self, port: int) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tab = next(one for one in await answer.json() if one["type"] == "page")
        self._socket = await self._session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)

    async def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await asyncio.wait_for(self._socket.receive_json(), 60)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        found = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif message.get("method") == "Network.webSocketCreated":
            self.requests.append(found["url"])
        elif message.get("method") == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.complaints.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in found["args"]))
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(found["exceptionDetails"].get("text")))
