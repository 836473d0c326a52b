"""A thousand emoji have names and articles, are drawn where labels say, and are held out by combination."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from models.data.pictures import emoji, emoji_names, fonts, palette
from models.data.pictures.picture import GRID, GROUND

KNOWN = {e.name: e for e in emoji.names()}


def placed(name: str, x: float = 0.5, y: float = 0.5, size: float = 0.8) -> emoji.Placed:
    known = KNOWN[name]
    return emoji.Placed(known.variants[0], name, known.article, size, x, y)


def pair(first: str, second: str) -> emoji.EmojiPicture:
    things = (placed(first, 0.26, size=0.45), placed(second, 0.74, size=0.45))
    return emoji.EmojiPicture(things, "white", relation="to the left of")


def test_more_than_a_thousand_plain_names_stand_for_one_emoji_or_more_each() -> None:
    everything = "".join(e.variants for e in emoji.names())
    assert len(KNOWN) == len(emoji.names()) >= 1100
    assert len(set(everything)) == len(everything)
    assert all(name == name.lower() and name.isascii() and len(name.split()) <= 8 for name in KNOWN)


def test_faces_animals_food_and_objects_come_before_symbols() -> None:
    order = list(KNOWN)
    assert order[0] == "grinning face"
    ranks = [
        order.index(n)
        for n in ("dog face", "red apple", "hammer", "rocket", "soccer ball", "baby", "up arrow")
    ]
    assert ranks == sorted(ranks)
    assert ranks[-1] > 1000


def test_names_are_made_plain_and_look_alikes_share_one() -> None:
    assert emoji_names.plain("Tokyo tower") == "steel tower"
    assert emoji_names.plain("face with tongue") == "face with a tongue"
    assert emoji_names.plain("face with tears of joy") == "face with tears of joy"
    assert emoji_names.plain("eleven o'clock") == emoji_names.plain("one-thirty") == "clock"
    assert len(KNOWN["clock"].variants) == 25
    assert "🕐" in KNOWN["clock"].variants


@pytest.mark.parametrize(
    "phrase",
    ["a rocket", "an avocado", "an hourglass", "a unicorn", "cherries", "bread", "a bus", "a cactus", "a ufo",
     "the milky way", "a glass of milk", "two hearts", "toilet paper", "an old key"],
)  # fmt: skip
def test_articles_are_right(phrase: str) -> None:
    assert phrase in {e.phrase for e in emoji.names()}


def test_a_tenth_of_the_combinations_is_held_out_and_every_name_is_trained_on() -> None:
    places = [p for row in emoji.PLACES for p in row]
    combinations = list(product(emoji.SIZES, places, palette.PAPERS))
    shares = [np.mean([emoji.held_out(name, *c) for c in combinations]) for name in list(KNOWN)[:150]]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.01)
    assert max(shares) < 0.25
    assert emoji.held_out_pair("rocket", "bee") == emoji.held_out_pair("bee", "rocket")
    some = list(KNOWN)[:60]
    assert np.mean([emoji.held_out_pair(a, b) for a in some for b in some if a < b]) == pytest.approx(
        0.1, abs=0.03
    )


def test_captions_and_answers_name_what_is_there() -> None:
    one = emoji.EmojiPicture((placed("red apple"),), "white", size="small", place="on the left")
    rng = np.random.default_rng(0)
    assert one.caption() == "a red apple"
    answers = {a.kind: a.answer for a in one.questions(rng) if a.kind != "exists"}
    assert answers == {
        "emoji": "A red apple.",
        "choice": "A red apple.",
        "count": "One.",
        "position": "On the left.",
    }
    two = pair("dog face", "red apple")
    assert two.caption() == "a dog face to the left of a red apple"
    said = {a.question: a.answer for a in two.questions(rng)}
    assert said["What is to the left of the red apple?"] == "A dog face."
    assert said["What is to the right of the dog face?"] == "A red apple."
    assert said["Where is the red apple?"] == "To the right of the dog face."


def test_asking_for_what_is_not_there_is_answered_no() -> None:
    asked = [
        a
        for i in range(60)
        for a in pair("bee", "rose").questions(np.random.default_rng(i))
        if a.kind == "exists"
    ]
    assert {a.answer for a in asked} == {"Yes.", "No."}
    assert all((a.answer == "Yes.") == a.question.endswith((" a bee?", " a rose?")) for a in asked)


def test_a_missing_font_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "ROOT", tmp_path)
    fonts.emoji_face.cache_clear()
    with pytest.raises(RuntimeError, match="fonts-noto-color-emoji"):
        fonts.emoji_face()
    with pytest.raises(RuntimeError, match="fonts-comic-neue"):
        fonts.face("Comic Neue", True, 77.25)


@pytest.mark.train
def test_the_same_seed_draws_the_same_picture_at_every_side() -> None:
    for i in range(20):
        small, again, big = (
            emoji.sample(r := np.random.default_rng(i)).draw(r, side) for side in (64, 64, 128)
        )
        assert np.array_equal(small, again)
        halved = big.reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(halved - small).mean() < 1


@pytest.mark.train
def test_training_never_shows_a_held_out_combination_and_the_other_split_always_does() -> None:
    def is_held_out(picture: emoji.EmojiPicture) -> bool:
        if picture.relation:
            return emoji.held_out_pair(*(t.name for t in picture.things))
        return emoji.held_out(picture.things[0].name, picture.size, picture.place, picture.background)

    rng = np.random.default_rng(1)
    assert not any(is_held_out(emoji.sample(rng)) for _ in range(150))
    unseen = [emoji.sample(rng, "heldout", top=300) for _ in range(150)]
    assert all(is_held_out(p) for p in unseen)
    assert 10 <= sum(bool(p.relation) for p in unseen) <= 60
    assert {t.name for p in unseen for t in p.things} <= set(list(KNOWN)[:300])


@pytest.mark.train
def test_cells_tell_the_name_and_the_colour_of_what_is_drawn_there() -> None:
    picture = emoji.EmojiPicture((placed("red square", 0.375, 0.375, 0.5),), "white")
    cells, pixels = picture.cells(), picture.draw(np.random.default_rng(3))
    assert len(cells) == GRID * GRID
    for i, cell in enumerate(cells):
        row, column = divmod(i, GRID)
        r, g, _ = pixels[row * 8 + 4, column * 8 + 4].astype(int)
        shown = 1 <= row <= 4 and 1 <= column <= 4  # the square covers these four by four cells
        assert cell[0] == ("red square" if shown else "")
        assert (r - g > 60) == shown
    assert cells[3 * GRID + 3] == ("red square", "red")
    assert cells[-1] == GROUND


@pytest.mark.train
def test_what_cannot_be_seen_on_a_background_is_not_put_there() -> None:
    assert not emoji.is_seen("⚪", "white")
    assert emoji.is_seen("⚪", "dark blue")
    rng = np.random.default_rng(4)
    assert all(
        emoji.is_seen(t.emoji, p.background) for p in (emoji.sample(rng) for _ in range(60)) for t in p.things
    )


@pytest.mark.train
def test_the_list_is_chosen_by_the_rule() -> None:
    items = [
        {"emoji": sign, "description": description, "category": category}
        for sign, description, category in (
            ("➡️", "right arrow", "Symbols"),
            ("🖕", "middle finger", "People & Body"),
            ("🇩🇰", "flag: Denmark", "Flags"),
            ("🕐", "one o'clock", "Travel & Places"),
            ("🕑", "two o'clock", "Travel & Places"),
            ("🐶", "dog face", "Animals & Nature"),
        )
    ]
    assert emoji_names.choose(items) == [
        ("dog face", "a", "🐶"),
        ("clock", "a", "🕐🕑"),
        ("right arrow", "a", "➡"),
    ]
