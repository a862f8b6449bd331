"""What each musical style means here: tempo, drums, bass, instruments, brightness; and which tags lead to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """Patterns have sixteen steps a bar: X loud, x normal, - soft; in a bass r is root, f fifth, o octave, t third."""

    bpm: tuple[int, int]
    minor_share: float
    drums: Mapping[str, Sequence[str]]
    bass: Sequence[str]
    bass_timbre: str
    comp: Sequence[str]
    comp_timbre: str
    pad_timbre: str
    lead_timbre: str
    brightness: float
    drive: float = 0.0
    space: float = 0.25
    swing: float = 0.0
    sevenths: bool = False
    pumping: float = 0.0


STYLES: Mapping[str, Style] = {
    "pop": Style(
        bpm=(96, 124),
        minor_share=0.35,
        drums={
            "kick": ("X.......X.......", "X.....x.X.......", "X..x....X.x....."),
            "snare": ("....X.......X...",),
            "hat": ("x.-.x.-.x.-.x.-.", "x-x-x-x-x-x-x-x-"),
        },
        bass=("r.......r...r...", "r..r..r.r..r..f.", "r...r...r...o..."),
        bass_timbre="bass",
        comp=("x...x...x...x...", "x..x..x...x..x.."),
        comp_timbre="piano",
        pad_timbre="strings",
        lead_timbre="synth",
        brightness=0.55,
    ),
    "rock": Style(
        bpm=(112, 148),
        minor_share=0.5,
        drums={
            "kick": ("X.......X.x.....", "X..x....X.x....x", "X.....x.X......."),
            "snare": ("....X.......X...",),
            "hat": ("X.x.X.x.X.x.X.x.",),
            "crash": ("X...............",),
        },
        bass=("r.r.r.r.r.r.r.r.", "r.r.r.r.r.r.f.o."),
        bass_timbre="pick",
        comp=("x.x.x.x.x.x.x.x.", "x..xx.x.x..xx.x."),
        comp_timbre="distorted",
        pad_timbre="organ",
        lead_timbre="distorted",
        brightness=0.8,
        drive=0.8,
        space=0.12,
    ),
    "electronic": Style(
        bpm=(120, 134),
        minor_share=0.7,
        drums={
            "kick": ("X...X...X...X...",),
            "clap": ("....X.......X...",),
            "hat": ("..X...X...X...X.", "-.X.-.X.-.X.-.Xx"),
        },
        bass=("..r...r...r...r.", "r.ro..r.r.ro..r.", "..rr..ro..rr..rf"),
        bass_timbre="acid",
        comp=("x..x..x...x..x..", "x.x..x.x..x.x..."),
        comp_timbre="synth",
        pad_timbre="saws",
        lead_timbre="synth",
        brightness=0.75,
        drive=0.2,
        space=0.3,
        pumping=0.7,
    ),
    "ambient": Style(
        bpm=(60, 78),
        minor_share=0.5,
        drums={},
        bass=("r...............",),
        bass_timbre="sub",
        comp=("x.......x.......", "x.....x.....x..."),
        comp_timbre="bell",
        pad_timbre="strings",
        lead_timbre="flute",
        brightness=0.25,
        space=0.75,
        sevenths=True,
    ),
    "jazz": Style(
        bpm=(96, 168),
        minor_share=0.4,
        drums={
            "ride": ("X...x.-.X...x.-.", "X...x.-.x...x.-x"),
            "brush": ("....x.......x...", "....x...-...x.-."),
            "kick": ("-.......-.......",),
        },
        bass=("r...t...f...o...", "r...f...t...f...", "r...t...f...t..."),
        bass_timbre="upright",
        comp=("....x.....x.....", "x.....x.........", "..x.......x..x.."),
        comp_timbre="epiano",
        pad_timbre="none",
        lead_timbre="brass",
        brightness=0.45,
        swing=0.32,
        sevenths=True,
    ),
    "hip hop": Style(
        bpm=(76, 96),
        minor_share=0.75,
        drums={
            "kick": ("X.....x...X.....", "X..x......X..x..", "X.......x.X....."),
            "snare": ("....X.......X...",),
            "hat": ("x.x.x.x.x.x.x.x.", "x.x.xxx.x.x.x.xx"),
        },
        bass=("r.........r.....", "r.....r...r.....", "r..r......r...f."),
        bass_timbre="sub",
        comp=("x...........x...", "x.......x......."),
        comp_timbre="epiano",
        pad_timbre="strings",
        lead_timbre="bell",
        brightness=0.4,
        drive=0.15,
        swing=0.18,
        sevenths=True,
    ),
    "classical": Style(
        bpm=(72, 116),
        minor_share=0.45,
        drums={},
        bass=("r.......f.......", "r...f...r...f..."),
        bass_timbre="cello",
        comp=("x.x.x.x.x.x.x.x.", "x...x.x.x...x.x."),
        comp_timbre="piano",
        pad_timbre="strings",
        lead_timbre="violin",
        brightness=0.45,
        space=0.5,
    ),
    "acoustic": Style(
        bpm=(80, 112),
        minor_share=0.3,
        drums={"shaker": ("x.-.x.-.x.-.x.-.",), "kick": ("x.......x.......",)},
        bass=("r.......f.......", "r.....r.f......."),
        bass_timbre="upright",
        comp=("x...x.xx..x.x.x.", "x..x..x.x..x..x."),
        comp_timbre="guitar",
        pad_timbre="none",
        lead_timbre="flute",
        brightness=0.5,
        space=0.18,
    ),
}

# A word of a tag leads to a style; the first tag that names one decides, as the first tag weighs most.
WORDS: Mapping[str, str] = {
    **dict.fromkeys(("rock", "metal", "punk", "grunge", "shoegaze", "hardcore", "guitar-driven", "indie"), "rock"),
    **dict.fromkeys(
        ("electronic", "house", "techno", "trance", "edm", "synthwave", "dance", "disco", "electro", "dubstep"),
        "electronic",
    ),
    **dict.fromkeys(("ambient", "drone", "meditation", "atmospheric", "soundscape", "ethereal", "chillout"), "ambient"),
    **dict.fromkeys(("jazz", "swing", "bebop", "bossa", "blues", "lounge", "big"), "jazz"),
    **dict.fromkeys(("hip", "hop", "rap", "trap", "lo-fi", "lofi", "r&b", "soul", "boom", "drill", "phonk"), "hip hop"),
    **dict.fromkeys(
        ("classical", "orchestral", "cinematic", "baroque", "opera", "soundtrack", "chamber", "symphonic", "choral"),
        "classical",
    ),
    **dict.fromkeys(("acoustic", "folk", "country", "singer-songwriter", "bluegrass", "americana"), "acoustic"),
    **dict.fromkeys(("pop", "funk", "reggae", "latin", "k-pop", "j-pop"), "pop"),
}
DARK = frozenset({"dark", "sad", "melancholic", "melancholy", "mysterious", "minor", "gloomy", "angry", "haunting"})
BRIGHT = frozenset({"happy", "uplifting", "hopeful", "playful", "cheerful", "major", "joyful", "upbeat", "summer"})
SLOW = frozenset({"slow", "ballad", "calm", "relaxing", "downtempo", "sleepy"})
FAST = frozenset({"fast", "energetic", "upbeat", "aggressive", "driving", "intense"})
LEADS: Mapping[str, str] = {
    "piano": "piano",
    "guitar": "guitar",
    "flute": "flute",
    "violin": "violin",
    "strings": "violin",
    "organ": "organ",
    "brass": "brass",
    "saxophone": "brass",
    "trumpet": "brass",
    "bell": "bell",
    "synth": "synth",
    "synthesizer": "synth",
}


def words_in(tags: Sequence[str]) -> list[str]:
    """The words of all tags in their order, lower case."""
    return [word for tag in tags for word in tag.lower().replace("/", " ").split()]


def style_of(tags: Sequence[str]) -> Style:
    """Pop where no tag names a style."""
    return STYLES[next((WORDS[word] for word in words_in(tags) if word in WORDS), "pop")]
