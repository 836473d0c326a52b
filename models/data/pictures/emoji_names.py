"""Chooses the emoji that pico learns to name, and writes the list that is shipped: emoji_names.json.

Job: `python -m models.data.pictures.emoji_names CORPUS/words/emoji.json` -> one row per name: the name, its article, its emoji.
Ignorance: how emoji are drawn; the corpus after the list is made.

The rule: emoji of one code point only (no flags of countries, skin tones, keycaps, joined persons), which the font
has. Order of usefulness: the groups of GROUPS in turn, faces, animals, food and objects first, and in a group the
order of the Unicode charts, as the corpus has it. Emoji that look alike at 64 px share one name (SAME, judged by eye
among the pairs nearest in pixels); what is lettering, or not for everyone, is left out (LEFT_OUT).
Names are the corpus' descriptions (gemoji, MIT) in lower case, made plainer by PLAINER.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from models.data.pictures import fonts

LIST = Path(__file__).with_name("emoji_names.json")
GROUPS = ("Smileys & Emotion", "Animals & Nature", "Food & Drink", "Objects", "Travel & Places", "Activities",
          "People & Body", "Symbols", "Flags")  # fmt: skip
SAME: dict[str, tuple[str, ...]] = {  # name: the descriptions that it stands for, in lower case
    "grinning face": ("grinning face", "grinning face with big eyes", "grinning face with smiling eyes"),
    "smiling face": ("smiling face", "smiling face with smiling eyes"),
    "kissing face": ("kissing face", "kissing face with closed eyes", "kissing face with smiling eyes"),
    "neutral face": ("neutral face", "expressionless face"),
    "frowning face": ("frowning face", "slightly frowning face"),
    "surprised face": ("face with open mouth", "hushed face"),
    "anguished face": ("frowning face with open mouth", "anguished face"),
    "purple devil face": ("smiling face with horns", "angry face with horns"),
    "tired face": ("weary face", "tired face"),
    "grinning cat": ("grinning cat", "grinning cat with smiling eyes"),
    "speech balloon": ("speech balloon", "left speech bubble"),
    "red heart": ("red heart", "heart suit"),
    "dog": ("dog", "guide dog"),
    "camel": ("camel", "two-hump camel"),
    "baby chick": ("baby chick", "front-facing baby chick"),
    "whale": ("whale", "spouting whale"),
    "musical notes": ("musical notes", "musical score"),
    "clock": ("clock", "mantelpiece clock"),  # and the clock faces, see _shared_name
    "crescent moon": ("crescent moon", "waxing crescent moon", "waning crescent moon"),
    "half moon": ("first quarter moon", "last quarter moon"),
    "gibbous moon": ("waxing gibbous moon", "waning gibbous moon"),
    "half moon face": ("first quarter moon face", "last quarter moon face"),
    "globe": ("globe showing europe-africa", "globe showing americas", "globe showing asia-australia"),
    "mountain": ("mountain", "snow-capped mountain"),
    "train": ("train", "metro", "tram", "light rail", "station"),
    "high-speed train": ("high-speed train", "bullet train"),
    "bus": ("bus", "oncoming bus"), "taxi": ("taxi", "oncoming taxi"), "police car": ("police car", "oncoming police car"),
    "car": ("automobile", "oncoming automobile"),
    "hourglass": ("hourglass done", "hourglass not done"),
    "sun behind a cloud": ("sun behind cloud", "sun behind small cloud", "sun behind large cloud"),
    "snowman": ("snowman", "snowman without snow"),
    "airplane taking off or landing": ("airplane departure", "airplane arrival"),
    "sunrise": ("sunrise", "sunset"), "city at dusk": ("cityscape", "cityscape at dusk"),
    "house": ("house", "house with garden"),
    "ticket": ("ticket", "admission tickets"),
    "speaker": ("speaker low volume", "speaker medium volume", "speaker high volume"),
    "camera": ("camera", "camera with flash"),
    "video camera": ("video camera", "movie camera"),
    "magnifying glass": ("magnifying glass tilted left", "magnifying glass tilted right"),
    "mailbox": ("closed mailbox with raised flag", "closed mailbox with lowered flag", "open mailbox with raised flag", "open mailbox with lowered flag"),
    "calendar": ("calendar", "tear-off calendar", "spiral calendar"),
    "notebook": ("notebook", "notebook with decorative cover"),
    "sheet of paper": ("page with curl", "page facing up"),
    "tray": ("outbox tray", "inbox tray"), "newspaper": ("newspaper", "rolled-up newspaper"),
    "disc": ("optical disk", "dvd"),
    "raised hand": ("raised hand", "raised back of hand", "hand with fingers splayed"),
    "open hand": ("rightwards hand", "leftwards hand", "palm down hand", "palm up hand"),
    "pushing hand": ("rightwards pushing hand", "leftwards pushing hand"),
    "sideways fist": ("left-facing fist", "right-facing fist"),
    "pregnant person": ("pregnant man", "pregnant person"),
    "black square": ("black large square", "black medium square", "black medium-small square", "black small square"),
    "white square": ("white large square", "white medium square", "white medium-small square", "white small square"),
    "orange diamond": ("large orange diamond", "small orange diamond"),
    "blue diamond": ("large blue diamond", "small blue diamond"),
    "six-pointed star": ("star of david", "dotted six-pointed star"),
    "copyright sign": ("copyright", "registered"),
    "medal": ("sports medal", "1st place medal", "2nd place medal", "3rd place medal"),
}  # fmt: skip
LEFT_OUT = (
    "middle finger", "love hotel", "no one under eighteen", "input latin uppercase", "input latin lowercase",
    "input numbers", "input symbols", "input latin letters", "wavy dash", "trade mark", "eye in speech bubble",
    "ng button", "cigarette", "bikini", "briefs", "clutch bag", "double curly loop", "eight-spoked asterisk", "minus",
)  # fmt: skip
PLAINER = {
    "ear of corn": "corn", "poultry leg": "chicken leg", "meat on bone": "meat on the bone", "beverage box": "juice box",
    "hot beverage": "cup of coffee", "glass of milk": "glass of milk", "pouring liquid": "pouring glass", "leafy green": "leafy vegetable",
    "baguette bread": "baguette", "shallow pan of food": "pan of food", "fork and knife with plate": "plate with fork and knife",
    "articulated lorry": "long truck", "sport utility vehicle": "jeep", "passenger ship": "cruise ship", "flying saucer": "ufo",
    "ringed planet": "planet with a ring", "high voltage": "lightning bolt", "water wave": "wave", "closed umbrella": "folded umbrella",
    "wrapped gift": "gift", "game die": "die", "1st place medal": "gold medal", "2nd place medal": "silver medal", "3rd place medal": "bronze medal",
    "fishing pole": "fishing rod", "video game": "game controller", "joker": "playing card", "bullseye": "target", "performing arts": "theater masks",
    "gem stone": "diamond gem", "headphone": "headphones", "lady beetle": "ladybug", "honeybee": "bee", "t-rex": "dinosaur", "sauropod": "long-necked dinosaur",
    "ewe": "sheep", "boar": "wild boar", "deciduous tree": "tree", "evergreen tree": "fir tree", "sheaf of rice": "rice plant",
    "leaf fluttering in wind": "leaves in the wind", "locked": "lock", "unlocked": "open lock", "locked with pen": "lock with a pen", "locked with key": "lock with a key",
    "wastebasket": "waste bin", "electric plug": "plug", "round pushpin": "red pin", "couch and lamp": "sofa", "roll of paper": "toilet paper", "telephone": "old telephone",
    "closed book": "red book", "adhesive bandage": "bandage", "man's shoe": "leather shoe", "woman's clothes": "blouse", "billed cap": "cap",
    "zzz": "zzz sign", "bust in silhouette": "silhouette of a person", "busts in silhouette": "silhouettes of two persons", "flexed biceps": "strong arm",
    "hundred points": "number hundred", "dashing away": "puff of air", "anger symbol": "anger mark", "multiply": "multiplication sign", "plus": "plus sign",
    "divide": "division sign", "infinity": "infinity sign", "recycling symbol": "recycling sign", "warning": "warning sign", "prohibited": "prohibition sign",
    "om": "om sign", "potable water": "drinking water sign", "non-potable water": "no drinking water sign", "radioactive": "radioactivity sign", "biohazard": "biohazard sign",
    "customs": "customs sign", "information": "information sign", "vibration mode": "vibration sign", "mobile phone off": "phone off sign", "foggy": "foggy bridge",
    "see-no-evil monkey": "monkey covering its eyes", "hear-no-evil monkey": "monkey covering its ears", "speak-no-evil monkey": "monkey covering its mouth",
    "construction": "roadwork barrier", "motorway": "highway", "camping": "tent under trees", "pool 8 ball": "eight ball", "mate": "mate drink",
    "person: blond hair": "blond person", "person: beard": "bearded person", "kiss": "kissing couple", "cooking": "fried egg", "selfie": "hand taking a selfie",
    "piñata": "pinata", "breast-feeding": "mother with a baby", "hook": "hook", "label": "paper label", "backhand index pointing left": "hand pointing left",
    "backhand index pointing right": "hand pointing right", "backhand index pointing up": "hand pointing up", "backhand index pointing down": "hand pointing down",
    "index pointing up": "raised finger", "index pointing at the viewer": "hand pointing at you", "collision": "explosion", "carp streamer": "fish streamers",
    "moon viewing ceremony": "moon and grass", "wedding": "wedding chapel", "tennis": "tennis racket", "ping pong": "table tennis bat", "badminton": "badminton racket",
    "cricket game": "cricket bat", "field hockey": "hockey stick", "ice hockey": "ice hockey stick", "lacrosse": "lacrosse stick", "bowling": "bowling ball",
    "horse racing": "jockey on a horse", "building construction": "building site", "cinema": "cinema sign", "shuffle tracks button": "shuffle button",
    "restroom": "restroom sign", "water closet": "wc sign", "passport control": "passport control sign", "baggage claim": "baggage claim sign", "left luggage": "left luggage sign",
    "no entry": "no entry sign", "no bicycles": "no bicycles sign", "no smoking": "no smoking sign", "no littering": "no littering sign", "no pedestrians": "no walking sign",
    "no mobile phones": "no phones sign", "children crossing": "children crossing sign", "place of worship": "worship sign", "wireless": "wireless sign",
    "men's room": "men's room sign", "women's room": "women's room sign", "currency exchange": "currency exchange sign", "heavy dollar sign": "dollar sign",
    "khanda": "khanda sign", "fleur-de-lis": "fleur-de-lis", "part alternation mark": "part alternation mark", "japanese symbol for beginner": "beginner mark",
    "japanese dolls": "pair of dolls", "night with stars": "night sky", "mount fuji": "snowy mountain by the sea", "people with bunny ears": "dancers with bunny ears",
    "rolling on the floor laughing": "face rolling on the floor", "star-struck": "star-struck face", "face vomiting": "vomiting face", "dizzy": "dizzy star",
    "flower playing cards": "flower card", "mahjong red dragon": "mahjong tile", "palms up together": "open palms", "raising hands": "raised hands",
    "mrs. claus": "mrs claus", "keycap: 10": "number ten", "a button (blood type)": "letter a button", "b button (blood type)": "letter b button",
    "ab button (blood type)": "letters ab button", "o button (blood type)": "letter o button", "p button": "parking sign", "tokyo tower": "steel tower",
    "hand with index finger and thumb crossed": "finger heart", "chart increasing": "rising chart", "chart decreasing": "falling chart",
    "chart increasing with yen": "rising chart with a yen sign", "grey heart": "gray heart", "right anger bubble": "spiky speech bubble", "heavy equals sign": "equals sign",
    "person wearing turban": "person with a turban", "person tipping hand": "person offering help", "person gesturing no": "person with crossed arms",
    "person gesturing ok": "person with arms overhead", "litter in bin sign": "litter bin sign", "face savoring food": "face licking its lips",
    "money with wings": "flying money", "money bag": "bag of money", "woman with headscarf": "woman with a headscarf", "person with white cane": "person with a white cane",
    "couple with heart": "couple in love", "airplane departure": "airplane taking off", "person in tuxedo": "person in a tuxedo", "flag in hole": "golf flag",
    "person in suit levitating": "floating man in a suit", "person taking bath": "person in a bathtub", "person rowing boat": "person rowing a boat",
    "smiling face with open hands": "hugging face", "people hugging": "hugging people", "face with open eyes and hand over mouth": "gasping face",
}  # fmt: skip
_SIGNS = ("aries", "taurus", "gemini", "cancer", "leo", "virgo", "libra", "scorpio", "sagittarius", "capricorn", "aquarius", "pisces", "ophiuchus")  # fmt: skip
_NO_ARTICLE = (
    "corn", "bread", "bacon", "butter", "salt", "garlic", "broccoli", "sushi", "spaghetti", "popcorn", "ice", "candy", "soap", "yarn", "thread",
    "dna", "coral", "fog", "fire", "rice", "dango", "oden", "falafel", "fondue", "sake", "food", "custard", "wood", "rain", "people", "paper",
    "snow", "sweat", "steam", "lightning", "money", "luggage", "lipstick",
)  # fmt: skip
_SINGULAR_IN_S = (
    "cactus",
    "lotus",
    "octopus",
    "rhinoceros",
    "hippopotamus",
    "hibiscus",
    "abacus",
    "claus",
    "fleur-de-lis",
)
_THE = ("statue of liberty", "milky way")
_TURNS = (" with ", " of ", " on ", " in ", " behind ", " under ", " holding ", " taking ", " over ", " at ", " and ",
          " showing ", " getting ", " covering ", " pointing ", " from ", " for ", " wearing ", " playing ", " without ")  # fmt: skip


def plain(description: str) -> str:
    """The name in lower case and plain words."""
    name = description.lower()
    shared = _shared_name(name)
    if shared:
        return shared
    name = PLAINER.get(name, name).replace("!", "")
    head, turn, rest = name.partition(" with ")
    if turn and not rest.startswith(("a ", "an ", "its ", "arms ", "fork ", "lightning ")):
        return f"{head} with {article(rest)} {rest}".replace("  ", " ")
    return f"{name} sign" if name in _SIGNS else name


def _shared_name(name: str) -> str:
    """The name that stands for several look-alikes, or nothing."""
    if name.endswith(("o'clock", "-thirty")):
        return "clock"
    return next((shared for shared, descriptions in SAME.items() if name in descriptions), "")


def article(name: str) -> str:
    """ "a", "an", "the", or nothing before plurals and substances."""
    if name in _THE:
        return "the"
    head = name
    for turn in _TURNS:
        head = head.split(turn)[0]
    last = head.split()[-1]
    if last.endswith("bus") or name.startswith(("face ", "person ", "woman ")):
        return "a"
    plural = last.endswith("s") and not last.endswith("ss") and last not in _SINGULAR_IN_S
    if (
        plural
        or last in _NO_ARTICLE
        or re.fullmatch(r"(two|people|men|women|money|meat|hugging people)( .*)?", name)
    ):
        return ""
    if name.startswith(("uni", "euro", "one-", "ufo")):  # said with a y or a w
        return "a"
    return "an" if name[0] in "aeiou" or name.startswith(("hour", "x-ray", "sos")) else "a"


def in_font(emoji: str) -> bool:
    """Whether the font draws anything for it."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((0, 0), emoji, font=fonts.emoji_face(), embedded_color=True)
    return canvas.getbbox() is not None


