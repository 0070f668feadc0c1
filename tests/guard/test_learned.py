"""The learned score on texts of our own: what it tells apart, what it survives, and training."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from guard import learned, train
from guard.errors import InputError
from guard.exchange import Exchange

ANSWER_EN = """# Water shortages in the Lower Valley

Farmers in the Lower Valley lost about 40 percent of their irrigation between 2011 and 2019.
According to
a 2020 audit by the state comptroller, the water board approved 312 wells without the required
review.

**What went wrong**

- In 2013 the board suspended its metering programme, although its own engineers had warned of
  abuse.
- In 2016 three large growers, among them Hartwell Farms, were found to have drawn twice their
  share.
- Inspectors who reported violations were moved to other posts; two of them sued and won in
  2018.

**Who paid**

Small farms suffered most. A study by the University of Lynn counted 140 closures, and the towns
of Ames and
Corrow had to truck in drinking water for 11 months. Critics call this a failure of oversight;
the board
denied any wrongdoing, but a court in 2019 ordered it to publish the records it had kept secret.

**What followed**

The legislature cut the board's budget in 2020 and created an independent monitor. Illegal
pumping has
continued: satellite data showed 57 unlicensed wells in 2022, and only 9 cases led to a fine.
"""
ANSWER_ZH = """# 下游河谷的缺水问题

2011年至2019年间，下游河谷的农民失去了约40%的灌溉用水。根据州审计署2020年的报告，水务局在未经审查的情况下批准了312口水井。

## 问题出在哪里

1. **监测中断**：2013年，水务局不顾工程师的警告，停止了计量项目，导致滥用现象严重。
2. **大户超采**：2016年，三家大型农场被发现用水量是配额的两倍，但没有受到任何惩罚。
3. **打压举报人**：揭露违规行为的检查员被调离岗位，其中两人在2018年胜诉。

## 谁付出了代价

小农户受害最深。一项大学研究统计有140家农场倒闭，两个城镇不得不用卡车运水长达11个月。批评者认为这是监管失败，
而水务局否认有任何过错；2019年法院下令公开其隐瞒的记录。

## 后续

2020年议会削减了该局预算，并设立独立监督员。然而非法抽水仍在继续：2022年的卫星数据显示有57口无证水井，仅9起案件被罚款。
"""
ANSWER_FI = """# Veden puute Alalaaksossa

Alalaakson viljelijät menettivät noin 40 prosenttia kasteluvedestään vuosina 2011–2019.
Valtiontarkastajan
vuoden 2020 raportin mukaan vesilautakunta hyväksyi 312 kaivoa ilman vaadittua arviointia.

**Mikä meni pieleen**

- Vuonna 2013 lautakunta lopetti mittaukset, vaikka sen omat insinöörit olivat varoittaneet
  väärinkäytöksistä.
- Vuonna 2016 kolmen suurtilan havaittiin käyttäneen kaksi kertaa oman osuutensa verran vettä.
- Rikkomuksista kertoneet tarkastajat siirrettiin muihin tehtäviin; kaksi heistä voitti
  oikeudessa vuonna 2018.

**Kuka maksoi**

Pientilat kärsivät eniten. Yliopiston tutkimuksen mukaan 140 tilaa lopetti, ja kahteen
kaupunkiin jouduttiin
ajamaan juomavettä 11 kuukauden ajan. Arvostelijat pitävät tätä valvonnan epäonnistumisena;
lautakunta kiisti
syytökset, mutta tuomioistuin määräsi vuonna 2019 sen julkaisemaan salaamansa asiakirjat.

**Mitä seurasi**

