"""Repeated sequences of a voice, by length."""

from collections import Counter
from collections.abc import Sequence


def repeated_lengths(symbols: Sequence[int], held: int) -> Counter[int]:
    """How often sequences of each length occur that a row of symbols repeats: length -> occurrences.

    A sequence has two notes or more and begins with one; `held` marks steps on which none begins. One
    that only ever comes as part of a longer one does not count (nontrivial repeating patterns, Hsu, Liu
    and Chen 2001). They are the states of the suffix automaton (Blumer et al. 1985) that occur twice or
    more, and whose every continuation occurs less often.
    """
    automaton = _Automaton(symbols)
    onsets = [0]
    for symbol in symbols:
        onsets.append(onsets[-1] + (symbol != held))
    found: Counter[int] = Counter()
    for state in range(1, len(automaton.length)):
        count, end = automaton.count[state], automaton.end[state] + 1
        follow = (automaton.count[other] for other in automaton.next[state].values())
        if count < 2 or any(n == count for n in follow):
            continue
        shortest = automaton.length[automaton.link[state]] + 1
        begin = end - automaton.length[state]
        while symbols[begin] == held and end - begin > shortest:
            begin += 1
        if symbols[begin] != held and onsets[end] - onsets[begin] > 1:
            found[end - begin] += count
    return found


class _Automaton:
    """The smallest automaton that takes every part of a row: each state stands for the parts that end at
    the same places. length: of the longest of them; end: where the first one ends; count: how often they
    come; link: the state of the longest shorter ones that come more often."""

    def __init__(self, symbols: Sequence[int]) -> None:
        self.length, self.link, self.end, self.count = [0], [-1], [-1], [0]
        self.next: list[dict[int, int]] = [{}]
        last = 0
        for i, symbol in enumerate(symbols):
            last = self._extended(last, i, symbol)
        order = sorted(range(1, len(self.length)), key=lambda state: -self.length[state])
        for state in order:
            self.count[self.link[state]] += self.count[state]

    def _state(self, length: int, link: int, end: int, count: int, after: dict[int, int]) -> int:
        for values, value in zip(
            (self.length, self.link, self.end, self.count), (length, link, end, count), strict=True
        ):
            values.append(value)
        self.next.append(after)
        return len(self.length) - 1

    def _extended(self, last: int, i: int, symbol: int) -> int:
        new = self._state(self.length[last] + 1, 0, i, 1, {})
        state = last
        while state >= 0 and symbol not in self.next[state]:
            self.next[state][symbol] = new
            state = self.link[state]
        if state < 0:
            return new
        other = self.next[state][symbol]
        if self.length[other] > self.length[state] + 1:
            other = self._split(state, other, symbol)
        self.link[new] = other
        return new

    def _split(self, state: int, other: int, symbol: int) -> int:
        """A state of the shorter parts of another, which from now on come more often."""
        twin = self._state(
            self.length[state] + 1, self.link[other], self.end[other], 0, dict(self.next[other])
        )
        while state >= 0 and self.next[state].get(symbol) == other:
            self.next[state][symbol] = twin
            state = self.link[state]
        self.link[other] = twin
        return twin