def choose(items: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """(name, article, emoji that share it) in order of usefulness, from the corpus' list of emoji."""
    variants: dict[str, str] = {}
    for group in GROUPS:
        for item in items:
            emoji, description = item["emoji"].replace("\ufe0f", ""), item["description"]
            wanted = item["category"] == group and len(emoji) == 1 and description.lower() not in LEFT_OUT
            if wanted and not description.startswith('Japanese "') and in_font(emoji):
                name = plain(description)
                variants[name] = variants.get(name, "") + emoji
    return [(name, article(name), emoji) for name, emoji in variants.items()]


_CREDIT = (
    "Names from github/gemoji (db/emoji.json), MIT, Copyright (c) 2019 GitHub, Inc.; chosen and shortened."
)
_MIT = (
    'Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), '
    "to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, "
    "and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions: "
    "The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software. "
    'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, '
    "FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER "
    "LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."
)


def write(source: Path, target: Path = LIST) -> int:
    """Make the shipped list from the corpus' emoji.json; returns the number of names."""
    rows = choose(json.loads(source.read_text(encoding="utf-8"))["items"])
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = f'"credit": {json.dumps(_CREDIT)},\n"licence": {json.dumps(_MIT)}'
    target.write_text(f'{{\n{head},\n"names": [\n{lines}\n]\n}}\n', encoding="utf-8")
    return len(rows)


if __name__ == "__main__":
    print(write(Path(sys.argv[1])), "names")
