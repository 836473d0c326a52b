"""report.html: what a run found out, as one file that opens anywhere, without scripts and the network.

Job: tables, bars, and both models' answers side by side, from the values of the run.
Ignorance: measures nothing; how pictures are encoded (report_pictures), what a mixture is (report_plan).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from edge.cli.output import size
from quantize import report_pictures, report_plan
from quantize.continuations import Continuation, Shown
from quantize.mixture import Mixture
from quantize.report import Quality, Report

NOTICEABLE = 0.05  # of top-1 agreement lost
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.note { opacity: .7; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; padding: .7rem 0; }
.pair { border-top: 1px solid #8884; }
.pair > p { grid-column: 1 / 3; margin: 0; }
.said { background: #8882; border-radius: 6px; padding: .5rem .7rem; overflow-wrap: anywhere; }
img { display: block; image-rendering: pixelated; max-width: 100%; margin: .2rem 0; }
:root { color-scheme: light dark; }
"""


def page(report: Report, continuations: Sequence[Continuation],
         mixtures: Mapping[str, Mixture] | None = None) -> str:  # fmt: skip
    """The whole file; with mixtures, by format, also what was possible, and where the model is
    sensitive."""
    planned = "".join(report_plan.section(kind, mixture) for kind, mixture in (mixtures or {}).items())
    sections = [_summary(report), _quality(report), _rotation(report), planned, _sizes(report)]
    sections.append(_codecs(report))
    sections.append(_examples(continuations))
    title = f"{report.name} as {report.recipe}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{''.join(sections)}</html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; cells are escaped."""
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _summary(report: Report) -> str:
    total = report.sizes["total"]
    worst = min((q.agreement for q in report.qualities.values()), default=None)
    told = f"{size(total.after)} instead of {size(total.before)}, {report.bits_per_weight:g} bits a weight"
    verdict = (
        "Nothing was measured: " + report.quality_note
        if worst is None
        else f"The likeliest next token is the same in {worst:.1%} of the positions or more."
        + (" Somebody may notice the difference." if worst < 1 - NOTICEABLE else "")
    )
    return f"<p>{escape(told)}. {escape(verdict)}</p>"


def _quality(report: Report) -> str:
    if not report.quality:
        return ""
    rows = [
        (kind, str(q.tokens), _with(q, "divergence", "{:.4f}"), f"{q.divergence_99:.3f}",
         f"{q.divergence_999:.3f}", _with(q, "agreement", "{:.1%}"), _with(q, "perplexity_ratio", "{:.3f}"))
        for kind, q in report.qualities.items()
    ]  # fmt: skip
    head = ("modality", "positions", "mean KL, nat", "99 %", "99.9 %", "same top token", "perplexity ratio")
    bars = report_pictures.bars(
        {kind: (q.divergence, q.intervals["divergence"]) for kind, q in report.qualities.items()},
        "mean KL to f16 in nat, with its 95 % interval",
    )
    noise = ", ".join(f"{kind} {q.noise['divergence']:.1e}" for kind, q in report.qualities.items())
    notes = (
        f"Measured {report.quality_note} on {report.judged_on}. Importance: {report.importance}. "
        f"Noise floor of the mean KL: {noise} nat."
    )
    return f'<h2>What it cost</h2>{table(head, rows)}{bars}<p class="note">{escape(notes)}</p>'


def _rotation(report: Report) -> str:
    """What rotating the weights was worth, where it was tried."""
    if not report.rotation:
        return ""
    rows = [
        (kind, name, f"{nats:.5f}", "kept" if name == kept["name"] else "")
        for kind, kept in report.rotation.items()
        for name, nats in kept["divergence"].items()
    ]
    left = [f"{name}: {why}" for kept in report.rotation.values() for name, why in kept["left_out"].items()]
    notes = "Rounded alike, at the same bytes. " + "; ".join(
        dict.fromkeys(f"not tried, {told}" for told in left)
    )
    head = ("decoder", "rotation", "KL on calibrating rows", "")
    return f'<h2>Rotated weights</h2>{table(head, rows)}<p class="note">{escape(notes)}</p>'


def _with(quality: Quality, name: str, form: str) -> str:
    low, high = quality.intervals[name]
    return f"{form.format(getattr(quality, name))} ({form.format(low)} – {form.format(high)})"


def _sizes(report: Report) -> str:
    rows = [
        (role, size(s.before), size(s.after), f"{s.after / max(1, s.before):.0%}")
        for role, s in report.sizes.items()
    ]
    return f"<h2>Sizes</h2>{table(('part', 'before', 'after', ''), rows)}"


def _codecs(report: Report) -> str:
    if not report.codecs:
        return ""
    rows = [
        (role, result.kept, "; ".join(_trial(role, t.method, t.value) for t in result.trials), result.media)
        for role, result in report.codecs.items()
    ]
    return f"<h2>Codecs</h2>{table(('codec', 'kept as', 'tried', 'judged on'), rows)}"


def _trial(role: str, method: str, value: float) -> str:
    told = f"{value:.1%} of the ids" if role.endswith("_encoder") else f"{value:+.2f} dB"
    return f"{method}: {told}"


def _examples(continuations: Sequence[Continuation]) -> str:
    if not continuations:
        return ""
    shown = "".join(
        f'<div class="pair"><p><b>{escape(c.kind)}</b> {_all(c.prompt)}</p>'
        f'<div class="said">{_all(c.reference)}</div><div class="said">{_all(c.result)}</div></div>'
        for c in continuations
    )
    note = (
        "The same beginning, continued by the f16 model (left) and by this bundle (right), "
        "always with the likeliest token."
    )
    return f'<h2>What both say</h2><p class="note">{note}</p>{shown}'


def _all(segments: Iterable[Shown]) -> str:
    return " ".join(_one(s) for s in segments) or "<i>nothing</i>"


def _one(shown: Shown) -> str:
    if shown.pixels is not None:
        return report_pictures.picture(shown.pixels, shown.kind)
    if shown.mel is not None:
        return report_pictures.spectrogram(shown.mel)
    return f"<i>[{escape(shown.kind)}]</i>" if shown.kind else escape(shown.text)
