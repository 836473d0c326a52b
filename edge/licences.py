"""Licence and usage-policy files: which of a folder they are, which licence they state, what it asks for.

Job: file names -> roles, text -> a licence's name, name -> its main obligations.
Ignorance: gives no legal advice; the file itself counts, and these lines only say where to look.
Source: the Llama Community License Agreements of Meta Platforms, sections 1 and 2, versions 2 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_ROLES = {"LICENSE": "licence", "LICENCE": "licence", "USE_POLICY": "use_policy", "NOTICE": "notice"}
_MAX_READ = 1 << 16  # bytes: a licence names itself at its head
_LLAMA = re.compile(r"llama\s+(2|3|3\.1|3\.2|3\.3|4)\s+community\s+licen[sc]e", re.IGNORECASE)
_OTHERS = (("Apache-2.0", r"Apache License,?\s+(Version )?2\.0"), ("MIT", r"\bMIT License\b"))

_TERMS = {  # licence: (model and licence in the notice, what must be shown, how derivatives are named)
    "llama2": ("Llama 2", "LLAMA 2", "", ""),
    "llama3": ("Meta Llama 3", "Meta Llama 3", "Built with Meta Llama 3", "Llama 3"),
    "llama3.1": ("Llama 3.1", "Llama 3.1", "Built with Llama", "Llama"),
    "llama3.2": ("Llama 3.2", "Llama 3.2", "Built with Llama", "Llama"),
    "llama3.3": ("Llama 3.3", "Llama 3.3", "Built with Llama", "Llama"),
    "llama4": ("Llama 4", "Llama 4", "Built with Llama", "Llama"),
}
_OWN_OUTPUTS = ("llama2", "llama3")  # no other language model may be improved with their outputs
_NOT_IN_EUROPE = ("llama3.2", "llama4")  # the policies' clause on multimodal models


def files(folder: Path) -> dict[str, Path]:
    """LICENSE*, USE_POLICY* and NOTICE* of a folder, by role; a second one of a kind gets its ending too."""
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        kind = next((role for start, role in _ROLES.items() if path.name.upper().startswith(start)), None)
        if kind is None:
            continue
        role = kind if kind not in found else f"{kind}_{re.sub(r'[^a-z0-9]+', '_', path.name.lower())}"
        found[role] = path
    return found


def name_of(paths: Iterable[Path]) -> str | None:
    """What the first of the files that names itself is called: "llama3.2", "Apache-2.0"; None: unknown."""
    for path in paths:
        with path.open("rb") as file:
            text = file.read(_MAX_READ).decode("utf-8", "replace")
        if match := _LLAMA.search(text):
            return f"llama{match[1]}"
        if name := next((name for name, pattern in _OTHERS if re.search(pattern, text)), None):
            return name
    return None


def obligations(name: str) -> tuple[str, ...]:
    """The main obligations of a Llama licence, one sentence each; () for all others."""
    key = name.lower().replace(" ", "").replace("-", "").removesuffix("communitylicense")
    if key not in _TERMS:
        return ()
    model, licence, shown, named = _TERMS[key]
    told = [
        "Pass on a copy of the licence with the model, and follow its Acceptable Use Policy.",
        f'Keep a file "Notice" with: "{model} is licensed under the {licence} Community License, '
        'Copyright © Meta Platforms, Inc. All Rights Reserved."',
        "Above 700 million monthly users at the model's release, ask Meta for a licence of your own.",
    ]
    if shown:
        told.insert(1, f'Show "{shown}" prominently where you use or distribute it.')
    if named:
        told.insert(2, f'A model made from it or from its outputs has a name that begins with "{named}".')
    if key in _OWN_OUTPUTS:
        told.append("Do not use it or its outputs to improve any other large language model.")
    if key in _NOT_IN_EUROPE:
        told.append(
            "Its multimodal models are not licensed to persons or companies based in the European Union "
            "(end users of products are)."
        )
    return tuple(told)
