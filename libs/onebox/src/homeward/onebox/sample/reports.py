"""One row of the list: what one relative, or a border organisation, wrote down about one person."""

from dataclasses import dataclass
from datetime import date, timedelta

from homeward.onebox.sample.draw import Draw
from homeward.onebox.sample.names import spell
from homeward.onebox.sample.people import AS_OF, Person, Phone, Relative
from homeward.onebox.sample.places import MAE_SOT, PLACES, Phrase, Place
from homeward.onebox.sample.spelling import full_width, traditional
from homeward.onebox.sample.texts import APPEALS, MARK, POLICE, TURNS, UNREADABLE


@dataclass(frozen=True)
class Source:
    """A list of its own, with the language of those who keep it."""

    name: str
    language: str  # zh, zh-Hant or en
    scripts: tuple[tuple[str, int], ...]  # how they write a person's name

    def say(self, phrase: Phrase) -> str:
        return self.put(phrase.zh, phrase.en)

    def put(self, zh: str, en: str) -> str:
        if self.language == "en":
            return en
        return traditional(zh) if self.language == "zh-Hant" else zh


MAINLAND = Source("SYNTHETIC family list A", "zh", (("own", 88), ("traditional", 3), ("roman", 9)))
OVERSEAS = Source("SYNTHETIC family list B", "zh-Hant", (("traditional", 68), ("own", 8), ("roman", 24)))
VOLUNTEERS = Source("SYNTHETIC family list C", "en", (("roman", 82), ("own", 18)))
BORDER_NGO = Source("SYNTHETIC border NGO list", "en", (("roman", 85), ("own", 15)))

SOURCES = {
    "CHN": [(MAINLAND, 66), (OVERSEAS, 11), (VOLUNTEERS, 23)],
    "TWN": [(MAINLAND, 10), (OVERSEAS, 65), (VOLUNTEERS, 25)],
    "MYS": [(MAINLAND, 15), (OVERSEAS, 20), (VOLUNTEERS, 65)],
}


def missing_report(draw: Draw, person: Person, relative: Relative) -> dict[str, str]:
    """What this relative knows of the person, in the words and with the slips of a family."""
    source = draw.weighted(SOURCES.get(person.citizenships[0], [(VOLUNTEERS, 1)]))
    close = relative.relationship.close
    cells = {
        "kind": "missing",
        "full_name": spell(draw, person.name, draw.weighted(source.scripts)),
        "alternate_names": _alternate_names(draw, person),
        "sex": _sex(draw, person),
        **_birth_cells(draw, person, close),
        **_number_cells(draw, person, close and person.family_has_papers),
        "citizenship": _citizenship(draw, person),
        "home_province": draw.maybe(0.7, source.say(person.home.province)),
        "home_city": draw.maybe(0.55, source.say(person.home.city)),
        "last_known_location": draw.maybe(0.8, _place(draw, person, source)),
        "missing_since": _missing_since(draw, person.missing_since),
        "physical_description": draw.maybe(0.4, _description(draw, person, source)),
        "narrative": draw.maybe(0.85, _narrative(draw, person, source)),
        "appeal": draw.maybe(0.5, source.say(draw.choice(APPEALS))),
        "police_case": draw.maybe(0.6, source.say(draw.choice(POLICE))),
        **_reporter_cells(draw, relative, source),
        "source_list": source.name,
    }
    if draw.chance(0.016):
        field, written = draw.choice(UNREADABLE)
        cells[field] = written
    return cells


def found_report(draw: Draw, person: Person) -> dict[str, str]:
    """What a border organisation notes about somebody who has come out and can speak for themselves."""
    released = min(person.missing_since + timedelta(days=draw.randrange(25, 120)), AS_OF)
    age = str(person.age + draw.randrange(-2, 3)) if draw.chance(0.4) else str(person.age)
    return {
        "kind": "found",
        "full_name": spell(draw, person.name, draw.weighted(BORDER_NGO.scripts)),
        "sex": person.sex,
        "date_of_birth": draw.maybe(0.6, person.born.isoformat()),
        "age": draw.maybe(0.6, age),
        "id_number": draw.maybe(0.2, person.id_number),
        "passport_number": draw.maybe(0.3, person.passport),
        "citizenship": draw.maybe(0.95, ";".join(person.citizenships)),
        "home_province": draw.maybe(0.5, person.home.province.en),
        "home_city": draw.maybe(0.2, person.home.city.en),
        "last_known_location": draw.maybe(0.9, draw.choice([*MAE_SOT.en, *MAE_SOT.local])),
        "physical_description": draw.maybe(0.3, _description(draw, person, BORDER_NGO)),
        "narrative": f"Came to a shelter on {released}, was offered a job as {person.job.en} {MARK}",
        "reporter_name": f"Shelter desk {MARK}",
        "reporter_relationship": "NGO",
        "reporter_contact": "shelter-desk@example.org",
        "source_list": BORDER_NGO.name,
    }


def _alternate_names(draw: Draw, person: Person) -> str:
    nickname = draw.choice(person.name.nicknames)
    other = spell(draw, person.name, draw.choice(["own", "traditional", "roman"]))
    return draw.weighted([("", 80), (nickname, 10), (other, 7), (f"{nickname};{other}", 3)])


