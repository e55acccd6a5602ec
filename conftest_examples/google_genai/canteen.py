"""Answers what is in the dishes of a school canteen, with google-genai's automatic function calling."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types

UNKNOWN = "I cannot tell what is in it right now. Please ask in the kitchen before anybody eats it."


def ingredients(dish: str) -> list[str]:
    """All that is in a dish, from the kitchen's list."""
    raise RuntimeError("the kitchen's list is not reachable from a test")


def ask(question: str) -> tuple[str, list[Any]]:
    """The model's answer and what was said on the way: the SDK calls `ingredients` as often as the model wants."""
    config = types.GenerateContentConfig(
        system_instruction="You say what is in the dishes of the canteen. Look it up, never guess.",
        tools=[ingredients],
    )
    client = genai.Client()
    chat = client.chats.create(model="gemini-2.5-flash", config=config)
    return chat.send_message(question).text, chat.get_history()


def failed(history: list[Any]) -> bool:
    """Whether anything could not be looked up."""
    results = [part.function_response for content in history for part in content.parts or []]
    return any(result is not None and "error" in (result.response or {}) for result in results)


def answer(question: str) -> str:
    """Where the list was not to be had, nobody is told what is in a dish."""
    text, history = ask(question)
    return UNKNOWN if failed(history) else text
