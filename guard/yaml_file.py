"""Read a YAML file into a pydantic model; errors name file, line, key and the nearest valid word.

Only plain YAML: no tags, no aliases to anything but plain values, no duplicate keys, no nesting
that would exhaust the parser's stack.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .errors import ConfigError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SECRET = "secret"  # noqa: S105 - the type of an error whose value must not be repeated
TAG = "tag:yaml.org,2002:"
PLAIN = ("null", "bool", "int", "float", "str", "timestamp", "seq", "map", "merge")
TAGS = frozenset(TAG + name for name in PLAIN)
DEEPEST = 100  # levels; libyaml's own stack ends somewhere beyond ten thousand
BRACKET = re.compile(r"[\[\]{}]")
INDENTED = re.compile(rf"^[ ?:-]{{{4 * DEEPEST}}}", re.MULTILINE)


class Loader(SafeLoader):  # type: ignore[misc]
    """Safe YAML in which only `true` and `false` are booleans: `off` is a mode, `NO` a country."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
    }


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load(path: Path, model: type[M], **extra: Any) -> M:
    """Read `path` as a `model`; `extra` are values that the file's place gives (a pack's id, say).

    Raises:
        ConfigError: the file is missing, is not YAML, or does not fit the model.
    """
    root, data = parse(path)
    try:
        return model.model_validate({**data, **extra})
    except ValidationError as error:
        errors = error.errors()
        # a mistyped key also makes the right one missing: the typing error is the cause
        first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
        raise explain(first, root, model, path) from error


def read(path: Path) -> dict[Any, Any]:
    """The plain mapping in a file.

    Raises:
        ConfigError: the file is missing, is not YAML, or holds no mapping.
    """
    return parse(path)[1]


def parse(path: Path) -> tuple[yaml.Node | None, dict[Any, Any]]:
    """The file's nodes, for line numbers, and its plain mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from error
    try:
        refuse_deep_nesting(text, path)
        loader = Loader(text)
        root = loader.get_single_node()
        refuse_what_is_not_plain(root, path, set())
        data = loader.construct_document(root) if root is not None else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            f"is not valid YAML: {getattr(error, 'problem', None) or error}",
            file=path,
            line=mark.line + 1 if mark else None,
        ) from error
    except (ValueError, AttributeError) as error:  # PyYAML, on `2024-13-45` or `!!int many`
        raise ConfigError(f"holds a value that cannot be read: {error}", file=path) from error
    if not isinstance(data, dict):
        raise ConfigError("holds no mapping of keys to values", file=path, line=1)
    return root, data


def locate(path: Path, loc: tuple[int | str, ...]) -> int | None:
    """The line of a value in a file that has been loaded, for checks that look across keys."""
    return line_of(Loader(path.read_text(encoding="utf-8")).get_single_node(), loc)


def refuse_deep_nesting(text: str, path: Path) -> None:
    depth = 0
    for bracket in BRACKET.finditer(text):
        depth = depth + 1 if bracket[0] in "[{" else max(depth - 1, 0)
        if depth > DEEPEST:
            line = text.count("\n", 0, bracket.start()) + 1
            raise ConfigError("is nested too deeply", file=path, line=line)
    deep = INDENTED.search(text)
    if deep:
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError("is nested too deeply", file=path, line=line)


def refuse_what_is_not_plain(node: yaml.Node | None, path: Path, known: set[int]) -> None:
    """No tags, no collection twice (that is an alias, and how a small file grows), no twin keys.

    PyYAML keeps the last of two equal keys without a word; an operator wants to know.
    """
    if node is None:
        return
    line = node.start_mark.line + 1
    if node.tag not in TAGS:
        name = node.tag.removeprefix(TAG)
        raise ConfigError(f"tags are not allowed, {name!r} neither", file=path, line=line)
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in known:
        raise ConfigError("an alias may only stand for a plain value", file=path, line=line)
    known.add(id(node))
    if isinstance(node, yaml.MappingNode):
        refuse_twin_keys(node, path)
    for item in node.value:
        refuse_what_is_not_plain(item[1] if isinstance(item, tuple) else item, path, known)


def refuse_twin_keys(node: yaml.MappingNode, path: Path) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError("a key must be a word", file=path, line=line)
        if key.value in seen:
            raise ConfigError(
                f"key {key.value!r} stands twice", file=path, line=line, key=key.value
            )
        seen.add(key.value)


def explain(
    error: ErrorDetails, root: yaml.Node | None, model: type[BaseModel], path: Path
) -> ConfigError:
    """Turn the first pydantic error into one that an operator can act on."""
    loc = error["loc"]
    key = str(loc[-1]) if loc else ""
    where = ".".join(str(part) for part in loc)
    line = line_of(root, loc)
    if error["type"] == "extra_forbidden":
        hint = nearest(key, fields_at(model, loc[:-1]))
        return ConfigError(
            f"unknown key {key!r} in {where!r}.{hint}", file=path, line=line, key=key
        )
    if error["type"] == "missing":
        return ConfigError(f"key {key!r} is missing ({where})", file=path, line=line, key=key)
    hint = ""
    if error["type"] == "literal_error":
        options = [o.strip(" '") for o in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        hint = nearest(str(error["input"]), options)
    message = error["msg"].removeprefix("Value error, ")
    given = "" if error["type"] == SECRET else f", got {str(error['input'])[:80]!r}"
    return ConfigError(
        f"{where}: {message}{given}.{hint}",
        file=path,
        line=line,
        key=key,
    )


def line_of(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int | None:
    """The 1-based line of the deepest part of `loc` that the file holds."""
    line = node.start_mark.line + 1 if node is not None else None
    for part in loc:
        step = child(node, part)
        if step is None:
            continue  # a part that pydantic adds, such as the name of a union's member
        mark, node = step
        line = mark.line + 1
    return line


def child(node: yaml.Node | None, part: int | str) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a mapping at `loc` may hold."""
    current: Any = model
    for part in loc:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            break
        if isinstance(part, str) and part in current.model_fields:
            current = inner_model(current.model_fields[part].annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def inner_model(annotation: Any) -> Any:
    """The pydantic model inside `list[X]`, `dict[str, X]`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = inner_model(argument)
        if found is not None:
            return found
    return None
