"""A headless Chromium, pages in it, and numbers that travel to and fro as their bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopbp.network import Network
from loopbp.page import write

#: Numbers as 16 hexadecimal digits, at any depth of lists and objects; every NaN is "nan".
CODEC = """
const cell = new DataView(new ArrayBuffer(8));
function decoded(value) {
  if (typeof value === "string") {
    if (!/^[0-9a-f]{16}$/.test(value)) return value;
    cell.setBigUint64(0, BigInt("0x" + value));
    return cell.getFloat64(0);
  }
  if (Array.isArray(value)) return value.map(decoded);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decoded(item)]));
  }
  return value;
}
function encoded(value) {
  if (typeof value === "number") {
    if (Number.isNaN(value)) return "nan";
    cell.setFloat64(0, value);
    return cell.getBigUint64(0).toString(16).padStart(16, "0");
  }
  if (Array.isArray(value)) return value.map(encoded);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encoded(item)]));
  }
  return value;
}
"""


class Tab:
    """A page that is open, and what it has asked for and said."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.messages: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.goto(path.as_uri())
        page.add_style_tag(content="* { transition: none !important; }")

    def call(self, function: str, argument: Any = None) -> Any:
        """What a JavaScript function makes of an argument; numbers as bits on both sides."""
        return self.page.evaluate(
            f"(given) => {{ {CODEC} return encoded(({function})(decoded(given))); }}", argument
        )

    def text(self, selector: str) -> str:
        """The text of the first element found, with a plain minus sign."""
        return str(self.page.locator(selector).first.inner_text()).replace("−", "-")

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def choose(self, key: str) -> None:
        """Clicks a node or a weight of the drawing, where nothing else lies over it."""
        self.page.locator(f'#drawing [role=button][data-key="{key}"]').dispatch_event("click")


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Tab]]:
    """Opens the page of a network: `open_page(net, x, y, eta=…, width=…, scheme=…)`."""
    contexts = []

    def opened(
        net: Network,
        x: Any,
        y: Any,
        *,
        eta: float = 0.5,
        width: int = 1400,
        height: int = 900,
        scheme: str = "light",
        **more: Any,
    ) -> Tab:
        path = write(tmp_path / "page.html", net, x, y, eta=eta)
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            offline=True,
            **more,
        )
        contexts.append(context)
        return Tab(context.new_page(), path)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def two_paths() -> tuple[Network, list[float], list[float]]:
    """2-2-2-2 with weights that are easy to multiply, and an example."""
    weights = [
        [[0.1, -0.2], [0.4, -0.3], [0.2, 0.5]],
        [[0.3, -0.1], [-0.5, 0.6], [0.7, 0.2]],
        [[-0.2, 0.4], [0.8, -0.4], [-0.6, 0.5]],
    ]
    return Network([2, 2, 2, 2], "sigmoid", "sigmoid", "sse", weights), [1, 0.5], [1, 0]


@pytest.fixture
def largest() -> tuple[Network, list[float], int]:
    """Five layers of eight nodes, with biases."""
    net = Network([8] * 5, "tanh", seed=1)
    random = np.random.default_rng(0)
    net.theta[...] += random.uniform(-0.2, 0.2, net.theta.shape)
    return net, np.linspace(-1, 1, 8).tolist(), 3
