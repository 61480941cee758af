"""A chain while it is edited: what its filters are to become, what is wrong with that, and how it differs from what was replayed last."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.analysis.words import visible
from workbench.errors import ConfigError, FilterLoadError

if TYPE_CHECKING:
    from workbench.chain import Chain, Filter

__all__ = ["LONGEST_CONFIG", "POLICIES", "Draft", "Slot", "Verdict", "judge"]

LONGEST_CONFIG = 256 << 10
POLICIES = {"closed": "fail_closed", "open": "fail_open", "reload": "fail_reload", "restart": "restart", "older": "fail_open: true"}
"""What a failed filter means, and how Envoy spells it; `restart` is ours, `older` Envoy's older form of open."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """On a configuration's text. `line` and `column` count from 1, 0 where no place is to blame."""

    good: bool
    words: str
    line: int = 0
    column: int = 0


def judge(text: str, form: str) -> Verdict:
    """What is to be said of a configuration as `json` or as plain `text`."""
    if len(text) > LONGEST_CONFIG:
        return Verdict(False, f"longer than {LONGEST_CONFIG >> 10} KiB, give it from Python")
    if form != "json":
        return Verdict(True, "Plain text, as the filter takes it")
    if not text.strip():
        return Verdict(True, "No configuration")
    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        twice.extend(sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else ())

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        json.loads(text, object_pairs_hook=members, parse_constant=constant)
    except json.JSONDecodeError as error:
        return Verdict(False, error.msg, error.lineno, error.colno)
    except (ValueError, RecursionError) as error:
        return Verdict(False, "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200])
    return Verdict(True, f"Valid JSON, but {visible(twice[0])[:80]!r} is there twice: the last one counts" if twice else "Valid JSON")


def _shown(config: bytes) -> tuple[str | None, str]:
    """The text to edit and its form; None for what is no text. Compact JSON is laid out, where that changes only spaces."""
    try:
        text = config.decode()
    except UnicodeDecodeError:
        return None, "bytes"
    if len(text) > LONGEST_CONFIG:
        return None, "bytes"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text, "text" if text.strip() else "json"
    if not isinstance(value, dict | list):
        return text, "json"
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return (json.dumps(value, indent=2, ensure_ascii=False) if compact == text else text), "json"


@dataclass
class Slot:
    """One filter of the draft. `filter` is what it was when it was applied last, `text` None for a configuration that is no text."""

    id: int
    filter: Filter
    on: bool = True
    text: str | None = None
    form: str = "json"
    policy: str = "closed"
    root_id: str = ""
    _before: tuple[str | None, str] = field(default=(None, ""), repr=False)

    def __post_init__(self) -> None:
        self.settle(self.filter)

    def settle(self, filter_: Filter) -> None:
        """Take `filter_` as applied: nothing is changed any more."""
        self.filter = filter_
        self.text, self.form = self._before = _shown(filter_.config)
        self.policy = "older" if filter_.fail_open else filter_.failure_policy
        self.root_id = filter_.root_id

    @property
    def name(self) -> str:
        """The filter's name, which stays."""
        return self.filter.name

    @property
    def applied(self) -> str:
        """The configuration's text as it was applied last."""
        return self._before[0] or ""

    @property
    def verdict(self) -> Verdict:
        """On the configuration as it is in the editor."""
        if self.text is None:
            return Verdict(True, f"{len(self.filter.config)} B that are not edited here: give them from Python")
        return judge(self.text, self.form)

    @property
    def changes(self) -> list[str]:
        """What of it is not as it was applied, in words."""
        found = ["configuration"] if self.text != self._before[0] else []
        if self.policy != ("older" if self.filter.fail_open else self.filter.failure_policy):
            found.append(f"on failure {POLICIES[self.policy]}")
        if self.root_id != self.filter.root_id:
            found.append("root id")
        return found

    def built(self) -> Filter:
        """The filter as edited."""
        changed: dict[str, Any] = {}
        if self.text is not None and self.text != self._before[0]:
            changed["config"] = self.text.encode()
        if self.policy == "older":
            changed |= {"failure_policy": "closed", "fail_open": True}
        else:
            changed |= {"failure_policy": self.policy, "fail_open": False}
        return replace(self.filter, root_id=self.root_id, **changed)


