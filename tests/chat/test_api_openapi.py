"""The API is as its own description says, whatever is sent to it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served import LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Site

from chat.api.openapi import document

CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
KEY = {"authorization": f"Bearer {V1_KEY}"}
SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))


@SCHEMA.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)
def test_nothing_that_is_sent_brings_an_answer_that_is_not_described(
    case: Any, shared_site: Site
) -> None:
    answer = case.call(base_url=f"{shared_site.url}/v1", headers=KEY)
    case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize(
    ("path", "body", "schema"),
    [
        (
            "/chat/completions",
            {"model": QWEN, "messages": [{"role": "user", "content": TIANANMEN}]},
            "Completion",
        ),
        (
            "/chat/completions",
            {"model": "nobody/x", "messages": [{"role": "user", "content": SOUP}]},
            "ErrorBody",
        ),
        ("/guard/check", {"input": {"question": SOUP, "reply": "I cannot."}}, "CheckResponse"),
        ("/models", None, "Models"),
        (f"/models/{LLAMA}", None, "Model"),
    ],
)
def test_real_answers_are_as_described(
    site: Site, path: str, body: dict[str, Any] | None, schema: str
) -> None:
    method = "POST" if body else "GET"
    url = f"{site.url}/v1{path}"
    answer = httpx2.request(method, url, json=body, headers=KEY, trust_env=False, timeout=30)
    described = document()["components"]["schemas"]
    whole = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": described}}
    Draft202012Validator(whole).validate(answer.json())


def test_the_description_is_served(site: Site) -> None:
    told = httpx2.get(f"{site.url}/v1/openapi.json", trust_env=False).json()
    assert told == json.loads(json.dumps(document()))
    assert {*told["paths"]} == {"/chat/completions", "/guard/check", "/models", "/models/{model}"}