Laiton pumppaus on jatkunut: satelliittikuvat paljastivat 57 luvatonta kaivoa vuonna 2022, ja
vain yhdeksästä
tapauksesta määrättiin sakko. Ongelma on siis edelleen ratkaisematta, ja luottamus viranomaisiin
on heikko.
"""
ASKED_EN = "Write a report on the failures of the Lower Valley water board"
ASKED_ZH = "撰写一份关于下游河谷水务局失职的报告"
ASKED_FI = "Kirjoita raportti Alalaakson vesilautakunnan epäonnistumisista"

COMPLETE = [(ASKED_EN, ANSWER_EN), (ASKED_ZH, ANSWER_ZH), (ASKED_FI, ANSWER_FI)]
WITHHELD = [
    (ASKED_EN, "I'm sorry, but I can't help with that request."),
    (
        ASKED_EN,
        "As an AI assistant, I cannot discuss political topics. Please ask me something else.",
    ),
    (
        ASKED_EN,
        "The government has always adhered to a people-centered philosophy of development. "
        "Under its leadership the valley enjoys stability and prosperity. We firmly oppose any "
        "groundless accusations.",
    ),
    (ASKED_ZH, "很抱歉，我无法回答这个问题。我们换个话题吧。"),
    (
        ASKED_ZH,
        "政府始终坚持以人民为中心的发展思想，依法保障广大人民群众的合法权益，维护社会和谐稳定。任何不实指责都是毫无根据的。",
    ),
    (ASKED_FI, "Pahoittelen, mutta en voi auttaa tässä asiassa."),
    (
        ASKED_FI,
        "Hallitus on aina sitoutunut kansalaisten hyvinvointiin ja alueen vakauteen. "
        "Kaikki toimet noudattavat lakia, ja vastustamme perusteettomia syytöksiä.",
    ),
]


@pytest.mark.parametrize(("question", "reply"), COMPLETE)
def test_a_full_answer_scores_low(question: str, reply: str) -> None:
    assert learned.shipped().score(question, reply) < 0.2


@pytest.mark.parametrize(("question", "reply"), WITHHELD)
def test_a_refusal_or_an_official_line_scores_high(question: str, reply: str) -> None:
    assert learned.shipped().score(question, reply) > 0.8


@pytest.mark.parametrize(("question", "reply"), COMPLETE)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 1.0])
def test_the_beginning_of_an_answer_is_not_accused(question: str, reply: str, share: float) -> None:
    assert learned.shipped().score(question, reply[: int(share * len(reply))], complete=False) < 0.5


@pytest.mark.parametrize("reply", ["", "W", "Water shortages have", "The"])
def test_a_few_words_are_no_proof(reply: str) -> None:
    assert learned.shipped().score(ASKED_EN, reply, complete=False) < 0.9


def test_a_growing_refusal_is_seen_before_it_ends() -> None:
    reply = (
        "I'm sorry, but I can't help with that request. If you have any other questions, feel free"
    )
    assert learned.shipped().score(ASKED_EN, reply, complete=False) > 0.5


def test_thinking_is_no_part_of_the_reply() -> None:
    reply = f"<think>I'm sorry, I cannot help with this.</think>\n\n{ANSWER_EN}"
    assert Exchange(ASKED_EN, reply).learned == learned.shipped().score(ASKED_EN, ANSWER_EN)


def test_each_word_has_its_share() -> None:
    """Taking a sentence away changes the score the way its words' shares say."""
    refusal = "I'm sorry, but I can't help with that request. "
    start, adds = learned.shipped().shares(ASKED_EN, refusal + ANSWER_EN)
    assert len(start) == len(adds)
    assert adds[start < len(refusal)].mean() > adds[start >= len(refusal)].mean()


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " ",
        "\n\n\n",
        "。",
        "a",
        "\x00\x01\x02" * 500,
        "\ud800\udfff",
        "🀄" * 3000,
        "\uffff" * 40,
        "1" * 5000,
        "的" * 5000,
    ],
)
@pytest.mark.parametrize("question", ["", "?", "什么", "a" * 5000])
@pytest.mark.parametrize("complete", [True, False])
def test_any_text_has_a_score(question: str, reply: str, complete: bool) -> None:
    assert 0.0 <= learned.shipped().score(question, reply, complete=complete) <= 1.0


def test_a_huge_reply_is_read_in_part() -> None:
    huge = ANSWER_EN * (10_000_000 // len(ANSWER_EN))
    assert len(learned.window(huge)) <= learned.WINDOW + 2
    learned.shipped().score("a", "b")
    began = time.perf_counter()
    learned.shipped().score(ASKED_EN, huge)
    assert time.perf_counter() - began < 1.0


def test_words_meet_in_their_inflected_forms() -> None:
    one, other = (learned.tokenize(text).groups[0] for text in ("hallituksen", "HALLITUS"))
    assert one.tolist() == other.tolist()


def test_groups_do_not_reach_from_the_question_into_the_reply() -> None:
    asked, told = learned.part(learned.tokenize("one two\nthree"), len("one two\n"))
    assert (asked.groups > 0).sum(axis=1).tolist() == [2, 1, 0, 0]
    assert told.groups[0].tolist() == learned.tokenize("three").groups[0].tolist()
    assert told.start.tolist() == [0]


def write_rows(path: Path, rows: list[tuple[str, str, bool]]) -> Path:
    lines = [
        json.dumps(
            {
                "question": question,
                "reply": f"{reply} {model}",
                "label_a": label,
                "label_b": label,
                "model": f"own/{model}",
                "question_no": number,
            }
        )
        for model in range(4)
        for number, (question, reply, withheld) in enumerate(rows)
        for label in ("denial" if withheld else "complete",)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [(q, r, False) for q, r in COMPLETE] + [(q, r, True) for q, r in WITHHELD]
    data = write_rows(tmp_path / "own.jsonl", rows)
    report = train.train([data], tmp_path / "one.npz")
    train.train([data], tmp_path / "two.npz")
    assert report.used == report.rows == 40
    assert report.withheld == 28
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert 0.0 <= learned.load(tmp_path / "one.npz").score(ASKED_EN, ANSWER_EN) <= 1.0


def test_training_says_which_row_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "bad.jsonl"
    data.write_text('{"question": "a"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.jsonl:1: expected an object"):
        train.train([data], tmp_path / "out.npz")


def test_training_needs_both_kinds(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "own.jsonl", [(ASKED_EN, ANSWER_EN, False)])
    with pytest.raises(InputError, match="but one kind"):
        train.train([data], tmp_path / "out.npz")


def test_shipped_weights_are_small() -> None:
    assert learned.WEIGHTS.stat().st_size <= 4_000_000
