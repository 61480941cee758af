"""The hosts that a filter may be meant for, and whether each would run it.

The table is `hosts.toml`, with the source of each entry. A verdict is about loading and linking, and about calls that a host is known
to fail: what a filter does once it runs is a replay's business.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from ..host.abi import Abi, HostInterface
from ..host.binary import Import, shown
from .outline import Outline, signature

__all__ = ["Host", "Reason", "Source", "Verdict", "callbacks", "hosts", "judge", "known_to"]

_WASI = ("wasi_snapshot_preview1", "wasi_unstable")
_RUNTIME = ("pthread_equal", "emscripten_notify_memory_growth")
_MOST_NAMED = 12
_PAGE = 65536
_IMPORTED_BY_SDKS = 25  # functions of 38
_CALLED_BY_SDKS = 20  # an SDK exports every callback, used or not: more than so many say nothing about what the filter needs


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entry of the table comes from, and in which version it was seen."""

    what: str
    url: str
    version: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One point of a verdict. `level` is `no` where it keeps the host from loading the filter, `warning` where it may, or `note`."""

    level: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`runs` is `yes`, `warning` or `no`, the worst of its reasons."""

    host: str
    title: str
    runs: str
    reasons: tuple[Reason, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Host:
    """One entry of `hosts.toml`; the fields are explained there."""

    id: str
    title: str
    abis: tuple[str, ...]
    functions: Mapping[str, Any]
    wasi: str
    wasi_modules: tuple[str, ...]
    allocators: tuple[str, ...]
    features: tuple[str, ...]
    sources: tuple[Source, ...]
    extra: Mapping[str, str] = field(default_factory=dict)
    extra_abis: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    callbacks: Mapping[str, str] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    newer: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Mapping[str, str], ...] = ()
    memory_limit: int = 0
    memory_import: bool = False
    strict_exports: bool = False
    abi_without_marker: str = ""

    def offers(self, interface: HostInterface, abi: Abi) -> dict[tuple[str, str], str]:
        """What a filter of that version may import, by module and name, with the type as text (empty where it is not known)."""
        core = {(each.module, each.name): str(each.type) for each in interface.host}
        here = {key: core[key] for key in interface.imports(abi)}
        named = self.functions.get(str(abi), self.functions.get("*", ()))
        if named == "core":
            offered = {key: type_ for key, type_ in here.items() if key[0] == "env"}
        else:
            offered = {("env", name): core.get(("env", name), "") for name in named}
            offered |= {("env", name): core["env", name] for name in _RUNTIME if self.memory_import}
        if not self.extra_abis or str(abi) in self.extra_abis:
            offered |= {("env", name): type_ for name, type_ in self.extra.items()}
        offered |= {("env", name): type_ for name, type_ in self.types.items()}
        wasi = {name: type_ for (module, name), type_ in core.items() if module == _WASI[0]}
        if self.wasi == "all":
            wasi |= dict.fromkeys(("proc_raise", "path_link", "path_symlink"), "")
        elif self.wasi != "core":
            wasi = {name: wasi.get(name, "") for name in _table()["wasi"][self.wasi]}
        return offered | {(module, name): type_ for module in self.wasi_modules for name, type_ in wasi.items()}


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "hosts.toml").read_text(encoding="utf-8"))


@cache
def hosts() -> tuple[Host, ...]:
    """Every host of the table, in its order."""
    made = []
    for entry in _table()["host"]:
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        values["sources"] = tuple(Source(**source) for source in entry["sources"])
        made.append(Host(**values))
    return tuple(made)


def callbacks(abi: Abi, exports: Collection[str], interface: HostInterface) -> dict[str, str]:
    """What Envoy looks up in a module that exports these names, by name, with the type as text."""
    found = {name: str(each.type) for name, each in interface.looked_up(abi, exports).items()}
    for name, type_ in _table()["callbacks"].items():
        if name in exports and name not in found and not (abi == Abi.V0_1_0 and name == "proxy_on_foreign_function"):
            found[name] = type_
    return found


def known_to(interface: HostInterface) -> dict[tuple[str, str], list[str]]:
    """Every function that some host offers in some ABI version, by module and name, with the titles of those hosts."""
    known: dict[tuple[str, str], list[str]] = {}
    for each in hosts():
        for key in {key for abi in Abi for key in each.offers(interface, abi)}:
            known.setdefault(key, []).append(each.title)
    return known


def judge(host: Host, found: Outline, abi: Abi | None, features: Collection[str], interface: HostInterface) -> Verdict:
    """Would this host run the module? Every reason at once."""
    reasons = list(_reasons(host, found, abi, features, interface))
    levels = {each.level for each in reasons}
    runs = "no" if "no" in levels else "warning" if "warning" in levels else "yes"
    return Verdict(host.id, host.title, runs, tuple(reasons), host.sources)


