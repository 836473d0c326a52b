"""Python functions that a model may call.

Job: from a function's signature and docstring to a schema; the two ways to tell a model of them (its own chat
template, or a JSON protocol for every other model); reading a call out of an answer; running it.
Ignorance: the conversation (edge.chat), tokens. A tool runs in this process with this process' rights: give a
model only functions that any answer of it may call.

The JSON protocol: the system message lists the tools; each answer is one JSON object, {"tool": name,
"arguments": {...}} or {"answer": text}, and cannot be anything else; what a tool returned is said back as
{"tool": name, "result": ...} or {"tool": name, "error": text}.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from edge.errors import UsageError
from edge.events import ToolCall
from edge.generation.shapes.python_types import Writer, built, fits

LIMIT = 8  # calls in one turn
_INTRODUCTION = (
    "You can use tools. Answer with one JSON object and nothing else: "
    '{"tool": name, "arguments": {...}} to call a tool and see its result, or {"answer": text} to answer.\n'
    "The tools:\n"
)
_ROOM = 4000  # characters of a result that the model is told
_MARKED = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


@dataclass(frozen=True)
class Tool:
    """One function, described."""

    name: str
    description: str
    parameters: Mapping[str, Any]  # JSON Schema of the arguments; definitions stand beside, in the toolbox
    hints: Mapping[str, Any]  # type by argument
    function: Callable[..., Any]


class Toolbox:
    """The functions of one turn, and how often they may be called."""

    def __init__(self, functions: Sequence[Callable[..., Any]], *, limit: int = LIMIT) -> None:
        """`limit`: calls until the model must answer.

        Raises:
            UsageError: a function without a schema: an argument without a type, *args, two of one name.
        """
        if callable(functions):
            raise UsageError("tools are given as a list, also one alone: tools=[weather]")
        if not functions or limit < 1:
            raise UsageError("tools need at least one function and a limit of at least one call")
        self.limit = limit
        self._writer = Writer()
        tools = [_tool(function, self._writer) for function in functions]
        self.tools = {tool.name: tool for tool in tools}
        if len(self.tools) < len(tools):
            raise UsageError("two of the tools have one name; give each its own")

    def instructions(self) -> str:
        """What the system message says of the tools, in the JSON protocol."""
        lines = [
            f"- {tool.name}: {tool.description} Arguments: {json.dumps(tool.parameters['properties'])}"
            for tool in self.tools.values()
        ]
        more = f"\nDefinitions: {json.dumps(self._writer.definitions)}" if self._writer.definitions else ""
        return _INTRODUCTION + "\n".join(lines) + more

    def schema(self, *, calls: bool) -> dict[str, Any]:
        """What an answer in the JSON protocol must be; without `calls`, the answer proper."""
        options = [_object({"answer": {"type": "string"}})]
        if calls:
            options += [
                _object({"tool": {"const": tool.name}, "arguments": tool.parameters})
                for tool in self.tools.values()
            ]
        return {"anyOf": options, "$defs": self._writer.definitions}

    def listed(self) -> list[dict[str, Any]]:
        """The tools as chat templates expect them."""
        shared = {"$defs": self._writer.definitions} if self._writer.definitions else {}
        return [
            {"type": "function", "function": {
                "name": tool.name, "description": tool.description,
                "parameters": {**tool.parameters, **shared},
            }}
            for tool in self.tools.values()
        ]  # fmt: skip

    def run(self, call: ToolCall) -> ToolCall:
        """The call with its result, or with what went wrong."""
        try:
            ran = ToolCall(call.name, call.arguments, result=self._called(call))
            told(ran)  # what the model cannot be told is the tool's error
            return ran
        except Exception as error:  # whatever a tool raises is told, to the model and to the caller
            return ToolCall(call.name, call.arguments, error=f"{type(error).__name__}: {error}")

    def _called(self, call: ToolCall) -> Any:
        tool = self.tools.get(call.name)
        if tool is None:
            raise UsageError(f"there is no tool {call.name!r}, only {', '.join(self.tools)}")
        inspect.signature(tool.function).bind(**call.arguments)
        for name, value in call.arguments.items():
            if not fits(tool.hints[name], value):
                raise UsageError(
                    f"the argument {name} is {value!r}, expected {tool.parameters['properties'][name]}"
                )
        return tool.function(
            **{name: built(tool.hints[name], value) for name, value in call.arguments.items()}
        )


def told(call: ToolCall) -> str:
    """What a call came to, as the model reads it."""
    outcome = {"result": call.result} if call.error is None else {"error": call.error}
    text = json.dumps({"tool": call.name, **outcome}, ensure_ascii=False, default=str)
    return text if len(text) <= _ROOM else f"{text[:_ROOM]} [cut: {len(text)} characters]"


def read_protocol(text: str) -> ToolCall | str:
    """A call or the answer, from one answer in the JSON protocol."""
    said = json.loads(text)
    return said["answer"] if "answer" in said else ToolCall(said["tool"], said["arguments"])


def read_native(text: str) -> list[ToolCall]:
    """The calls in an answer that a model's own template shaped; none: it is an answer to the person.

    Understood: `<tool_call>{...}</tool_call>`, once or more, and an answer that is nothing but one JSON
    object or a list of them, with "name" and "arguments" or "parameters".
    """
    marked = _MARKED.findall(text)
    found = [_parsed(piece) for piece in marked or [text.strip()]]
    objects = [item for value in found for item in (value if isinstance(value, list) else [value])]
    calls = [call for item in objects if (call := _call(item)) is not None]
    if marked and len(calls) < len(objects):
        calls.append(ToolCall("", {}, error="a tool call was no JSON object with name and arguments"))
    return calls if marked or len(calls) == len(objects) else []


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _call(value: Any) -> ToolCall | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    return ToolCall(value["name"], arguments) if isinstance(arguments, dict) else None


def _tool(function: Callable[..., Any], writer: Writer) -> Tool:
    name = getattr(function, "__name__", type(function).__name__)
    hints = get_type_hints(function)
    hints.pop("return", None)
    description, about = _documented(inspect.getdoc(function) or "")
    properties, required = {}, []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in hints or parameter.kind not in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            raise UsageError(f"the tool {name} has the argument {parameter.name} without a type, or *args")
        properties[parameter.name] = writer.schema(hints[parameter.name])
        if parameter.name in about:
            properties[parameter.name]["description"] = about[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return Tool(name, description or name, _object(properties, required), hints, function)


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what its `Args:` say of each argument."""
    first = " ".join(text.split("\n\n")[0].split())
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
    lines = re.findall(r"^[ \t]+(\w+)(?: \([^)]*\))?: *(.+)$", section[1] if section else "", re.MULTILINE)
    return first, dict(lines)
