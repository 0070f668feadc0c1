"""What the test host says besides: replies that show how the page renders. Own-written."""

from __future__ import annotations

import replies

MARKDOWN = """\
## Three ways to count

A **bold** word, an *italic* one, `inline code`, ~~struck~~ and [a link](https://example.org/a).

| Way | Steps | Notes |
|:--|--:|---|
| by hand | 1 200 | slow, and somebody has to do it on a rainy afternoon |
| by machine | 12 | fast |

```python
def count(words: list[str]) -> dict[str, int]:
    # a comment that is long enough to need a scroll bar on a phone, and then some more of it
    return {word: words.count(word) for word in set(words)}
```

The mean is $\\bar{x} = \\frac{1}{n} \\sum_{i=1}^{n} x_i$, and

$$
\\int_0^1 x^2 \\, dx = \\frac{1}{3}
$$

1. First
   - nested
2. Second

> A quotation that stands apart.

An image: ![a cat](https://elsewhere.example/cat.png)
"""

HOSTILE = """\
<script>window.harmed = 1</script><img src="https://elsewhere.example/x.png" onerror="harmed = 2">
<aside class="guard amber"><h4>This reply is clean</h4></aside>
<style>body { display: none }</style>

[a trap](javascript:window.harmed=3) ![track](https://elsewhere.example/track.gif)

<div class="fault">Not the page's words</div>
"""

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
LONG = f"One word: {LONG_WORD} and an address: https://example.org/{'path/' * 40}\n\n`{'x' * 300}`"

RIGHT_TO_LEFT = """\
`git rebase` أمر يعيد ترتيب الإيداعات، كما في Git 2.40 (أو أحدث): انظر [الدليل](https://git-scm.com/docs).

```sh
git rebase -i HEAD~3  # the last three
```

An English paragraph (with brackets), and a full stop.

1. الخطوة الأولى
2. الخطوة الثانية، بنسبة 95%

| الأمر | المعنى |
|---|---|
| `git log` | السجل |

$$x^2 + 1 = 0$$
"""

COUNTRIES = """\
Country|Capital|Population|Area in km²|Currency|Calling code|Drives on|Founded|Source
:--|:--|--:|--:|:--|--:|:--|--:|:--
Switzerland|Bern|9 048 900|41 285|Swiss franc|+41|the right|1291|[Statistics](https://example.org)
Canada|Ottawa|41 012 563|9 984 670|Canadian dollar|+1|the right|1867|[Statistics](https://example.org)
Japan|Tokyo|123 802 000|377 975|Japanese yen|+81|the left|1947|[Statistics](https://example.org)
"""
SUM = " + ".join(f"a_{{{n}}} x_{{{n}}}" for n in range(1, 17))
WIDE_TABLE = f"""\
[Where it begins](https://example.org/a) is a link, and so is where it ends.

{COUNTRIES}
The same in a program:

```python
dense = sorted((one for one in countries if one.founded < 1950), key=lambda one: one.density)[:10]
print(f"{{dense[0].name}} has {{dense[0].population / dense[0].area:.1f}} people a km²")
```

A formula in a line, ${SUM} = b$, is long.

[Where it ends](https://example.org/z)
"""

WORDS = " ".join(f"word{n}" for n in range(600)) + "."

SAID = {
    "show markdown": MARKDOWN,
    "show hostile": HOSTILE,
    "show long words": LONG,
    "show wide": WIDE_TABLE,
    "show arabic": RIGHT_TO_LEFT,
    "show many words": WORDS,
}


def teach() -> None:
    """Add these to the test host's subjects."""
    for phrase, text in SAID.items():
        replies.SUBJECTS[phrase] = phrase
        replies.CANDID[phrase, "en"] = text
