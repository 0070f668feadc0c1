"""Runs on the Hub, against a real host that speaks its protocol: what is sent, what is read back.

Not covered: xet, which huggingface_hub uploads by where the Hub says so, and the Hub itself.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import hub_datasets
import pytest
import replies
import yaml
from hub_datasets import READS, WRITES, Host
from pyarrow import Table, parquet

from guard.audit import report, sharing
from guard.audit.findings import findings
from guard.audit.plan import Question, Scope
from guard.audit.rating import Assigned, Judging, Rating
from guard.audit.record import (
    JOURNAL,
    OPINIONS,
    RUN,
    SUMMARY,
    TABLE,
    Answer,
    Run,
    keep_whole,
    latest,
    read,
    run_of,
    summary_of,
    versions,
)
from guard.audit.redaction import host_name, provider_name
from guard.audit.whole import of_run
from guard.errors import CandorError, ConfigError, HubError, InputError
from guard.hub import Hub

ROOT = Path(__file__).parents[2]
REPO = "acme/audits"
BEGUN = "2026-11-20T10:00:00+00:00"
LATER = "2026-11-21T10:00:00+00:00"
OWN_HOST = "http://operator:pa55word@gpu-7.corp.internal:8000/v1?key=k3y"
SECRETS = ("pa55word", "k3y", "gpu-7", "corp.internal", "/srv/weights", WRITES)
SAID = "I cannot discuss this topic, says the model."


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("HF_TOKEN", WRITES)
    with hub_datasets.running() as host:
        yield host


def answer(model: str, host: str, kind: Any, pair: int) -> Answer:
    asked = Question(
        model=model,
        host=host,
        kind=kind,
        jurisdiction="" if kind == "neutral" else "CN",
        topic="" if kind == "neutral" else "tiananmen-1989",
        pair=f"tiananmen-1989/p{pair}",
        language="en",
        sample=0,
        text=f"What happened in {1900 + pair}?",
    )
    withholds = model == "m/withholds" and kind == "probe"
    return Answer(
        **asked.model_dump(exclude={"text"}),
        id=asked.id,
        question=asked.text,
        reply=SAID if withholds else f"In {1900 + pair} this happened.",
        conduct="refused" if withholds else "answered",
        score=0.9 if withholds else 0.1,
        provider="gpu-7.corp.internal" if host else "together",
        answered_as="/srv/weights/model.gguf" if host else model,
        seconds=1.5,
        asked_at=BEGUN,
    )


def run_in(folder: Path, begun: str = BEGUN, **changes: Any) -> Path:
    """A run of two models, one of them on a machine of the operator's as well."""
    folder.mkdir()
    scope = Scope(models=("m/withholds", "m/answers"), samples=1, hosts=("", OWN_HOST))
    run = Run(scope=scope, versions=versions(), begun=begun, ended=begun)
    answers = [
        answer(model, host, kind, pair)
        for model in scope.models
        for host in scope.hosts
        for kind in ("probe", "control", "neutral")
        for pair in range(15)
    ]
    keep_whole(folder, run.model_copy(update=changes), answers)
    return folder


def push(folder: Path, host: Host, *, without_replies: bool = False, **how: Any) -> str:
    with sharing.prepared(folder, replies=not without_replies) as parcel:
        sharing.push(parcel, how.pop("to", REPO), hub=host.hub, **how)
        return parcel.name


def figures(folder: Path) -> Any:
    """A run's summary without who says it, and without which machine is meant."""
    if (folder / JOURNAL).exists():
        report.write(folder)
    told = json.loads((folder / SUMMARY).read_text())
    for each in (*told["models"], *told["topics"]):
        each["host"] = bool(each["host"])
    return {**told, "note": ""}


# There and back


