"""The model: any OpenAI-compatible endpoint the environment names, else an honest stand-in."""

from __future__ import annotations

import os
from typing import Protocol

import httpx

from .standin import StandIn
from .verdict import Completion, Question


class ModelFailed(RuntimeError):
    """The model gave no answer. Worth another try, then another way."""


class Model(Protocol):
    """Something that answers questions about messages."""

    @property
    def name(self) -> str: ...

    def complete(self, question: Question) -> Completion: ...


class ChatCompletions:
    """`POST {base}/chat/completions`, as OpenAI, vLLM, Ollama, llama.cpp and many others serve it."""

    def __init__(self, base_url: str, api_key: str, name: str, *, timeout: float = 30.0) -> None:
        self.name = name
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout)

    def complete(self, question: Question) -> Completion:
        request = {
            "model": self.name,
            "messages": question.prompt(),
            "temperature": 0,
            "response_format": {"type": "json_object"},
        }
        try:
            answer = self._http.post("chat/completions", json=request)
            answer.raise_for_status()
            return _read(answer.json(), self.name)
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{self.name} did not answer in time") from error
        except httpx.HTTPError as error:
            raise ModelFailed(f"{self.name}: {error}") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelFailed(f"{self.name} answered in an unknown shape: {error!r}") from error


def _read(body: dict[str, object], asked: str) -> Completion:
    choices = body["choices"]
    if not isinstance(choices, list):
        raise TypeError("choices is not a list")
    usage = body.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    return Completion(
        text=str(choices[0]["message"]["content"] or ""),
        model=str(body.get("model") or asked),
        input_tokens=int(tokens.get("prompt_tokens") or 0),
        output_tokens=int(tokens.get("completion_tokens") or 0),
    )


def from_environment(*, seed: int = 77, loop_on: frozenset[str] = frozenset()) -> Model:
    """The endpoint of OPENAI_BASE_URL or OPENAI_API_KEY; offline, the stand-in."""
    key, base = os.environ.get("OPENAI_API_KEY", ""), os.environ.get("OPENAI_BASE_URL", "")
    if not key and not base:
        return StandIn(seed=seed, loop_on=loop_on)
    name = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    return ChatCompletions(base or "https://api.openai.com/v1", key, name)
