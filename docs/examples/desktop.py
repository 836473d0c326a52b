"""A chat window: text, pictures, sounds and clips in and out, and a stop button.

    pip install "edge-multimodal[desktop]"
    python desktop.py
    pyinstaller --noconfirm --windowed desktop.py        # dist/desktop/desktop runs without Python

Job: the window, and a thread in which the model answers. Ignorance: how: see docs/python.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QThread, QUrl, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDesktopServices, QImage, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

import edge

KINDS: dict[str, Callable[[str], edge.Part]] = {
    "Picture (*.png *.jpg *.jpeg *.webp)": edge.Image,
    "Sound (*.wav *.flac *.mp3 *.ogg)": edge.Audio,
    "Clip (*.gif *.webp *.mp4 *.webm)": edge.Video,
}


class Talker(QObject):
    """Lives in a thread of its own: loads the model, answers, and tells the window by signals."""

    ready = Signal()  # the next message may come
    event = Signal(object)  # of `chat.send`
    failed = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.model: edge.Model | None = None
        self.chat: edge.Chat | None = None

    @Slot()
    def load(self) -> None:
        try:
            self.model = edge.load(self.name, isolated=True)  # what crashes there leaves the window alone
            self.chat = self.model.chat()
        except edge.EdgeError as error:
            self.failed.emit(str(error))
            return
        self.ready.emit()

    @Slot(object)
    def answer(self, parts: list[str | edge.Part]) -> None:
        try:
            for event in self.chat.send(*parts):
                self.event.emit(event)
        except edge.EdgeError as error:
            self.failed.emit(str(error))
        self.ready.emit()


class Window(QWidget):
    """The conversation above, the line to write in and its buttons below."""

    said = Signal(object)  # the parts of a message
    idle = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setWindowTitle(f"Edge: {name}")
        self.resize(560, 640)
        self.lost = False  # something failed
        self.attached: list[edge.Part] = []
        self.made: list[edge.Sound | edge.Clip] = []  # what a link plays or saves
        self.sound: list[edge.AudioChunk] = []
        self.view = QTextBrowser(openLinks=False)
        self.view.anchorClicked.connect(self.follow)
        self.line = QLineEdit(placeholderText="Say something")
        self.line.returnPressed.connect(self.send)
        self.buttons = {
            text: QPushButton(text, clicked=do)
            for text, do in (("Attach", self.attach), ("Send", self.send), ("Stop", self.stop))
        }
        below = QHBoxLayout()
        for widget in (self.line, *self.buttons.values()):
            below.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.addWidget(self.view)
        layout.addLayout(below)
        self.busy(True)
        self.thread_ = QThread(self)
        self.talker = Talker(name)
        self.talker.moveToThread(self.thread_)
        self.thread_.started.connect(self.talker.load)
        self.said.connect(self.talker.answer)
        self.talker.ready.connect(
            self.rest
        )  # a method of the window runs in the window's thread, no lambda does
        self.talker.event.connect(self.show_event)
        self.talker.failed.connect(self.complain)
        self.thread_.start()

    @Slot()
    def rest(self) -> None:
        self.busy(False)
        self.idle.emit()

    @Slot(str)
    def complain(self, text: str) -> None:
        self.lost = True
        self.write(f"\n[{text}]\n")

    def busy(self, busy: bool) -> None:
        self.buttons["Send"].setDisabled(busy)
        self.buttons["Stop"].setEnabled(busy)

    def attach(self) -> None:
        path, kind = QFileDialog.getOpenFileName(self, "Attach", "", ";;".join(KINDS))
        if path:
            self.attached.append(KINDS[kind](path))
            self.line.setPlaceholderText(f"{len(self.attached)} attached; say something about it")

    def send(self) -> None:
        text = self.line.text().strip()
        if not self.buttons["Send"].isEnabled() or not (text or self.attached):
            return
        files = "".join(f" [{Path(part.source).name}]" for part in self.attached)
        self.write(f"\nYou: {text}{files}\nEdge: ")
        self.busy(True)
        self.said.emit([*([text] if text else []), *self.attached])
        self.attached = []
        self.line.clear()
        self.line.setPlaceholderText("Say something")

    def stop(self) -> None:
        if self.talker.chat is not None:
            self.talker.chat.cancel()  # safe from any thread; what was said by then stays

    @Slot(object)
    def show_event(self, event: edge.Event) -> None:
        match event:
            case edge.TextDelta():
                self.write(event.text)
            case edge.ImageMade():
                self.picture(edge.Picture(event.pixels))
            case edge.AudioChunk():
                self.sound.append(event)
            case edge.VideoMade():
                self.picture(edge.Picture(event.frames[0]))
                self.offer(edge.Clip(event.frames, event.frame_seconds), "clip")
            case edge.Finished():
                if self.sound:
                    samples = np.concatenate([chunk.samples for chunk in self.sound])
                    self.offer(edge.Sound(samples, self.sound[0].sample_rate), "sound")
                self.sound = []
                self.write("\n" if event.reason != "cancelled" else " [stopped]\n")

    def cursor_at_end(self) -> QTextCursor:
        self.view.moveCursor(QTextCursor.MoveOperation.End)
        cursor = self.view.textCursor()
        cursor.setCharFormat(QTextCharFormat())  # what follows a link is none
        return cursor

    def write(self, text: str) -> None:
        self.cursor_at_end().insertText(text)

    def picture(self, picture: edge.Picture) -> None:
        image = QImage.fromData(picture.png())
        self.cursor_at_end().insertImage(image.scaledToWidth(max(image.width(), 160)))

    def offer(self, made: edge.Sound | edge.Clip, kind: str) -> None:
        number = len(self.made)
        self.made.append(made)
        self.cursor_at_end().insertHtml(
            f'&nbsp;[{kind}: <a href="play:{number}">play</a>, <a href="save:{number}">save</a>]'
        )

    def follow(self, link: QUrl) -> None:
        made = self.made[int(link.path())]
        ending = ".wav" if isinstance(made, edge.Sound) else ".gif"
        path = str(Path(tempfile.gettempdir()) / f"edge-{id(made)}{ending}")
        if link.scheme() == "save":
            path, _ = QFileDialog.getSaveFileName(self, "Save", f"made{ending}")
        try:
            if path:
                made.save(path)
                if link.scheme() == "play":
                    QDesktopServices.openUrl(QUrl.fromLocalFile(path))
        except edge.EdgeError as error:
            self.complain(str(error))

    def closeEvent(self, event: QCloseEvent) -> None:
        self.stop()
        self.thread_.quit()
        self.thread_.wait()
        if self.talker.model is not None:
            self.talker.model.close()
        super().closeEvent(event)


def main() -> int:
    """The window; with `--ask`, questions asked in it one after the other, and then its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="pico")
    parser.add_argument("--ask", action="append", default=[], help="ask this, print the conversation, end")
    parser.add_argument("--screenshot", help="with --ask: the window as a PNG")
    given = parser.parse_args()
    app = QApplication(sys.argv[:1])
    window = Window(given.model)
    window.show()

    def next_question() -> None:
        if given.ask:
            window.line.setText(given.ask.pop(0))
            window.send()
            return
        if given.screenshot:
            window.grab().save(given.screenshot)
        window.close()

    if asked := bool(given.ask):
        window.idle.connect(next_question)
        window.talker.failed.connect(window.close)
    code = app.exec()
    if asked:
        print(window.view.toPlainText(), flush=True)
    return code or int(window.lost)


if __name__ == "__main__":
    edge.freeze_support()  # a frozen program is also the model's own process
    sys.exit(main())
