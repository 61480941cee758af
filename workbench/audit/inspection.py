"""What a filter's module is, and where it would run: the record that `Filter.inspect()` and `workbench inspect` give.

Everything here is plain data. Names come out of the module as they are: `text` and `html` make them safe to show.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FilterLoadError
from ..host.abi import ALLOCATORS, Abi, HostInterface
from ..host.binary import WasmBinary
from ..host.compose import core_interface
from ..host.features import features_used, refused_here
from ..host.module import DEFAULT_MEMORY_LIMIT, FilterModule, detect_abi, read_file
from .hosts import Reason, Verdict, callbacks, hosts, judge, known_to
from .outline import Outline, Section, Table, outline, signature
from .sdk import Guess, guess

__all__ = ["CustomSection", "ExportedItem", "ImportedItem", "Inspection", "MemoryRange", "inspect_module"]

_PAGE = 65536
_MAGIC = b"\0asm"
_DWARF = ".debug_"
_STARTS = ("_initialize", "_start", "main", "__main_void")
_CALLED = ("allocator", "start", "callback")
_THIS = "this-workbench"


@dataclass(frozen=True, slots=True)
class ImportedItem:
    """Something the module wants. `known` says whether Envoy 1.40 offers it to a filter of this ABI; `reason` why not."""

    module: str
    name: str
    kind: str
    type: str
    known: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """Something the module offers. `role` is marker, allocator, start, callback, memory or other; `reason` what is wrong with it."""

    name: str
    kind: str
    type: str
    role: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """A memory: bytes at the start and at most (None without an own limit), and what sets it apart (`shared`, `64-bit`)."""

    minimum: int
    maximum: int | None
    traits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CustomSection:
    """A custom section: its name, and bytes of content."""

    name: str
    size: int


@dataclass(frozen=True)
class Inspection:
    """All that is known of a module without running it.

    `abi` is empty where no marker names one; `features` are proposals beyond WebAssembly 1.0 that its code uses, by wasmtime's names;
    `problems` are places where the file breaks the format; `verdicts` say for each host whether it would run there.
    """

    path: Path
    size: int
    sha256: str
    component: bool
    abi: str
    guess: Guess
    imports: tuple[ImportedItem, ...]
    exports: tuple[ExportedItem, ...]
    memories: tuple[MemoryRange, ...]
    tables: tuple[Table, ...]
    start_function: int | None
    functions: int
    data_segments: int
    sections: tuple[Section, ...]
    custom_sections: tuple[CustomSection, ...]
    dwarf_bytes: int
    module_name: str
    named_functions: int
    producers: tuple[tuple[str, str, str], ...]
    target_features: tuple[str, ...]
    features: tuple[str, ...]
    problems: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def unknown_imports(self) -> tuple[ImportedItem, ...]:
        """The imports that Envoy 1.40 does not have, or has with another type."""
        return tuple(each for each in self.imports if not each.known)

    @property
    def called(self) -> tuple[ExportedItem, ...]:
        """The exports that Envoy calls."""
        return tuple(each for each in self.exports if each.role in _CALLED)

    @property
    def not_called(self) -> tuple[ExportedItem, ...]:
        """The exports that it does not call."""
        return tuple(each for each in self.exports if each.role not in _CALLED)

    def verdict(self, host: str) -> Verdict:
        """The verdict for one host by its id; KeyError for none of that id."""
        for each in self.verdicts:
            if each.host == host:
                return each
        raise KeyError(host)

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it: mappings, lists, text and numbers."""
        return asdict(self) | {"path": os.fspath(self.path)}

    def text(self) -> str:
        """The report for a terminal."""
        from .text import report

        return report(self)

    def __repr__(self) -> str:
        runs = sum(each.runs == "yes" for each in self.verdicts)
        return f"<Inspection of {self.path.name!r}: ABI {self.abi or 'unknown'}, runs on {runs} of {len(self.verdicts)} hosts>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .html import report_html

        return {"text/html": report_html(self), "text/plain": repr(self)}


def inspect_module(path: str | os.PathLike[str], memory_limit: int = DEFAULT_MEMORY_LIMIT) -> Inspection:
    """Look at a module, whether this host would load it or not.

    `memory_limit` is what the filter would be given here. Raises `FilterLoadError` only for what is no wasm file at all.
    """
    where = os.fspath(path)
    data = read_file(path)
    if data[:4] != _MAGIC or len(data) < 8:
        WasmBinary.parse(data, where)  # raises, and says what it is instead
    found = outline(data, where)
    interface = core_interface()
    abi = detect_abi(found.binary) if found.binary is not None else _marker(found)
    features, invalid = ((), "") if found.component else features_used(data)
    problems = list(found.problems)
    if not found.component:
        # what the engine takes is no broken file, whatever our own reader cannot read in it
        problems = problems or [f"not valid: {invalid}"] if invalid else []
    verdicts = [_here(path, data, memory_limit, interface)]
    verdicts += [_judged(judge(host, found, abi, features, interface), problems) for host in hosts()]
    imports = _imports(found, abi, interface)
    exports = _exports(found, abi, interface)
    return Inspection(
        path=Path(path),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        component=found.component,
        abi="" if abi is None else str(abi),
        guess=guess(data, found),
        imports=imports,
        exports=exports,
        memories=tuple(_memory(each.minimum, each.maximum, each.flags) for each in found.memories),
        tables=tuple(found.tables),
        start_function=found.start,
        functions=found.functions,
        data_segments=found.data_segments,
        sections=tuple(found.sections),
        custom_sections=tuple(CustomSection(each.name, each.size) for each in found.customs),
        dwarf_bytes=sum(each.size for each in found.customs if each.name.startswith(_DWARF)),
        module_name=found.module_name,
        named_functions=found.named_functions,
        producers=tuple(found.producers),
        target_features=tuple(found.target_features),
        features=features,
        problems=tuple(problems),
        verdicts=tuple(verdicts),
    )