def _sex(draw: Draw, person: Person) -> str:
    if draw.chance(0.006):  # a slip of the form
        return "F" if person.sex == "M" else "M"
    return draw.maybe(0.93, person.sex)


def _birth_cells(draw: Draw, person: Person, close: bool) -> dict[str, str]:
    """A birthday, part of one, an age, both, or nothing: the less close, the vaguer."""
    born = draw.weighted(
        [
            (_birthday(draw, person.born), 62 if close else 12),
            (f"{person.born:%Y-%m}", 6),
            (f"{person.born:%Y}", 10 if close else 18),
            ("", 22 if close else 64),
        ]
    )
    # Some count the year of birth as the first: the same person is then a year older.
    age = person.age + draw.weighted([(0, 82), (1, 12), (-1, 6)])
    known = draw.maybe(0.3 if born else 0.8, str(age))
    return {"date_of_birth": _typed(draw, born), "age": _typed(draw, known)}


def _birthday(draw: Draw, born: date) -> str:
    slip = draw.weighted([("none", 89), ("swapped", 4), ("lunar", 4), ("year", 3)])
    if slip == "swapped" and born.day <= 12:
        return f"{born:%Y-%d-%m}"
    if slip == "lunar":  # the traditional calendar's date: three to seven weeks earlier
        return (born - timedelta(days=draw.randrange(21, 50))).isoformat()
    if slip == "year" and (born.month, born.day) != (2, 29):
        return born.replace(year=born.year + draw.choice([-1, 1])).isoformat()
    return born.isoformat()


def _number_cells(draw: Draw, person: Person, has_papers: bool) -> dict[str, str]:
    return {
        "id_number": _id_number(draw, draw.maybe(0.72, person.id_number) if has_papers else ""),
        "passport_number": draw.maybe(0.14 if has_papers else 0.01, person.passport),
        "phone": draw.maybe(0.35, _phone(draw, person.phone)),
        "wechat": draw.maybe(0.28 if person.citizenships[0] in SOURCES else 0.03, person.wechat),
    }


def _id_number(draw: Draw, number: str) -> str:
    spaced = f"{number[:6]} {number[6:14]} {number[14:]}".strip()
    return _typed(draw, draw.weighted([(number, 84), (spaced, 9), (number.lower(), 7)]))


def _phone(draw: Draw, phone: Phone) -> str:
    code, national = phone
    # Abroad a national number begins with 0; Chinese mobile numbers have no such prefix.
    local = national if code == "86" else f"0{national}"
    written = draw.weighted(
        [
            (f"+{code}{national}", 30),
            (local, 40),
            (f"{local[:3]}-{local[3:-4]}-{local[-4:]}", 12),
            (f"+{code} {national[:3]} {national[3:-4]} {national[-4:]}", 12),
            (f"00{code}{national}", 6),
        ]
    )
    return _typed(draw, written)


def _citizenship(draw: Draw, person: Person) -> str:
    known = person.citizenships if draw.chance(0.7) else person.citizenships[:1]
    return draw.maybe(0.9, ";".join(known))


def _place(draw: Draw, person: Person, source: Source) -> str:
    """Usually the place where the person is; some have only heard of another."""
    place: Place = person.place if draw.chance(0.78) else draw.weighted(PLACES)
    if draw.chance(0.06):
        return draw.choice(place.local)
    return source.put(draw.choice(place.zh), draw.choice(place.en))


def _missing_since(draw: Draw, day: date) -> str:
    near = day + timedelta(days=draw.randrange(-9, 10))
    return _typed(
        draw,
        draw.weighted([(f"{day}", 52), (f"{near}", 16), (f"{day:%Y-%m}", 18), (f"{day:%Y}", 3), ("", 11)]),
    )


def _description(draw: Draw, person: Person, source: Source) -> str:
    height = person.height + draw.randrange(-2, 3)
    tall = source.put(f"身高约{height}cm", f"about {height} cm tall")
    mark = source.say(person.mark)
    return draw.weighted([(tall, 30), (mark, 25), (source.put(f"{tall}，{mark}", f"{tall}, {mark}"), 45)])


def _narrative(draw: Draw, person: Person, source: Source) -> str:
    left, turn = person.missing_since, source.say(draw.choice(TURNS))
    job, introducer = source.say(person.job), source.say(person.introducer)
    zh = f"{left.year}年{left.month}月经{introducer}介绍去泰国做{job}，{turn}"
    en = f"Left in {left:%Y-%m} for a job as {job} in Thailand, offered by {introducer}; {turn}"
    return f"{source.put(zh, en)} {MARK}"


def _reporter_cells(draw: Draw, relative: Relative, source: Source) -> dict[str, str]:
    script = {"zh": "own", "zh-Hant": "traditional", "en": "roman"}[source.language]
    contact = draw.weighted([(_phone(draw, relative.phone), 60), (relative.wechat, 25), (relative.email, 15)])
    return {
        "reporter_name": draw.maybe(0.9, f"{spell(draw, relative.name, script)} {MARK}"),
        "reporter_relationship": draw.maybe(0.92, source.say(relative.relationship.said)),
        "reporter_contact": draw.maybe(0.95, contact),
    }


def _typed(draw: Draw, text: str) -> str:
    """As typed: a few cells have full-width digits."""
    return full_width(text) if draw.chance(0.03) else text
