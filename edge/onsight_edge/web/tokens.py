"""Who is let in: the token, the cookie made of it, and a limit on guessing."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

COOKIE_DAYS = 30
_MOST_FAILURES = 10  # within the window, by one address
_WINDOW_S = 60.0
_MOST_ADDRESSES = 1024  # remembered; an attacker with many addresses shall not take the memory


class Keeper:
    """Knows the token. Used from the server's thread only."""

    def __init__(self, token: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Let in whoever brings `token`; the cookie is called after `port`, since cookies of all ports mix."""
        self.cookie_name = f"onsight_{port}"
        self._token = token.encode()
        # not the token itself: who reads a browser's cookies learns nothing that works elsewhere
        self.cookie = hmac.new(self._token, b"onsight cookie", hashlib.sha256).hexdigest()
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._clock = clock

    def fits_token(self, given: str) -> bool:
        """Whether this is the token; takes as long wherever it differs."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)

    def fits_cookie(self, given: str) -> bool:
        """Whether this is the cookie; takes as long wherever it differs."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.cookie.encode())

    def wait_s(self, address: str) -> float:
        """For how long an address that guessed too often is not listened to; 0 for all others."""
        times = self._failures.get(address)
        if not times or len(times) < _MOST_FAILURES:
            return 0.0
        return max(0.0, times[-_MOST_FAILURES] + _WINDOW_S - self._clock())

    def failed(self, address: str) -> None:
        """Remember that an address brought something wrong."""
        now = self._clock()
        times = [at for at in self._failures.pop(address, []) if now - at < _WINDOW_S]
        self._failures[address] = [*times[-_MOST_FAILURES:], now]
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)