def _marker(found: Outline) -> Abi | None:
    markers = {abi.marker: abi for abi in Abi}
    return next((markers[each.name] for each in found.exports if each.kind == "func" and each.name in markers), None)


def _here(path: str | os.PathLike[str], data: bytes, memory_limit: int, interface: HostInterface) -> Verdict:
    """What this workbench does with it: the very checks of a replay."""
    reasons: list[Reason] = []
    try:
        FilterModule.load(path, interface, memory_limit)
    except FilterLoadError as error:
        reasons = [Reason("no", part, "") for part in error.what.split("; ")]
        reasons[-1] = Reason("no", reasons[-1].text, error.remedy)
    if not reasons and (refused := refused_here(data)):
        reasons.append(Reason("no", f"its engine does not take the code: {refused}", "Build without that WebAssembly feature"))
    return Verdict(_THIS, "This workbench", "no" if reasons else "yes", tuple(reasons), ())


def _judged(verdict: Verdict, problems: list[str]) -> Verdict:
    if not problems:
        return verdict
    broken = Reason("no", problems[0], "Build or copy it again")
    return Verdict(verdict.host, verdict.title, "no", (broken, *verdict.reasons), verdict.sources)


def _imports(found: Outline, abi: Abi | None, interface: HostInterface) -> tuple[ImportedItem, ...]:
    envoy = hosts()[0]
    offered = {each: envoy.offers(interface, each) for each in Abi}
    known = known_to(interface)
    made = []
    for each in found.imports:
        key = (each.module, each.name)
        versions = [version for version in Abi if key in offered[version]]
        type_ = signature(each.type)
        reason = ""
        if each.kind == "global" or each.kind == "tag":
            reason = f"a {each.kind}: Envoy gives functions alone"
        elif each.kind == "func" and not versions:
            others = known.get(key, ())
            reason = f"unknown to Envoy; known to {', '.join(others)}" if others else "unknown to Envoy and to every host of the table"
        elif each.kind == "func" and abi is not None and abi not in versions:
            reason = f"only for ABI {', '.join(map(str, versions))}, the module is of {abi}"
        elif each.kind == "func" and type_ and type_ != (wanted := offered[abi if abi is not None else versions[-1]][key]):
            reason = f"wrong type: Envoy has {wanted}"
        made.append(ImportedItem(each.module, each.name, each.kind, type_, not reason, reason))
    return tuple(made)


def _exports(found: Outline, abi: Abi | None, interface: HostInterface) -> tuple[ExportedItem, ...]:
    markers = {each.marker for each in Abi}
    names = {each.name for each in found.exports}
    looked_up = callbacks(abi if abi is not None else Abi.V0_2_1, names, interface)
    made = []
    for each in found.exports:
        type_ = signature(each.type)
        reason = ""
        if each.kind == "memory":
            role = "memory"
        elif each.name in markers and each.kind == "func":
            role = "marker"
        elif each.name in looked_up:
            role = "allocator" if each.name in ALLOCATORS else "start" if each.name in _STARTS else "callback"
            if type_ and type_ != looked_up[each.name]:
                reason = f"wrong type: Envoy calls {looked_up[each.name]} and refuses the module"
            elif each.kind != "func":
                role, reason = "other", f"a {each.kind}, not a function: Envoy takes it as missing"
        else:
            role = "other"
            if each.name.startswith("proxy_abi_version"):
                reason = "no ABI version that hosts know"
            elif each.name in ALLOCATORS or each.name in _STARTS:
                reason = "not called: another export of that purpose goes first"
            elif each.name.startswith("proxy_"):
                reason = "not called by Envoy"
        made.append(ExportedItem(each.name, each.kind, type_, role, reason))
    return tuple(made)


def _memory(minimum: int, maximum: int | None, flags: int) -> MemoryRange:
    names = ((2, "shared"), (4, "64-bit"), (8, "own page size"))
    traits = tuple(name for bit, name in names if flags & bit)
    page = 1 if flags & 8 else _PAGE
    return MemoryRange(minimum * page, None if maximum is None else maximum * page, traits)
