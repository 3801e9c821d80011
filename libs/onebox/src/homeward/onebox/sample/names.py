"""A true name, and the many ways in which it is written down."""

from dataclasses import dataclass
from typing import NamedTuple

from homeward.onebox.sample import peoples
from homeward.onebox.sample.draw import Draw
from homeward.onebox.sample.hanzi import CHARACTERS, LEADING, SURNAMES, WELL_KNOWN, Character, Surname
from homeward.onebox.sample.spelling import plain, traditional, wade_giles


class Reading(NamedTuple):
    """A romanisation in its parts, with tone marks or diacritics where the system has them."""

    family: str
    given: tuple[str, ...]
    joins: bool  # given-name syllables may be written as one word


@dataclass(frozen=True)
class Name:
    written: tuple[str, ...]  # in its own scripts, the usual one first; Han: simplified, traditional
    readings: tuple[Reading, ...]  # the usual one first
    family_first: bool
    nicknames: tuple[str, ...]
    family: Surname | peoples.Part | None  # what a brother or sister bears too; the Burmese have none


def draw_name(draw: Draw, country: str, sex: str, family: Surname | peoples.Part | None = None) -> Name:
    """A name at random, as given in that country; with this family name if one is given."""
    if country == "MMR":
        return _burmese(draw, sex)
    if country in peoples.FAMILY:
        part = family if isinstance(family, peoples.Part) else draw.choice(peoples.FAMILY[country])
        return _vietnamese(draw, sex, part) if country == "VNM" else _given_first(draw, country, sex, part)
    surname = family if isinstance(family, Surname) else draw.weighted([(s, s.weight) for s in SURNAMES])
    return _chinese(draw, country, sex, surname)


def _chinese(draw: Draw, country: str, sex: str, surname: Surname) -> Name:
    usual = [character for character in CHARACTERS if character.sex in ("", sex)]
    last = [character for character in usual if character.han not in LEADING]
    characters = [*([] if draw.chance(0.14) else [draw.choice(usual)]), draw.choice(last)]
    han = surname.han + "".join(character.han for character in characters)
    if han in WELL_KNOWN:
        return _chinese(draw, country, sex, surname)
    pinyin = Reading(surname.pinyin, tuple(character.pinyin for character in characters), joins=True)
    nicknames = ("阿" + characters[-1].han, "小" + characters[-1].han, "小" + surname.han)
    readings = (*_abroad(draw, country, surname, characters, pinyin), pinyin)
    return Name((han, traditional(han)), readings, True, nicknames, surname)


def _abroad(
    draw: Draw, country: str, surname: Surname, characters: list[Character], pinyin: Reading
) -> tuple[Reading, ...]:
    """How papers outside the mainland spell the name; nothing for the mainland itself."""
    if country == "TWN":
        return (Reading(wade_giles(pinyin.family), tuple(map(wade_giles, pinyin.given)), joins=False),)
    if country == "MYS" and draw.chance(0.5):
        return (Reading(surname.hokkien, tuple(c.hokkien for c in characters), joins=False),)
    if country == "MYS":
        return (Reading(surname.cantonese, tuple(c.cantonese for c in characters), joins=False),)
    return ()


def _vietnamese(draw: Draw, sex: str, family: peoples.Part) -> Name:
    middle = draw.choice(peoples.VIETNAMESE_MIDDLE[sex]).own
    last = draw.choice(peoples.GIVEN["VNM"][sex]).own
    reading = Reading(family.own, (middle, last), joins=False)
    return Name((f"{family.own} {middle} {last}",), (reading,), True, (last,), family)


def _burmese(draw: Draw, sex: str) -> Name:
    """Burmese names have no family name: the first word only stands where others have theirs."""
    parts = draw.shuffled(peoples.BURMESE[sex])[: 3 if draw.chance(0.6) else 2]
    reading = Reading(parts[0].roman, tuple(part.roman for part in parts[1:]), joins=False)
    nickname = f"{'Ko' if sex == 'M' else 'Ma'} {parts[-1].roman}"
    return Name(("".join(part.own for part in parts),), (reading,), True, (nickname,), None)


def _given_first(draw: Draw, country: str, sex: str, family: peoples.Part) -> Name:
    given = draw.choice(peoples.GIVEN[country][sex])
    reading = Reading(family.roman, (given.roman,), joins=False)
    return Name((f"{given.own} {family.own}",), (reading,), False, (given.roman,), family)


def spell(draw: Draw, name: Name, script: str) -> str:
    """The name as one person would write it: `own`, `traditional` or `roman`."""
    if script == "roman":
        reading = name.readings[0] if draw.chance(0.85) else draw.choice(name.readings)
        return romanise(draw, reading, name.family_first)
    written = name.written[-1] if script == "traditional" else name.written[0]
    return _misheard(draw, written) if isinstance(name.family, Surname) and draw.chance(0.03) else written


def romanise(draw: Draw, reading: Reading, family_first: bool) -> str:
    """One of the usual ways to write a romanised name: tones, joins, order and case as the hand takes it."""
    marked = draw.chance(0.07)
    umlaut = draw.weighted([("v", 5), ("u", 3), ("yu", 2), ("ü", 1)])
    family, *given = [part if marked else plain(part, umlaut) for part in (reading.family, *reading.given)]
    join = draw.weighted([("", 60), (" ", 32), ("-", 8)]) if reading.joins else " "
    called = join.join(given)
    called = called.title() if join == " " else called[:1].upper() + called[1:]
    usual_order = draw.chance(0.85)
    first, last = (family, called) if family_first == usual_order else (called, family)
    gap = draw.weighted([(" ", 92), ("", 5 if reading.joins else 0), (", ", 3 if first == family else 0)])
    return draw.weighted(
        [
            (f"{first}{gap}{last}", 62),
            (f"{first}{gap}{last}".upper(), 26),
            (f"{first}{gap}{last}".lower(), 12),
        ]
    )


def _misheard(draw: Draw, han: str) -> str:
    """The last character by another that sounds the same: names are passed on by telephone."""
    sound = next((plain(c.pinyin) for c in CHARACTERS if c.han == han[-1]), "")
    same = [c.han for c in CHARACTERS if plain(c.pinyin) == sound and c.han != han[-1]]
    return han[:-1] + draw.choice(same) if same else han