class Draft:
    """The slots in the order of the chain, those that are switched off among them. Filters that are added have the `defaults`."""

    def __init__(self, chain: Chain | None = None, defaults: Mapping[str, Any] | None = None) -> None:
        from workbench.chain import Chain

        self._defaults = dict(defaults or {})
        self._numbers = count(1)
        self._base = Chain() if chain is None else chain
        self.slots = [Slot(next(self._numbers), each) for each in self._base]
        self._applied = self._order()
        self._known = list(self.slots)
        self._added: dict[str, int] = {}

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.slots)

    def _order(self) -> list[tuple[int, bool]]:
        return [(slot.id, slot.on) for slot in self.slots]

    def slot(self, number: Any) -> Slot:
        """The slot of that id; ConfigError where it is gone."""
        for slot in self.slots:
            if slot.id == number:
                return slot
        raise ConfigError("this filter is not in the chain any more")

    @property
    def same_order(self) -> bool:
        """Whether the same filters stand in the same order as applied last, whatever their settings."""
        return [number for number, on in self._order() if on] == [number for number, on in self._applied if on]

    @property
    def changes(self) -> list[str]:
        """What is not applied yet, in words."""
        before = dict(self._applied)
        now = dict(self._order())
        found = [f"{visible(slot.name)} added" for slot in self.slots if slot.id not in before]
        found += [f"{visible(slot.name)} removed" for slot in self._known if slot.id not in now]
        found += [f"{visible(s.name)} {'on' if s.on else 'off'}" for s in self.slots if before.get(s.id, s.on) != s.on]
        found += [f"{visible(slot.name)}: {', '.join(slot.changes)}" for slot in self.slots if slot.changes]
        common = [number for number in now if number in before]
        if common != [number for number in before if number in now]:
            found.append("order")
        return found

    @property
    def fault(self) -> str:
        """Why it cannot be applied; empty where it can."""
        for slot in self.slots:
            if slot.on and not slot.verdict.good:
                verdict = slot.verdict
                place = f", line {verdict.line}, column {verdict.column}" if verdict.line else ""
                return f"{visible(slot.name)}{place}: {visible(verdict.words)}"
        return ""

    def edit(self, question: Mapping[str, Any]) -> None:
        """One change: `op` names it, the rest depends on it. Raises `ConfigError` or `FilterLoadError`, and changes nothing then."""
        op = question.get("op")
        if op == "add":
            self._add(str(question.get("path", "")), str(question.get("key", "")))
            return
        if op == "revert":
            self.revert()
            return
        slot = self.slot(question.get("id"))
        if op == "move":
            self.slots.remove(slot)
            self.slots.insert(max(0, int(question["to"])), slot)
        elif op == "switch":
            slot.on = bool(question["on"])
        elif op == "remove":
            self.slots.remove(slot)
        elif op == "config" and slot.text is not None:
            slot.text = str(question["text"])[: LONGEST_CONFIG + 1]
            slot.form = "text" if question.get("form") == "text" else "json"
        elif op == "policy" and question.get("value") in POLICIES:
            slot.policy = str(question["value"])
        elif op == "root_id":
            slot.root_id = str(question["value"])[:1000]
        else:
            raise ConfigError(f"no such change: {str(op)[:40]!r}")

    def _add(self, path: str, key: str) -> None:
        """Add a module at the end of the chain. A question that came twice has the same `key`, and counts once."""
        if key and key in self._added:
            return
        if not path.strip():
            raise ConfigError("no file is named", remedy="Give the path of a .wasm file")
        added = replace(self._base.with_filters(Path(os.path.expanduser(path.strip())))[0], **self._defaults)
        here = added.inspect().verdict("this-workbench")
        if here.runs == "no":
            reason = here.reasons[0]
            raise FilterLoadError("; ".join(each.text for each in here.reasons), where=path, remedy=reason.remedy or "Build it again")
        names, stem, number = {slot.name for slot in self.slots}, added.name, 1
        while added.name in names:
            number += 1
            added = replace(added, name=f"{stem}-{number}")
        self.slots.append(Slot(next(self._numbers), added))
        if key:
            self._added[key] = self.slots[-1].id

    def revert(self) -> None:
        """Everything as it was applied last."""
        known = {slot.id: slot for slot in self._known}
        self.slots = [known[number] for number, _ in self._applied]
        for slot, (_, on) in zip(self.slots, self._applied, strict=True):
            slot.on = on
            slot.settle(slot.filter)

    def apply(self) -> Chain:
        """The chain as edited, which from now on counts as applied. Raises `ConfigError` for what cannot be meant."""
        if self.fault:
            raise ConfigError(self.fault)
        built = [slot.built() for slot in self.slots]
        self._base = self._base.with_filters(*(each for each, slot in zip(built, self.slots, strict=True) if slot.on))
        for slot, each in zip(self.slots, built, strict=True):
            text, form = slot.text, slot.form
            slot.settle(each)
            if text is not None:  # as it was typed, not laid out anew under the writer's hand
                slot.text, slot.form = slot._before = (text, form)
        self._applied, self._known = self._order(), list(self.slots)
        return self._base