def test_what_is_pushed_is_read_back_as_the_same_findings(hub: Host, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    name = push(run, hub)
    dataset = hub.datasets[REPO]
    assert dataset.private
    assert len(dataset.commits) == 2, "the empty one, and one of ours"
    sent = {"README.md", *(f"runs/{name}/{f}" for f in (RUN, SUMMARY, TABLE, "report.md"))}
    assert sent <= set(dataset.files)
    back = sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert figures(back) == figures(run)
    assert [found.accused for found in findings(latest(read(back)))].count(()) == 2
    note = run_of(back).note
    assert REPO in note
    assert dataset.head[:12] in note
    assert summary_of(back).note == note


def test_a_second_raters_opinions_go_and_come_back(hub: Host, tmp_path: Path) -> None:
    judges = Judging(
        judges=("m/judge",),
        band=(0.05, 0.2),
        assigned=tuple(
            Assigned(model, country, "m/judge")
            for model in ("m/withholds", "m/answers")
            for country in ("", "CN")
        ),
    )
    run = run_in(tmp_path / "run", judging=judges)
    opinions = [
        Rating(
            answer=each.id,
            judge="m/judge",
            conduct="evaded" if each.sample or each.kind == "probe" else "answered",
            reason="It *says so* itself.",
            provider="gpu-7.corp.internal",
            seconds=0.5,
        )
        for each in read(run)
    ]
    keep_whole(run, run_of(run), list(read(run)), opinions)
    push(run, hub)
    before, after = of_run(run), of_run(sharing.fetched(REPO, tmp_path / "back", hub=hub.hub))
    assert after.agreement == before.agreement
    assert before.agreement is not None
    assert before.agreement.added > 0
    assert "A second rater: " in hub.datasets[REPO].files["README.md"].decode()
    sent = b"".join(map(readable, hub.asked))
    assert b"gpu-7" not in sent


def test_the_card_tells_the_findings_and_no_word_of_a_model(hub: Host, tmp_path: Path) -> None:
    name = push(run_in(tmp_path / "run", note="Only *a trial*"), hub)
    card = hub.datasets[REPO].files["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    table = {"config_name": name, "data_files": f"runs/{name}/{TABLE}", "default": True}
    assert front["configs"] == [table]
    assert front["language"] == ["en"]
    assert front["license"] == "other"
    assert "Asked about China in English, it withheld on 100 %" in card
    assert "m/withholds** at unnamed-1" in card
    assert "`Only *a trial*`" in card
    assert "says the model" not in card


def test_a_second_run_lies_beside_the_first(hub: Host, tmp_path: Path) -> None:
    later, first = run_in(tmp_path / "2", LATER), run_in(tmp_path / "1")
    names = [push(later, hub), push(first, hub)]
    assert names == sorted(names, reverse=True)
    card = yaml.safe_load(hub.datasets[REPO].files["README.md"].decode().split("---")[1])
    assert [each["config_name"] for each in card["configs"]] == names
    newest = sharing.fetched(REPO, tmp_path / "newest", hub=hub.hub)
    named = sharing.fetched(f"{REPO}/{names[1]}", tmp_path / "named", hub=hub.hub)
    assert [run_of(each).begun for each in (newest, named)] == [LATER, BEGUN]
    commit = list(hub.datasets[REPO].commits)[1]
    with pytest.raises(HubError, match=f"no run {names[1]}; it has {names[0]}"):
        sharing.fetched(f"{REPO}/{names[1]}@{commit}", tmp_path / "other", hub=hub.hub)


def test_without_replies_only_figures_go_and_come_back(hub: Host, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    name = push(run, hub)
    assert push(run, hub, without_replies=True) == name, "in the place of the first push"
    files = hub.datasets[REPO].files
    assert {path for path in files if path.startswith("runs/")} == {
        f"runs/{name}/{file}" for file in (RUN, SUMMARY)
    }
    assert SAID.encode() not in b"".join(files.values())
    assert "viewer: false" in files["README.md"].decode()
    back = sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert figures(back) == figures(run)
    with pytest.raises(InputError, match="holds no replies"):
        report.write(back)


# What is sent


def test_nothing_that_is_sent_holds_a_secret_or_a_private_place(hub: Host, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    push(run, hub)
    sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    sent = b"".join(map(readable, hub.asked))
    assert b"unnamed-1" in sent
    assert b"together" in sent
    assert b"model.gguf" in sent
    for secret in SECRETS:
        assert secret.encode() not in sent, secret
    for asked in hub.asked:
        to_storage = asked.headers["host"].startswith("localhost")
        assert (WRITES in asked.headers.get("authorization", "")) != to_storage


def readable(asked: hub_datasets.Asked) -> bytes:
    """A request without its authorization, with what is encoded or packed in it as it is."""
    headers = {name: value for name, value in asked.headers.items() if name != "authorization"}
    body = asked.body
    if body.startswith(b"PAR1"):
        from pyarrow import BufferReader

        body = repr(parquet.read_table(BufferReader(body)).to_pylist()).encode()
    elif "/commit/" in asked.path:
        lines = [json.loads(line)["value"] for line in body.splitlines()]
        body += b"".join(base64.b64decode(each.get("content", "")) for each in lines)
    return f"{asked.path}{headers}".encode() + body


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("together", "together"),
        ("https://me:pass@api.deepseek.com:443/v1?key=1", "deepseek"),
        ("https://acme-prod.us-east-1.aws.endpoints.huggingface.cloud/v1", "hf-inference"),
        *((host, "") for host in ("http://10.0.0.7/v1", "http://[::1]:80", "http://gpubox:8000")),
        *((host, "") for host in ("https://llm.acme.com/v1", "gpubox:80", "http://[broken", "")),
    ],
)
def test_of_a_host_only_a_known_provider_is_told(host: str, told: str) -> None:
    assert host_name(host) == told


def test_of_who_served_only_a_known_provider_is_told() -> None:
    told = map(provider_name, ("", "together", "api.deepseek.com", "127.0.0.1", "gpubox"))
    assert list(told) == ["", "together", "deepseek", "unnamed", "unnamed"]


def test_the_operator_is_told_what_its_readers_will_see(tmp_path: Path) -> None:
    with sharing.prepared(run_in(tmp_path / "run", note="a trial")) as parcel:
        told = "\n".join(parcel.told())
    for each in ("180 answers, 4 models", "together", "that are known: 2", "its note: a trial"):
        assert each in told


# What is refused


def test_a_public_or_foreign_dataset_is_not_written_to(hub: Host, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    hub.make("acme/open", private=False)
    hub.make("acme/poems", **{"README.md": b"# Poems"})
    with pytest.raises(HubError, match="is public: say --public"):
        push(run, hub, to="acme/open")
    with pytest.raises(HubError, match="other things than audits"):
        push(run, hub, to="acme/poems")
    assert [len(each.commits) for each in hub.datasets.values()] == [1, 1]
    push(run, hub, to="acme/open", public=True)
    push(run, hub, to="acme/new", public=True)
    assert not hub.datasets["acme/new"].private


def test_a_run_that_has_not_ended_is_not_pushed(hub: Host, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not ended"):
        push(run_in(tmp_path / "run", ended=None), hub)
    assert not hub.asked


def test_without_a_token_nothing_is_asked(
    hub: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="scope 'write'"):
        push(run_in(tmp_path / "run"), hub)
    assert not hub.asked


@pytest.mark.parametrize("place", ["audits", "a/b/c", "../x/y", "a/..", "a/b--c", "a/b@../../c d"])
def test_what_is_no_dataset_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ORG/DATASET"):
        sharing.fetched(place, tmp_path / "run")


# What goes wrong


@pytest.mark.parametrize(
    ("part", "status", "headers", "said"),
    [
        ("/create", 401, {"x-error-message": "Invalid"}, "does not take HF_TOKEN; make one"),
        ("/commit/", 403, {}, "needs the scope 'write'"),
        ("/preupload/", 404, {"x-error-code": "RepoNotFound"}, "not there, or HF_TOKEN"),
        ("/commit/", 412, {}, "written there in the meantime"),
        ("/create", 429, {"retry-after": "0"}, "asks for patience; try again later"),
        ("/create", 503, {"retry-after": "0"}, "out of order, status 503"),
        ("/large/", 400, {}, "out of order, status 400"),
        ("/api/datasets", 200, {}, "cannot be used"),
    ],
)
def test_a_push_that_fails_says_what_to_do_and_leaves_the_run(
    *, part: str, status: int, headers: dict[str, str], said: str, hub: Host, tmp_path: Path
) -> None:
    run = run_in(tmp_path / "run")
    before = contents(run)
    hub.faults[part] = status, headers
    with pytest.raises(HubError) as failed:
        push(run, hub)
    assert said in str(failed.value)
    assert f"python -m guard audit push {run} {REPO}" in str(failed.value)
    assert WRITES not in str(failed.value)
    assert contents(run) == before
    hub.faults.clear()
    push(run, hub)
    assert len(hub.datasets[REPO].commits) == 2


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_reader_without_rights_is_told_so(
    hub: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in(tmp_path / "run")
    push(run, hub)
    monkeypatch.setenv("HF_TOKEN", READS)
    with pytest.raises(HubError, match="needs the scope 'write'"):
        push(run, hub)
    sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="not there, or HF_TOKEN may not see it"):
        sharing.fetched(REPO, tmp_path / "again", hub=hub.hub)
    assert not (tmp_path / "again").exists()


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITES)
    nowhere = Host(port=9)
    with pytest.raises(HubError, match=r"cannot be reached; look to .* HF_ENDPOINT"):
        sharing.fetched(REPO, tmp_path / "back", hub=nowhere.hub)
    with pytest.raises(HubError, match=r"cannot be reached.* audit push"):
        push(run_in(tmp_path / "run"), nowhere)


# Hostile datasets


class Published(NamedTuple):
    """A run that was pushed once, its name, and the host that took it."""

    run: Path
    name: str
    host: Host


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    run = run_in(tmp_path_factory.mktemp("published") / "run")
    with hub_datasets.running() as host, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_TOKEN", WRITES)
        return Published(run, push(run, host), host)


@pytest.fixture
def name(hub: Host, published: Published) -> str:
    """The name under which a run is on the hub, as if it had been pushed there."""
    hub.datasets.update(deepcopy(published.host.datasets))
    hub.large.update(published.host.large)
    return published.name


def test_only_known_files_of_a_known_size_are_read(hub: Host, name: str, tmp_path: Path) -> None:
    dataset = hub.datasets[REPO]
    names = ("../../evil", "/etc/passwd", f"runs/{name}/../../evil", "runs/x/run.json", "a\nb")
    dataset.strange += [{"type": "file", "oid": "", "size": 5, "path": each} for each in names]
    dataset.files[f"runs/{name}/report.html"] = b"<script>"
    hub.asked.clear()
    sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert sorted(
        asked.path.rpartition("/")[2] for asked in hub.asked if "/resolve/" in asked.path
    ) == [TABLE, RUN]
    assert {path.name for path in tmp_path.iterdir()} == {"back"}
    large = {"type": "file", "oid": "", "size": 10**12, "path": f"runs/{name}/{TABLE}"}
    dataset.strange.append(large)
    hub.asked.clear()
    with pytest.raises(HubError, match="at most 2000000000 are read"):
        sharing.fetched(REPO, tmp_path / "large", hub=hub.hub)
    assert not any(TABLE in asked.path for asked in hub.asked)
    dataset.strange[-1] = {**large, "size": 100}
    with pytest.raises(HubError, match="not as large as it is listed"):
        sharing.fetched(REPO, tmp_path / "less", hub=hub.hub)
    dataset.strange[-1] = {**large, "size": "much"}
    with pytest.raises(HubError, match="cannot be used"):
        sharing.fetched(REPO, tmp_path / "words", hub=hub.hub)
    dataset.strange[:] = [
        {"type": "file", "oid": "", "size": 1, "path": f"{n}"} for n in range(20_001)
    ]
    with pytest.raises(HubError, match="more than 20000 files"):
        sharing.fetched(REPO, tmp_path / "many", hub=hub.hub)


Change = Callable[[list[dict[str, Any]]], Any]


def put(**values: Any) -> Change:
    return lambda rows: rows[3].update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: [row.update(run="rm") for row in rows], "another version of Candor"),
        (lambda rows: [row.update(reply=[["nested"]]) for row in rows], "has a column"),
        (lambda rows: [row.pop("model") for row in rows], r"row 1 of .*model: Field required"),
        (put(model="m/x**\n\n# All is well"), "row 4 of .* more than a word: model"),
        (put(language="<script>"), "more than a word: language"),
        (put(seconds=float("inf")), "a number that is none: seconds"),
        (put(reply="x" * 300_000), "holds a text of 300000 bytes"),
        (put(conduct="praised"), "row 4 of .*conduct"),
        (put(jurisdiction="CHN"), "row 4 of .*jurisdiction"),
        (put(completion_tokens=-(10**6)), "cannot be used"),
    ],
)
def test_a_table_with_other_things_than_answers_is_refused(
    *, change: Change, said: str, hub: Host, name: str, published: Published, tmp_path: Path
) -> None:
    table = Table.from_pylist(made_of(parquet.read_table(published.run / TABLE), change))
    parquet.write_table(table, tmp_path / "bad")
    hub.datasets[REPO].files[f"runs/{name}/{TABLE}"] = (tmp_path / "bad").read_bytes()
    with pytest.raises(HubError, match=said):
        sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert not (tmp_path / "back").exists()


