"""Strings that break tokenizers: the same 259 on every machine."""

from __future__ import annotations

import random

_WRITTEN = [
    # latin, contractions, case
    "Hello world", " Hello world", "Hello  world ", "I've we'LL they'd DON'T it's 'twas 'Re",
    "HTTPServerError2xx",
    "snake_case camelCase PascalCase kebab-case", "naïve café ÉCOLE Straße ĳsselmeer ŒUVRE",
    "ǅungla ŉ ﬁn ﬀ",
    # scripts
    "日本語のテキスト。カタカナ、ひらがな", "中文测试，标点符号！", "한국어 텍스트",
    "Съешь ещё этих мягких булок", "ελληνικά κείμενο",
    "עברית טקסט", "نص عربي ١٢٣", "हिन्दी पाठ क्षत्रिय", "ไทยไม่มีช่องว่าง", "ქართული Հայերեն አማርኛ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "កាន់តែពិសេស",
    # emoji
    "🙂", "👨‍👩‍👧‍👦 family", "🏳️‍🌈🏴‍☠️", "👍🏽👍🏿", "❤️ vs ❤", "🇩🇪🇫🇷🇯🇵", "text🚀text", "🦙🦙 ✅ ☂️ 1️⃣",
    # combining marks, normal forms
    "e\u0301 vs é", "a\u0308o\u0308u\u0308", "Z̸̢͖a̵l̷g̴o̶", "क\u094dष", "\u0301alone", "ﷺ Å Å Ω Ω",
    "각 각", "q\u0323\u0307 q\u0307\u0323",
    # whitespace
    " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\n \n\n \n\n\n", "\t\t \t", "a\n\n\nb",
    "a \n b", "x  y   z    w",
    "trailing   ", "   leading", "a\u00a0b\u2003c\u3000d", "tab\tsep\tvalues", "line\r\nline\rline",
    "\u200bzero\u200dwidth\ufeff",
    "    def f(x):\n        return x\n", "\n    ", "a\u0085b\u2028c",
    # numbers
    "3", "33", "333", "3333", "33333", "1234567890", "3.14159e-10", "1,000,000.00", "0x1F600", "١٢٣٤",
    "２０２４年", "½ ² Ⅷ ⑨",
    "v1.2.3-rc4", "12:34:56", "100%", "$9.99",
    # punctuation, code
    "...!!!???", "=====------", "'''```\"\"\"", "foo(bar)[baz]{qux}", "a+b=c; d/=e//f",
    "<html><body/></html>", "C:\\path\\to",
    "https://example.org/a?b=c&d=%20#e", "x->y::z", "“quotes” ‘single’ «guillemets»", "em—dash en–dash",
    "…", "!\n?\n", "/\n/\r\n",
    # look-alikes of special tokens
    "<|begin|>", "<|end|>", "<|begin|", "|begin|>", "<|BEGIN|>", "a<|end|>b", "<|end|><|end|>",
    "< |end|>", "<s>", "</s>", "<unk>",
    "<0x41>", "<0xE4>", "[PAD3]", "<tool>", "</tool>", "x<tool>y", "<tool><tool>", " <tool> ",
    "<|tool|>", "▁", "▁▁a ▁b", "Ġ Ċ",
    # odd bytes
    "\x00", "a\x00b", "\x1b[31m", "\ufffd", "\U0010ffff", "\ud7ff", "\ue000", "\x7f",
]  # fmt: skip
_PIECES = [" ", "  ", "\n", "\t", "a", "Zz", "é", "e\u0301", "日本", "🙂", "👩‍💻", "1", "42", "'s",
    "'LL", ".", "!?", "_", "ß", "Ж", "ع",
           "क्ष", "the", " the", " of", "<", "|>", "<|", "▁", "\u00a0", "\u200d", "-", "(",
    "\r\n"]  # fmt: skip


def strings() -> list[str]:
    """All of them, without doubles."""
    chance = random.Random(0)
    mixed = ["".join(chance.choices(_PIECES, k=chance.randint(2, 14))) for _ in range(140)]
    return list(dict.fromkeys(_WRITTEN + mixed))
