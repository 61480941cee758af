"""What objects of Istio have in common: a name, an age, and words on which traffic they are for, which no replay looks at."""

from __future__ import annotations

from dataclasses import dataclass

from ..services.yamlfile import Item
from .documents import listed, mapping, shown, string
from .plugin_config import Reading

__all__ = ["MeshObject", "audience", "note_audience", "plainly", "read_object"]

_LONGEST = 80


@dataclass(frozen=True)
class MeshObject:
    """One of them; `created` is empty where the file does not say when that was, `spec` has the fields of its kind."""

    item: Item
    name: str
    namespace: str
    created: str
    spec: dict[str, Item]


def read_object(item: Item, known: tuple[str, ...], required: tuple[str, ...] = ()) -> MeshObject:
    """An object whose `spec` has these fields."""
    fields = mapping(item, ("apiVersion", "kind", "metadata", "spec", "status"), ("metadata", "spec"))
    about = mapping(fields["metadata"], None, ("name",))
    created = about.get("creationTimestamp")
    return MeshObject(
        item,
        string(about["name"]),
        string(about["namespace"]) if "namespace" in about else "default",
        "" if created is None else str(created.value),
        mapping(fields["spec"], known, required),
    )


def audience(spec: dict[str, Item]) -> str:
    """Which workloads and which of their traffic an object is for, in words; empty where it is for all."""
    told: list[str] = []
    for selector, field in (("selector", "matchLabels"), ("workloadSelector", "labels")):
        labels = mapping(spec[selector], (field,)).get(field) if selector in spec else None
        told += [f"{key}={plainly(value)}" for key, value in ({} if labels is None else mapping(labels, None)).items()]
    targets = [*([spec["targetRef"]] if "targetRef" in spec else ()), *(listed(spec["targetRefs"]) if "targetRefs" in spec else ())]
    for target in targets:
        fields = mapping(target, ("group", "kind", "name", "namespace"), ("kind", "name"))
        told.append(f"{plainly(fields['kind'])} {plainly(fields['name'])}")
    for each in listed(spec["match"]) if "match" in spec else ():
        fields = mapping(each, ("mode", "ports"))
        told += [f"mode {plainly(fields['mode'])}"] if "mode" in fields else []
        for port in listed(fields["ports"]) if "ports" in fields else ():
            told.append(f"port {plainly(mapping(port, ('number',), ('number',))['number'])}")
    return ", ".join(told)


def plainly(item: Item) -> str:
    """A value in words, without quotes."""
    return item.value[:_LONGEST] if isinstance(item.value, str) else shown(item)


def note_audience(item: Item, name: str, told: str, reading: Reading) -> None:
    """Note for whom an object is, where that is not everybody."""
    if told:
        reading.note(item, f"{name} is for {told} alone; here every exchange meets it")
