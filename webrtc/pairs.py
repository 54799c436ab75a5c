"""
Which addresses a browser has proved to be at, and which of them it is sent to. PURE: times are given.

We are ICE-lite with one candidate (RFC 8445 2.5), so a pair is the browser's address; each true check proves
one, also from an address that no candidate named (peer-reflexive, 7.3.1.3).
"""

from dataclasses import dataclass

from webrtc.stun import Address

MAX_ADDRESSES = 8
CONSENT_S = 30.0  # RFC 7675 5.1: consent ends 30 s after the last check


@dataclass
class _Pair:
    priority: int
    checked: float
    nominated: float = -1.0
    generation: int = 0


class Pairs:
    """The proved addresses of one connection, at most MAX_ADDRESSES; `selected` is where packets go."""

    def __init__(self) -> None:
        self.selected: Address | None = None
        self.generation = 0  # grows with each ICE restart
        self._pairs: dict[Address, _Pair] = {}

    def __contains__(self, address: Address) -> bool:
        return address in self._pairs

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._pairs)

    def prove(self, address: Address, priority: int, generation: int, now: float, *, nominates: bool) -> list[Address]:
        """A true check came from `address`; returns the addresses that are given up for it."""
        pair = self._pairs.pop(address, None) or _Pair(priority, now)
        pair.priority, pair.checked, pair.generation = priority, now, generation
        self._pairs[address] = pair
        if nominates:
            pair.nominated = now
            if self._better(pair, now):
                self.selected = address
        given_up = [a for a, p in self._pairs.items() if now - p.checked > CONSENT_S and a != self.selected]
        if len(self._pairs) - len(given_up) > MAX_ADDRESSES:
            given_up.append(next(a for a in self._pairs if a not in given_up and a not in (self.selected, address)))
        for old in given_up:
            del self._pairs[old]
        return given_up

    def heard(self, address: Address) -> None:
        """An authentic packet came from `address`; if its checks are the later ones, that is where the browser is.

        RFC 8445 8.1.1 lets the controlling agent nominate a pair once; browsers nominate again when they move, and
        some nominate every pair at first: what they send from tells which they mean. A NAT that takes another
        port moves the browser without its knowing, and then only the checks for consent (RFC 7675) come from there.
        """
        pair = self._pairs.get(address)
        there = self._pairs.get(self.selected) if self.selected else None
        if pair is None or there is None or pair.generation < there.generation:
            return
        if pair.nominated > there.nominated or pair.checked > there.checked:
            self.selected = address

    def expired(self, now: float) -> bool:
        """Whether nothing may be sent any more: no check from where we send to for CONSENT_S."""
        there = self._pairs.get(self.selected) if self.selected else None
        return there is not None and now - there.checked > CONSENT_S

    def _better(self, pair: _Pair, now: float) -> bool:
        there = self._pairs.get(self.selected) if self.selected else None
        if there is None or pair is there:
            return True
        if pair.generation != there.generation:
            return pair.generation > there.generation
        # nominated both: the higher priority (RFC 5245 8.1.1.2), unless that one has fallen silent
        return pair.priority >= there.priority or now - there.checked > 5.0
