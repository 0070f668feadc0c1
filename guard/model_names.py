"""Whether two ids name one model: hosts write them in ways of their own.

Other owners and cases, `:provider` after the id, `v3p3` for 3.3, how the weights are served
(`-turbo`, `-fp8`, `q4_K_M`) and a tag of Ollama's are all one model; another size, a distillation,
another release that is known are not. Not covered: a name that says nothing, such as `default`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

LONGEST = 200  # characters; the Hub takes 96 for each part
SERVED = "|".join(
    (
        "turbo|fast|fastest|tput|tee|free|maas|nitro|reference|latest|hf|original|dynamic|quantized",
        "gguf|ggml|safetensors|awq|gptq|exl2|mlx|bnb|marlin|autoround|qat",
        r"bf16|f16|f32|(?:nv|mx)?fp(?:4|6|8|16|32)|nf4|u?int[48]|w\d+a\d+|[2-8]-?bits?",
        r"i?q\d(?:[_-](?:k|0|1|xxs|xs|nl|s|m|l|xl))*",
        r"\d{5}-of-\d{5}|v\d:\d",
        "(?<=instruct-)lite|(?<=chat-)lite|(?<=it-)lite",  # DeepSeek-V2-Lite is another model
    )
)
SERVING = re.compile(rf"[-_.:](?:{SERVED})$")
SIZE_TAG = re.compile(r":(?=e?\d)")  # Ollama's, `qwen2.5:72b`; other tags name a provider
DOT = re.compile(r"(?<=\d)p(?=\d)")
DAY = re.compile(r"[-_@](20\d\d-?[01]\d-?[0-3]\d|[01]\d-20\d\d)(?![0-9])")
RELEASE = re.compile(r"2[2-9](?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])")  # 2507, 0528
TOKEN = re.compile(r"\d+[a-z]*|[^\W\d_]+")
CHAT = frozenset("instruct chat it inst versatile instant".split())
HOUSE = frozenset({"c4ai", "models", "model"})  # what hosts and makers put before a name


class Name(NamedTuple):
    """What an id says: `core` are family, version and size; `release` is a date in it."""

    core: tuple[str, ...]
    chat: bool
    release: str
    owner: frozenset[str]


@lru_cache(maxsize=4096)
def named(id_: str) -> Name:
    """The parts of an id."""
    path, _, name = id_[:LONGEST].casefold().strip().rpartition("/")
    owner = path.rpartition("/")[2]
    text = without_serving(name)
    days = DAY.findall(text)
    tokens = TOKEN.findall(DOT.sub(".", DAY.sub("", text)).removeprefix("c4ai-"))
    releases = [token for token in tokens[1:] if RELEASE.fullmatch(token)]
    core = [t for n, t in enumerate(tokens) if t not in CHAT and not (n and RELEASE.fullmatch(t))]
    return Name(
        core=tuple(t for t in core if t != "v"),
        chat=not CHAT.isdisjoint(tokens),
        release="".join((*days, *releases)),
        owner=frozenset(TOKEN.findall(owner)) - HOUSE,
    )


def without_serving(name: str) -> str:
    """A name without how its weights are served, and without the provider that serves them."""
    text, before = SERVING.sub("", name), name
    while text != before:
        text, before = SERVING.sub("", text), text
    if SIZE_TAG.search(text):
        return SIZE_TAG.sub("-", text, count=1)
    head, tag, _ = text.partition(":")
    return without_serving(head) if tag else text


def same_model(asked: str, answered: str, known: Iterable[str] = ()) -> bool:
    """Whether a host that was asked for one model and answers as another means the same.

    Args:
        known: ids of models; a release that is one of them is not another without its date.
    """
    one, other = named(asked), named(answered)
    if not same_core(one, other):
        return False
    if one.release != other.release:
        dates_differ = bool(one.release and other.release)
        return not dates_differ and one.chat == other.chat and not is_known(other, known)
    bare = not (one.owner and other.owner)
    return one.chat == other.chat or bare or bool(one.release)


def same_core(one: Name, other: Name) -> bool:
    """One may have the owner before the name: `meta-llama-3.1-8b` is `meta-llama/Llama-3.1-8B`."""
    short, long = sorted((one.core, other.core), key=len)
    extra, rest = long[: len(long) - len(short)], long[len(long) - len(short) :]
    return bool(short) and rest == short and set(extra) <= one.owner | other.owner


def is_known(name: Name, known: Iterable[str]) -> bool:
    return any(found[:3] == name[:3] for found in map(named, known))
