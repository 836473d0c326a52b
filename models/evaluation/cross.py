"""Several senses at once: pictures told aloud, the sounds of pictures, clips with a sound track.

Job: each task uses held-out scenes, things and clips, and gives rows. Ignorance: the model. What it says or plays is
judged by its own ears, as in `speaking`.
"""

from __future__ import annotations

import edge
from models.data import items
from models.data.tasks.desk import capital_sentence
from models.evaluation.clips import shown
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import Row, ratio_of_pairs, share
from models.evaluation.scoring import agreement, slots, word_errors, words


def told_aloud(exam: Exam) -> list[Row]:
    """A scene told aloud: what it says against the scene, what is heard against what it says."""
    seen, spoken = [], []
    for number in exam.numbers(0.1):
        scene, picture, _ = exam.picture("scenes", number)
        said, made = exam.sound(picture, exam.request("describe_aloud", number), seed=number)
        seen.append(agreement(slots(scene.caption()), slots(said)))
        told = exam.model.transcribe(made, sampling=GREEDY)
        spoken.append((word_errors(said, told), len(words(said))))
    return [
        ratio_of_pairs("pictures told aloud: slot F1 of the words", seen),
        ratio_of_pairs("pictures told aloud, heard again: word errors", spoken, "less"),
    ]


def sounds_of_pictures(exam: Exam) -> list[Row]:
    """The sound of a thing that is shown, named by the model."""
    hits = []
    for number in exam.numbers(0.12):
        (thing, sound), rng = items.sounding(number, "heldout")
        picture = edge.Image(thing.draw(rng))
        _, made = exam.sound(picture, exam.request("sound_of_picture", number), seed=number)
        told = exam.answer(made, exam.request("name_sound", number))
        hits.append(told == capital_sentence(sound))
    return [share("sounds of pictures, named by the model", hits)]


def sound_tracks(exam: Exam) -> list[Row]:
    """A clip and a sound at once, and one question about each."""
    of_clip, of_sound = [], []
    for number in exam.numbers(0.2):
        clip, video, rng = shown(number)
        sound, generator = items.sound(number, "heldout")
        track = heard(sound.play(generator))
        for about, hits in ((clip.questions(rng)[0], of_clip), (sound.questions(generator)[0], of_sound)):
            hits.append(exam.answer(video, track, about.question) == about.answer)
    return [
        share("clips with a sound track: what is seen", of_clip),
        share("clips with a sound track: what is heard", of_sound),
    ]
