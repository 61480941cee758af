"""What the pane "chain" asks: the chain as it was replayed and as it is edited, and changes to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import traitlets

from workbench.analysis.passage import Passage, passage
from workbench.analysis.words import size, visible
from workbench.errors import WorkbenchError
from workbench.replay import Replay

from .draft import LONGEST_CONFIG, POLICIES, Draft, Slot
from .runs import RunningView
from .view import Answer

__all__ = ["ChainAnswers"]

_MOST_MODULES = 200
_MOST_FOLDERS = 400
_DEPTH = 3


class ChainAnswers(RunningView):
    """Edits the chain and replays it. `edited` goes up with each change, so that other pages of the same view draw it too."""

    edited = traitlets.Int(0).tag(sync=True)

    def __init__(self, *source: Any, filter_defaults: Mapping[str, Any] | None = None, **traits: Any) -> None:
        self._draft: Draft | None = None
        self._filter_defaults = filter_defaults
        self._facts: dict[tuple[Path, int, int], dict[str, str]] = {}
        self._looking = Lock()
        self._counted: tuple[Replay, Passage] | None = None
        super().__init__(*source, **traits)

    @property
    def draft(self) -> Draft:
        """The chain as it is being edited."""
        if self._draft is None:
            self._draft = Draft(self._chain, self._filter_defaults)
        return self._draft

    def _answer_chain(self, _question: Mapping[str, Any]) -> Answer:
        draft = self.draft
        counts = self._counts() if draft.same_order else None
        places = {slot.id: at for at, slot in enumerate(slot for slot in draft if slot.on)}
        self._look_at([slot for slot in draft if self._known(slot) is None])
        return {}, {
            "slots": [self._slot(slot, places.get(slot.id), counts) for slot in draft],
            "policies": list(POLICIES.items()),
            "requests": counts.requests if counts else None,
            "responses": counts.responses if counts else None,
            "refused": counts.refused if counts else 0,
            "changes": draft.changes,
            "fault": draft.fault,
            "number": self.runs[-1].number if self.runs else 0,
        }

    def _slot(self, slot: Slot, place: int | None, counts: Passage | None) -> dict[str, Any]:
        counted = counts is not None and place is not None
        return {
            "id": slot.id,
            "name": slot.name,
            "on": slot.on,
            "place": place,
            "file": slot.filter.path.name,
            "path": os.fspath(slot.filter.path),
            "text": slot.text,
            "applied": slot.applied,
            "form": slot.form,
            "bytes": len(slot.filter.config),
            "verdict": asdict(slot.verdict),
            "policy": slot.policy,
            "root_id": slot.root_id,
            "vm_id": slot.filter.vm_id[:200],
            "vm_config": len(slot.filter.vm_config),
            "memory": slot.filter.memory_limit,
            "changes": slot.changes,
            "module": self._known(slot) or {},
            "refused": self._refused(slot),
            "changed": counts.changed[place] if counted and counts and place is not None else 0,
            "stops": [asdict(one) for one in counts.stops[place]] if counted and counts and place is not None else [],
        }

    def _refused(self, slot: Slot) -> str:
        """Why the last replay did not begin, where this filter's module or configuration is the cause."""
        if self.run.get("state") != "failed" or self.run.get("where") != visible(os.fspath(slot.filter.path)):
            return ""
        return str(self.run["what"])

    def _counts(self) -> Passage | None:
        """Of what is shown, if it is of the chain that is applied. A filter that was swapped counts with its successors."""
        replay, chain = self._replay, self._chain
        if replay is None or chain is None or replay.trace.filters != tuple(each.name for each in chain.stages):
            return None
        if self._counted is None or self._counted[0] is not replay:
            names = replay.trace.filters
            self._counted = replay, passage(replay.trace, replay.facts).grouped([names.index(each.name) for each in chain])
        return self._counted[1]

    def _key(self, slot: Slot) -> tuple[Path, int, int]:
        try:
            found = slot.filter.path.stat()
        except OSError:
            return slot.filter.path, 0, 0
        return slot.filter.path, found.st_mtime_ns, found.st_size

    def _known(self, slot: Slot) -> dict[str, str] | None:
        return self._facts.get(self._key(slot))

    def _look_at(self, slots: list[Slot]) -> None:
        """Learn of the modules in a thread: a large one takes a moment, and the page is drawn before."""
        if not slots or self._looking.locked():
            return

        def look() -> None:
            with self._looking:
                if len(self._facts) > _MOST_MODULES:
                    self._facts.clear()
                for slot in slots:
                    self._facts[self._key(slot)] = _module(slot)
            self.edited += 1

        Thread(target=look, name="workbench-inspect", daemon=True).start()

    def _answer_edit(self, question: Mapping[str, Any]) -> Answer:
        self.draft.edit(question)
        self.edited += 1
        return self._answer_chain({})

    def _answer_apply(self, _question: Mapping[str, Any]) -> Answer:
        """Make the draft the chain, and replay it."""
        why = tuple(self.draft.changes)
        self._chain = self.draft.apply()
        self._applied()
        self.edited += 1
        if self._thread is not None and self._thread.is_alive():
            self.cancel()
            self._thread.join()
        self._start(why)
        return self._answer_chain({})

    def _applied(self) -> None:
        """The chain is another one."""

    def _answer_modules(self, _question: Mapping[str, Any]) -> Answer:
        """Paths of modules near those of the chain and below the working folder, to choose from."""
        folders = [slot.filter.path.parent.parent for slot in self.draft] + [Path()]
        found: dict[str, None] = {}
        for path in _modules(folders):
            shown = os.fspath(path)
            if visible(shown) == shown:  # one that cannot be shown as it is can be typed
                found[shown] = None
            if len(found) >= _MOST_MODULES:
                break
        return {}, {"paths": list(found), "longest": LONGEST_CONFIG}


def _module(slot: Slot) -> dict[str, str]:
    """What a module is, in a few words; why it cannot be replayed, where it cannot."""
    try:
        found = slot.filter.inspect()
    except WorkbenchError as error:
        return {"fault": visible(error.what)[:300]}
    here = found.verdict("this-workbench")
    fault = visible(here.reasons[0].text)[:300] if here.runs == "no" and here.reasons else ""
    sdk = f"{found.guess.sdk} {found.guess.sdk_version}".strip()
    return {
        "abi": found.abi,
        "language": found.guess.language,
        "sdk": visible(sdk),
        "size": size(found.size),
        "sha256": found.sha256,
        "fault": fault,
    }


def _modules(folders: list[Path]) -> Iterator[Path]:
    """`.wasm` files in folders and those below, a bounded look."""
    seen: set[Path] = set()
    waiting = [(folder, _DEPTH) for folder in folders]
    while waiting and len(seen) < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        try:
            real = folder.resolve()
            if real in seen:
                continue
            seen.add(real)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.endswith(".wasm") and entry.is_file():
                yield Path(entry.path)
            elif depth and entry.is_dir() and not entry.name.startswith((".", "node_modules", "target", "__pycache__")):
                waiting.append((Path(entry.path), depth - 1))
