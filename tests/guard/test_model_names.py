"""Whether a host means the model it was asked for: what hosts write, both ways."""

from __future__ import annotations

import pytest

from guard.model_names import named, same_model

KNOWN = (
    "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-R1-0528",
    "deepseek-ai/DeepSeek-V3-0324",
    "moonshotai/Kimi-K2-Instruct-0905",
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
)
SAME = [
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5-72b-instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen/qwen-2.5-72b-instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct:novita"),
    ("Qwen/Qwen2.5-72B-Instruct:fastest", "Qwen/Qwen2.5-72B-Instruct"),
    ("Qwen/Qwen2.5-72B-Instruct:cheapest", "Qwen/Qwen2.5-72B-Instruct-Turbo"),
    ("Qwen/Qwen2.5-72B-Instruct", "accounts/fireworks/models/qwen2p5-72b-instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5:72b-instruct-q4_K_M"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5:72b"),
    ("Qwen/Qwen2.5-72B-Instruct", "/models/Qwen2.5-72B-Instruct-Q4_K_M.gguf"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5-72b-instruct-q5_0-00001-of-00014.gguf"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct-AWQ"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4"),
    ("Qwen/Qwen2.5-72B-Instruct", "unsloth/Qwen2.5-72B-Instruct-bnb-4bit"),
    ("Qwen/Qwen3-32B", "qwen-3-32b"),
    ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B-fast"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen/qwen3-235b-a22b-2507"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Instruct-2507-tput"),
    ("meta-llama/Llama-3.3-70B-Instruct", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
    ("meta-llama/Llama-3.3-70B-Instruct", "Meta-Llama-3.3-70B-Instruct"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct-Turbo-Free"),
    ("meta-llama/Llama-3.3-70B-Instruct", "nvidia/Llama-3.3-70B-Instruct-FP8"),
    ("meta-llama/Llama-3.3-70B-Instruct", "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"),
    ("meta-llama/Llama-3.3-70B-Instruct", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/llama-3.3-70b-instruct-maas"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta.llama3-3-70b-instruct-v1:0"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b-versatile"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llama3.3:70b-instruct-fp16"),
    ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct-Lite"),
    ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instant"),
    ("deepseek-ai/DeepSeek-R1", "deepseek/deepseek-r1"),
    ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-fast"),
    ("deepseek-ai/DeepSeek-R1", "deepseek-r1-bf16"),
    ("deepseek-ai/DeepSeek-R1", "deepseek/deepseek-r1:free"),
    ("deepseek-ai/DeepSeek-R1-0528", "deepseek/deepseek-r1-0528"),
    ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1-0528-Turbo"),
    ("deepseek-ai/DeepSeek-V3-0324", "accounts/fireworks/models/deepseek-v3-0324"),
    ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-small-3.2-24b-instruct"),
    ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-small3.2:24b-instruct-2506-q8_0"),
    ("openai/gpt-oss-120b", "gpt-oss:120b"),
    ("openai/gpt-oss-120b", "openai/gpt-oss-120b-mxfp4"),
    ("openai/gpt-4o", "gpt-4o-2024-08-06"),
    ("google/gemma-3-27b-it", "gemma3:27b-it-qat-q4_0"),
    ("google/gemma-3-27b-it", "gemma3:27b"),
    ("google/gemma-3-27b-it", "google/gemma-3-27b-it:nebius"),
    ("CohereLabs/c4ai-command-a-03-2025", "command-a-03-2025"),
    ("zai-org/GLM-4.6", "zai-org/GLM-4.6-FP8"),
    ("zai-org/GLM-4.6", "glm-4.6-tee"),
    ("chutes/Some-8B-Instruct", "some-8b-instruct-tee"),
    ("ai-sage/GigaChat3-10B-A1.8B-bf16", "ai-sage/GigaChat3-10B-A1.8B"),
    ("yandex/YandexGPT-5-Lite-8B-instruct", "yandexgpt-5-lite-8b-instruct-gguf"),
    ("perplexity-ai/r1-1776", "perplexity/r1-1776"),
]
OTHER = [
    ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-ai/DeepSeek-R1"),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "meta-llama/Llama-3.3-70B-Instruct"),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"),
    ("deepseek-ai/DeepSeek-R1", "deepseek-r1:70b"),
    ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"),
    ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1"),
    ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1-0120"),
    ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3-0324"),
    ("deepseek-ai/DeepSeek-V2", "deepseek-ai/DeepSeek-V2-Lite"),
    ("perplexity-ai/r1-1776", "deepseek-ai/DeepSeek-R1"),
    ("perplexity-ai/r1-1776", "r1"),
    ("microsoft/MAI-DS-R1", "deepseek-ai/DeepSeek-R1"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
    ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-72B-Instruct"),
    ("Qwen/Qwen2.5-72B", "Qwen/Qwen2.5-7B"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2-72B-Instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-VL-72B-Instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-Coder-72B-Instruct"),
    ("Qwen/Qwen2.5-7B", "Qwen/Qwen2-57B"),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5:7b-instruct"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Thinking-2507"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B"),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"),
    ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B-Base"),
    ("Qwen/QwQ-32B", "Qwen/QwQ-32B-Preview"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"),
    ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-8B-Instruct"),
    ("meta-llama/Llama-3.3-70B-Instruct", "nvidia/Llama-3.3-Nemotron-Super-49B-v1"),
    ("openai/gpt-oss-120b", "openai/gpt-oss-20b"),
    ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
    ("openai/gpt-4o", "openai/gpt-4o-mini"),
    ("google/gemma-3-27b-it", "google/gemma-3-27b-pt"),
    ("google/gemma-3-27b-it", "google/gemma-2-27b-it"),
    ("zai-org/GLM-4.6", "zai-org/GLM-4.5"),
    ("zai-org/GLM-4.6", "zai-org/GLM-4.6V"),
    ("zai-org/GLM-4.5-Air", "zai-org/GLM-4.5"),
    ("zai-org/GLM-4.5", "glm-4.5-flash"),
    ("moonshotai/Kimi-K2-Instruct", "moonshotai/Kimi-K2-Instruct-0905"),
    ("yandex/YandexGPT-5-Lite-8B-instruct", "yandex/YandexGPT-5-8B-instruct"),
    ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-small-3.1-24b-instruct-2503"),
    ("swiss-ai/Apertus-70B-Instruct-2509", "swiss-ai/Apertus-8B-Instruct-2509"),
    ("Qwen/Qwen2.5-72B-Instruct", "someone-else/Small-1B"),
    ("Qwen/Qwen2.5-72B-Instruct", "default"),
    ("Qwen/Qwen2.5-72B-Instruct", "Qwen/"),
    ("Qwen/Qwen2.5-72B-Instruct", "instruct"),
    ("Qwen/Qwen2.5-72B-Instruct", "b"),
]


@pytest.mark.parametrize(("asked", "answered"), SAME)
def test_what_hosts_write_of_the_same_model(asked: str, answered: str) -> None:
    assert same_model(asked, answered, KNOWN)


@pytest.mark.parametrize(("asked", "answered"), OTHER)
def test_another_model_is_another(asked: str, answered: str) -> None:
    assert not same_model(asked, answered, KNOWN)


def test_a_date_alone_makes_no_other_model_unless_it_is_known() -> None:
    assert same_model("acme/New-7B", "acme/New-7B-0901", KNOWN)
    assert not same_model("acme/New-7B", "acme/New-7B-0901", ["acme/New-7B-0901"])


@pytest.mark.parametrize(
    "id_", ["", "/", ":", "-", "a/", "x" * 100_000, "1" * 100_000, "-q4" * 9000]
)
def test_an_id_of_any_shape_is_taken_apart(id_: str) -> None:
    named(id_)
    assert not same_model("Qwen/QwQ-32B", id_)
