"""How fast a destination may be called: a bucket of tokens, one for each attempt. Pure: time is an argument."""

from __future__ import annotations


class Pace:
    """`rate` is attempts a second; a second's worth may go at once, one in any case."""

    def __init__(self, rate: float, now_ms: int) -> None:
        self._rate = rate
        self._tokens = self._most = max(1.0, rate)
        self._at_ms = now_ms

    def change(self, rate: float, now_ms: int) -> None:
        """Another rate from now on, with what has gathered so far."""
        self.wait_ms(now_ms)
        self._rate = rate
        self._most = max(1.0, rate)
        self._tokens = min(self._tokens, self._most)

    def wait_ms(self, now_ms: int) -> int:
        """How long until there is a token; 0 where there is one."""
        self._tokens = min(self._most, self._tokens + self._rate * max(0, now_ms - self._at_ms) / 1000)
        self._at_ms = max(self._at_ms, now_ms)
        return 0 if self._tokens >= 1 else int((1 - self._tokens) / self._rate * 1000) + 1

    def take(self) -> None:
        """One attempt begins. Call `wait_ms` before."""
        self._tokens -= 1