def _reasons(host: Host, found: Outline, abi: Abi | None, features: Collection[str], interface: HostInterface) -> Iterator[Reason]:
    if found.component:
        yield Reason("no", "it is a component, hosts load core modules", "Build for wasm32-wasip1, without `wasm-tools component new`")
        return
    if abi is None and host.abi_without_marker:
        abi = next(each for each in Abi if str(each) == host.abi_without_marker)
        yield Reason("warning", f"no ABI marker: it is taken for ABI {abi}", "Build it with a Proxy-Wasm SDK")
    if abi is None:
        yield Reason("no", "it exports no ABI marker", "Build it with a Proxy-Wasm SDK, as a library (cdylib, c-shared)")
        return
    if str(abi) not in host.abis:
        yield Reason("no", f"it is of ABI {abi}, this host knows {', '.join(host.abis)}", "Build it with an SDK of such a version")
        return
    yield from _import_reasons(host, found.imports, host.offers(interface, abi))
    yield from _export_reasons(host, found, abi, interface)
    yield from _memory_reasons(host, found)
    missing = [name for name in features if name not in host.features and name not in host.unsure]
    if missing:
        yield Reason("no", f"its engine does not take {_named(missing)}", "Build without these WebAssembly features")
    unsure = [name for name in features if name in host.unsure]
    if unsure:
        yield Reason("warning", f"whether its engine takes {_named(unsure)} depends on its version and build", "Try it, or build without")
    for note in host.notes:
        yield Reason("note", note["text"], note.get("remedy", ""))


def _import_reasons(host: Host, imports: Collection[Import], offered: Mapping[tuple[str, str], str]) -> Iterator[Reason]:
    functions = list(dict.fromkeys(each for each in imports if each.kind == "func"))
    missing = [f"{shown(each.module)}.{shown(each.name)}" for each in functions if (each.module, each.name) not in offered]
    if missing:
        wasi = all(each.startswith("wasi_") for each in missing)
        remedy = "Leave out what calls them" if wasi else "Leave out what calls them: an SDK made for this host asks for none of these"
        yield Reason("no", f"{_count(missing, 'import')} it does not have: {_named(missing)}", remedy)
    wrong = []
    for each in functions:
        type_, wanted = signature(each.type), offered.get((each.module, each.name), "")
        if type_ and wanted and type_ != wanted:
            wrong.append(f"{shown(each.name)} is {wanted} there, {type_} here")
    if wrong:
        yield Reason("no", f"{_count(wrong, 'import')} of another type: {_named(wrong)}", "Build it with an SDK made for this host")
    # an SDK that imports everything says nothing about what the filter calls
    everything = sum(each.module == "env" for each in functions) >= _IMPORTED_BY_SDKS
    level, rest = ("note", "; the SDK imports these whether they are used or not") if everything else ("warning", "")
    failing = [each.name for each in functions if each.name in host.failing]
    if failing:
        yield Reason(level, f"functions that fail there: {_named(failing)}{rest}", "Do without them on this host")
    newer = [each.name for each in functions if each.name in host.newer.get("names", ())]
    if newer:
        yield Reason(level, f"{_named(newer)}: {host.newer['text']}{rest}", "Take a build that has them")
    for kind in ("memory", "table", "global", "tag"):
        names = [f"{shown(each.module)}.{shown(each.name)}" for each in imports if each.kind == kind]
        if names and not (kind in ("memory", "table") and host.memory_import):
            yield Reason("no", f"it imports a {kind}, {_named(names)}: hosts give functions alone", f"Define the {kind} in the module")


def _export_reasons(host: Host, found: Outline, abi: Abi, interface: HostInterface) -> Iterator[Reason]:
    exported = {each.name: each for each in found.exports if each.kind == "func"}
    if not any(name in exported for name in host.allocators):
        other = [name for name in ("malloc", "proxy_on_memory_allocate") if name in exported]
        has = f", it exports {other[0]}, which this host does not look for" if other else ""
        yield Reason("no", f"it exports no {' or '.join(host.allocators)}{has}", "Export it: SDKs do")
    missing = [name for name in host.required if name not in exported]
    if missing:
        yield Reason("no", f"it exports no {_named(missing)}, which this host asks for", "Export them: SDKs do")
    wrong = []
    looked_up = callbacks(abi, {each.name for each in found.exports}, interface)
    for name in exported.keys() & looked_up.keys():
        wanted = host.callbacks.get(name, looked_up[name])
        type_ = signature(exported[name].type)
        if type_ and type_ != wanted:
            wrong.append(f"{name} must be {wanted}, is {type_}")
    if wrong:
        level, then = ("no", "refused") if host.strict_exports or host.callbacks else ("warning", "taken as missing")
        yield Reason(level, f"{_count(wrong, 'export')} of the wrong type, {then}: {_named(wrong)}", "Build it with one SDK version")
    unheard = [name for name in host.uncalled if name in exported]
    if unheard and sum(name.startswith("proxy_on_") for name in exported) < _CALLED_BY_SDKS:
        yield Reason("warning", f"it never calls {_named(unheard)}", "Do without them on this host")
    elif unheard:
        yield Reason("note", f"it never calls {_named(unheard)}; the SDK exports these whether they are used or not")


def _memory_reasons(host: Host, found: Outline) -> Iterator[Reason]:
    if not found.memories and not any(each.kind == "memory" for each in found.imports):
        yield Reason("no", "it has no memory", "Define and export one: compilers do")
    for memory in found.memories:
        size = memory.minimum * _PAGE
        if host.memory_limit and size > host.memory_limit and not memory.flags & 8:
            yield Reason(
                "no", f"it starts with {size >> 20} MiB of memory, the limit is {host.memory_limit >> 20} MiB", "Lower its initial memory"
            )
    if found.memories and not any(each.kind == "memory" for each in found.exports):
        yield Reason("no", "it does not export its memory", "Export it as `memory`: compilers do")


def _count(names: Collection[str], what: str) -> str:
    return f"{len(names)} {what}{'s' if len(names) != 1 else ''}"


def _named(names: Collection[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