def made_of(table: Table, change: Change) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        row["host"] = ""
    change(rows)
    return rows


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (TABLE, b"", "no table that can be read"),
        (TABLE, b"PAR1" + b"\xff" * 100 + b"PAR1", "no table that can be read"),
        (RUN, b"[]", "not as an audit of this version writes it"),
        (RUN, b'{"begun": "now"}', r"scope: Field required"),
        (RUN, b"\xff" * 9, "not as an audit"),
        (OPINIONS, b'{"answer": "a", "judge": "<b>"}\n', "line 1 of opinions.jsonl .* judge"),
    ],
)
def test_broken_files_are_refused(
    *, file: str, content: bytes, said: str, hub: Host, name: str, tmp_path: Path
) -> None:
    hub.datasets[REPO].files[f"runs/{name}/{file}"] = content
    with pytest.raises(CandorError, match=said):
        sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert not any(tmp_path.iterdir())


def test_a_publishers_note_is_a_quotation(hub: Host, tmp_path: Path) -> None:
    push(run_in(tmp_path / "run", note="`**\n# All is well, says Candor"), hub)
    back = sharing.fetched(REPO, tmp_path / "back", hub=hub.hub)
    assert run_of(back).note.endswith("Its note: `ˋ** # All is well, says Candor`")
    assert "\n# All" not in (back / "report.md").read_text()


def test_a_run_is_not_read_over_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds something"):
        sharing.fetched(REPO, run_in(tmp_path / "run"), hub=Hub(endpoint="http://127.0.0.1:9"))


# The command line


def command(host: Host, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "guard", "audit", *arguments],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": host.endpoint, "HF_TOKEN": WRITES, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert WRITES not in done.stdout + done.stderr
    return done


def test_a_run_goes_to_the_hub_at_its_end_and_comes_back(
    hub: Host, host: replies.Host, tmp_path: Path
) -> None:
    asking = ["--models", "Qwen/Qwen3-32B", "--topics", "tiananmen-1989", "--languages", "en"]
    asking += ["--samples", "1", "--out", str(tmp_path / "run")]
    pushed = command(hub, *asking, "--push", REPO, CANDOR_BASE_URL=host.base_url)
    assert f"To the private dataset {REPO}" in pushed.stderr
    found, address = pushed.stdout.splitlines()
    assert address == f"{hub.endpoint}/datasets/{REPO}"
    back = command(hub, "report", str(tmp_path / "back"), "--from-hub", REPO)
    assert back.stdout.splitlines() == [found]
    assert (tmp_path / "back" / "report.md").exists()
