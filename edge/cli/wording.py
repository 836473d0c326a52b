"""A bare subject in the words that the model was trained on: "a red circle" -> "Draw a red circle.".

Job: apply the manifest's wording of a task, once. Ignorance: models, media, replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.messages import Part, Text

Kind = Literal["text", "image", "audio", "video"]
TASKS: Mapping[str, str] = {
    "image": "draw",
    "audio": "speak",
    "video": "animate",
}  # kind asked for -> name of the wording


def worded(prompts: Mapping[str, str], parts: list[Part], make: Kind | None) -> tuple[list[Part], str]:
    """The message, and the very words that a sound must say ("" where there are none).

    Only a message of text alone is a subject: with a medium in it, it is a question about that.
    """
    template = prompts.get(TASKS.get(make or "", ""), "")
    if len(parts) != 1 or not isinstance(parts[0], Text) or "{text}" not in template:
        return parts, ""
    text = parts[0].text
    opening = template.partition("{text}")[0].strip()
    if text.lower().startswith(opening.lower()):  # the person knows the wording
        subject = text[len(opening) :].strip()
        return parts, subject if make == "audio" else ""
    return [Text(template.replace("{text}", text))], text if make == "audio" else ""
