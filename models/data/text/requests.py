"""How people ask for media: to draw, describe, read, transcribe, speak, name and make sounds, animate, edit.

Job: many wordings of each request, split by wording x item (`ask`). Ignorance: media, answers, what items there are.

A slot {x} takes the item: after "draw" a noun phrase ("a red circle"), after "say" the words, after "make it" a colour or size.
Kinds without a slot hold out every eighth wording.
"""

from __future__ import annotations

import re

import numpy as np

from models.data.text.turns import Split, a, as_typed, capital, one, wordings

WAYS: dict[str, tuple[str, ...]] = {
    # ---- pictures ----
    "draw": (
        "Draw {x}.", "Draw a picture of {x}.", "Make a picture of {x}.", "Paint {x}.", "Please draw {x}.", "Show me {x}.", "Create an image of {x}.", "Can you draw {x}?", "Could you paint {x} for me?",
        "I would like a picture of {x}.", "Sketch {x}.", "I want to see {x}.", "Make an image that shows {x}.", "Give me a drawing of {x}.", "Please make me a picture of {x}.", "Generate a picture of {x}.",
        "Can you make an image of {x}?", "Would you draw {x} for me?", "A picture of {x}, please.", "Let me see {x}.", "Paint me a picture with {x}.", "I need an image of {x}.", "Draw {x} for me, please.",
        "Produce an image: {x}.", "How would {x} look?", "Try to draw {x}.", "Now draw {x}.", "An image of {x}, please.", "Picture: {x}", "Illustrate {x}.",
    ),
    "describe": (
        "Describe the picture.", "What is in this picture?", "Describe this image.", "What do you see?", "Tell me what you see.", "Describe what you see in this picture.", "What does the picture show?", "What is this?",
        "What can you see here?", "What is shown here?", "Please describe the image.", "Tell me about this picture.", "Give me a caption.", "What is in the image?", "Put this picture into words.", "Can you describe this?",
        "Write a caption for this picture.", "What am I looking at?", "Explain what the picture shows.", "Say what you see.", "Caption this.", "What do you see in the picture?", "Could you tell me what is in this image?", "Look at this. What is it?",
    ),
    "describe_aloud": (
        "Describe the picture aloud.", "Tell me aloud what you see.", "Say aloud what is in the picture.", "Describe this with your voice.", "What do you see? Say it aloud.", "Read the picture to me aloud.",
        "Let me hear what is in the picture.", "Use your voice: what does the picture show?", "Describe this image aloud, please.", "Speak: what is in this picture?", "I cannot see. Tell me aloud what is there.", "Say in words that I can hear what the picture shows.",
    ),
    "emoji": (
        "Which emoji is this?", "Name this emoji.", "What is this emoji called?", "What is the name of this emoji?", "What does this emoji show?", "Tell me the name of the emoji.", "Do you know this emoji?", "What emoji do you see?",
        "Name the emoji in the picture.", "Which emoji do I show you?", "What is this little picture called?", "Can you name this emoji?", "How is this emoji called?", "Emoji name?", "Please name the emoji.", "What is this symbol?",
    ),
    "read": (
        "What does it say?", "Read the text.", "What is written here?", "Read the word in the picture.", "Which word is this?", "What text do you see?", "Read this.", "What does the picture say?", "Can you read this?", "Please read the text in the image.",
        "What is the text?", "Which letters do you see?", "Type what is written.", "What word is written here?", "Write down the text of the picture.", "What stands here?", "Tell me what is written.", "Copy the text from the image.", "Read it to me.", "What does the sign say?",
    ),
    "chart": (
        "Describe the chart.", "What does the chart show?", "Read the chart.", "Which values does the chart show?", "Tell me the values of the chart.", "What do the bars say?", "Explain this chart.", "What can you read from the chart?", "Put the chart into words.", "Give me the numbers of the chart.",
    ),
    "compare": (
        "Compare the two pictures.", "What is different?", "What changed?", "What is the difference between the two pictures?", "How do the pictures differ?", "Are the two pictures the same?", "Tell me what is different.", "Find the difference.",
        "Which thing has changed?", "What is new in the second picture?", "Spot the difference.", "Do you see a difference?",
    ),
    "write": (
        "Draw the word {x}.", "Write {x} as a picture.", "Make a picture with the word {x}.", "Paint the word {x}.", "Make a picture that says {x}.", "Draw the text {x}.", "Show the word {x} in a picture.", "Create an image with the text {x}.",
        "Please draw the word {x}.", "I want a picture that says {x}.", "Make a sign that says {x}.", "Can you draw the word {x}?", "Put the word {x} into an image.", "Draw a sign with {x} on it.",
    ),
    "draw_emoji": (
        "Draw the emoji {x}.", "Show me the emoji {x}.", "Make the emoji {x}.", "Draw {x} as an emoji.", "Give me the {x} emoji.", "Draw the {x} emoji.", "Paint the emoji called {x}.", "I want the emoji {x}.", "Create the {x} emoji.", "The {x} emoji, please.",
        "Can you draw the emoji {x}?", "Picture of the emoji {x}.",
    ),
    # ---- edits of the last picture ----
    "recolour": (
        "Make it {x}.", "Now make it {x}.", "Change the color to {x}.", "Paint it {x}.", "I want it in {x}.", "Can you make it {x}?", "Please make it {x}.", "The same in {x}.", "Draw it in {x}.", "And now in {x}.", "Turn it {x}.", "It should be {x}.", "Color it {x}.", "Let it be {x}.",
    ),
    "resize": (
        "Make it {x}.", "Now make it {x}.", "Draw it {x}.", "It should be {x}.", "Can you make it {x}?", "Please make it {x}.", "The same but {x}.", "I want it {x}.", "A bit {x}, please.", "Let it be {x}.",
    ),  # {x}: bigger, smaller
    "add": (
        "Add {x}.", "Now add {x}.", "Put {x} next to it.", "Also draw {x}.", "Please add {x}.", "Can you add {x}?", "And {x} too.", "I also want {x}.", "Draw {x} as well.", "Include {x}.", "Add {x} to the picture.", "There should also be {x}.", "With {x}, please.", "Put {x} in, too.",
    ),
    "remove": (
        "Remove {x}.", "Take away {x}.", "Now without {x}.", "Delete {x}.", "Leave out {x}.", "Please remove {x}.", "The same without {x}.", "Can you take out {x}?", "I do not want {x}.", "Drop {x}.", "Draw it without {x}.", "Erase {x}.",
    ),  # {x}: "the star"
    "move": (
        "Move it {x}.", "Put it {x}.", "Now put it {x}.", "I want it {x}.", "Please move it {x}.", "Can you put it {x}?", "It should be {x}.", "Place it {x}.", "Draw it {x}.", "The same, but {x}.",
    ),  # {x}: "at the top", "to the left"
    "again": ("Again.", "Draw it again.", "Once more, please.", "Another one.", "Try again.", "Give me another picture of it.", "One more time.", "Repeat the picture.", "The same again.", "Make a new one."),
    # ---- hearing ----
    "transcribe": (
        "What is said?", "Transcribe.", "Write down what you hear.", "What did I say?", "Transcribe this.", "Which words do you hear?", "What does the voice say?", "Write what is spoken.", "Please transcribe the audio.", "What do you hear?",
        "Turn this speech into text.", "What was said?", "Type what you hear.", "Put the words on paper.", "What are the words?", "Can you write this down?", "Give me the text of this recording.", "Listen and write.", "What does the speaker say?", "Tell me what was said.",
    ),
    "digits": (
        "Which digits do you hear?", "Which numbers are spoken?", "What digits are said?", "Write down the digits.", "Which number is said?", "What numbers do you hear?", "Note the digits.", "Tell me the digits.", "Give me the numbers you hear.", "Which digits were spoken?",
    ),
    "name_sound": (
        "What is this sound?", "Name this sound.", "Describe the sound.", "What makes this sound?", "Which sound is this?", "What kind of sound is it?", "What sound do you hear?", "Tell me what sound this is.", "Can you name the sound?", "What am I hearing?",
        "Do you know this sound?", "What was that noise?", "Describe what you hear.", "Which noise is this?",
    ),
    "emotion": (
        "Which emotion do you hear?", "How does the speaker feel?", "What is the mood of the voice?", "Is the voice calm, happy, angry or sad?", "How does the voice sound?", "Which feeling is in the voice?", "Is the speaker happy or sad?", "What emotion is this?",
        "How do I sound?", "Tell me the feeling of the speaker.", "In what mood is the speaker?", "Name the emotion.", "What do you hear in the voice: calm, happy, angry or sad?", "Does the speaker sound angry?", "How is the speaker feeling?", "Describe the mood.",
    ),
    "answer_spoken": (
        "Answer the question.", "Please answer.", "Listen to the question and answer.", "What is your answer?", "Answer what you hear.", "Here is my question.", "Can you answer this?", "Do what I say.", "Listen.", "Follow what you hear.",
    ),
    # ---- speaking and sounds ----
    "speak": (
        "Say: {x}", "Speak: {x}", "Read this aloud: {x}", "Say this aloud: {x}", "Please say: {x}", "Can you say this? {x}", "Say it with your voice: {x}", "Read out: {x}", "I want to hear: {x}", "Let me hear you say: {x}", "Speak these words: {x}",
        "Pronounce: {x}", "Use your voice: {x}", "Read aloud: {x}", "Tell me aloud: {x}", "Make a recording of: {x}",
    ),
    "speak_last": (
        "Say that aloud.", "Now say it aloud.", "Read your answer aloud.", "Speak it.", "Can you say that aloud?", "Let me hear it.", "Say it with your voice.", "Read it out, please.", "And now aloud.", "I want to hear that.",
    ),
    "speak_mood": (
        "Say in {a} voice: {x}", "Speak in {a} voice: {x}", "With {a} voice, say: {x}", "Read this in {a} voice: {x}", "Say this as if {m}: {x}", "Sound {m} and say: {x}", "Be {m} and say: {x}", "Let me hear this, very {m}: {x}", "In {a} tone, please: {x}", "Speak as if you were {m}: {x}",
    ),  # {m}: happy, sad, angry, calm; {a}: with its article
    "make_sound": (
        "Make the sound of {x}.", "Play {x}.", "Let me hear {x}.", "I want to hear {x}.", "Make {x}.", "Can you play {x}?", "Please play {x}.", "Produce the sound of {x}.", "Give me the sound of {x}.", "How does {x} sound?", "What does {x} sound like?", "Create the sound of {x}.", "Sound: {x}", "Imitate {x}.",
    ),
    "sound_of_picture": (
        "Make the sound of this.", "How does this sound?", "What sound does it make? Let me hear it.", "Play the sound of the picture.", "Let me hear what you see.", "Give this picture a sound.", "Make a sound that fits.", "Which sound fits? Play it.", "Turn this picture into sound.", "What would I hear here?",
    ),
    # ---- videos ----
    "describe_video": (
        "Describe the video.", "What happens in this video?", "What happens here?", "Tell me what happens.", "What do you see in the video?", "Describe the clip.", "What is going on?", "What does the video show?", "Put the video into words.", "What is moving?", "Please describe what happens.", "Summarize the video.",
        "Watch this and tell me what happens.", "How does it move?", "What can you see in the clip?", "Explain the video.", "Give me a caption for the clip.", "What changes in the video?",
    ),
    "animate": (
        "Animate {x}.", "Make a video of {x}.", "Show a video of {x}.", "Make a short film of {x}.", "Create a clip of {x}.", "Let me see a video of {x}.", "Please animate {x}.", "Can you make a video of {x}?", "I would like a video of {x}.", "Make an animation: {x}.",
        "Draw a moving picture of {x}.", "Film {x}.", "Generate a video of {x}.", "I want to see {x} as a video.", "A clip of {x}, please.", "Video: {x}", "Produce a clip that shows {x}.", "Make a GIF of {x}.",
    ),
    "animate_last": (
        "Make it move {x}.", "Let it move {x}.", "Animate it: {x}.", "Now it moves {x}.", "Make a video where it moves {x}.", "Can you let it move {x}?", "Turn the picture into a video: {x}.", "Bring it to life: {x}.", "Please move it {x} in a video.", "Set it in motion {x}.",
    ),  # {x}: "to the left", "up"
    "next_frame": (
        "What happens next?", "Draw the next frame.", "How does it go on?", "Continue the video.", "Show what comes next.", "What comes next?", "Draw what happens next.", "Go on.", "Predict the next frame.", "And then?",
    ),
}  # fmt: skip
_VERBATIM = frozenset(("speak", "speak_mood", "write"))  # the item is quoted, so it stays as given


def ask(rng: np.random.Generator, split: Split, kind: str, x: str = "", mood: str = "") -> str:
    """A request of the kind for the item: a wording that belongs to the split with this item."""
    found = wordings(split, WAYS[kind], x)
    if not found:
        raise ValueError(f"{kind!r} has no wording in the split {split!r} for {x!r}")
    request = capital(one(rng, found).format(x=x, m=mood, a=a(mood) if mood else ""))
    return request if kind in _VERBATIM else as_typed(rng, re.sub(r"[.!?]([.?])$", r"\1", request))
