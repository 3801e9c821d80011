"""The true people behind the list: who they are, where they went, and who is looking for them."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from homeward.onebox.sample.draw import Draw
from homeward.onebox.sample.names import Name, draw_name
from homeward.onebox.sample.places import HOMES, PLACES, Home, Phrase, Place
from homeward.onebox.sample.texts import INTRODUCERS, JOBS, MARKS, RELATIONSHIPS, Relationship

AS_OF = date(2025, 6, 30)  # the day of the list: ages are counted to it
FIRST_MISSING = date(2023, 1, 1)

CITIZENSHIPS = [
    ("CHN", 820), ("MYS", 45), ("VNM", 35), ("MMR", 25), ("TWN", 20),
    ("ETH", 15), ("KEN", 12), ("PHL", 10), ("THA", 10), ("IND", 8),
]  # fmt: skip
AGES = [
    (range(15, 18), 3), (range(18, 20), 7), (range(20, 25), 29), (range(25, 30), 27),
    (range(30, 35), 18), (range(35, 40), 10), (range(40, 46), 6),
]  # fmt: skip

# No subscriber can have the Chinese numbers: 154 is assigned to nobody. Elsewhere there is no such range, and
# the zeros before the serial number show that it was made up.
DIALLING = {
    "CHN": ("86", "154"), "MYS": ("60", "11"), "VNM": ("84", "9"), "MMR": ("95", "9"), "TWN": ("886", "9"),
    "ETH": ("251", "9"), "KEN": ("254", "7"), "PHL": ("63", "90"), "THA": ("66", "6"), "IND": ("91", "60"),
}  # fmt: skip
REGION = "999999"  # an identity number begins with the code of a district; this one does not exist


class Phone(NamedTuple):
    country_code: str
    national: str


@dataclass(frozen=True)
class Relative:
    name: Name
    relationship: Relationship
    phone: Phone
    wechat: str
    email: str


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist, whole and true: the reports tell parts of it."""

    number: int
    name: Name
    sex: str
    born: date
    citizenships: tuple[str, ...]  # the first is the country whose names and papers the person has
    home: Home
    place: Place
    missing_since: date
    height: int
    mark: Phrase
    job: Phrase
    introducer: Phrase
    family_has_papers: bool
    serial: int  # in every number and account of the person, so that no two people share one
    relatives: tuple[Relative, ...] = ()
    order: int = 1  # among those of the same sex born on the same day, for the identity number

    @property
    def age(self) -> int:
        return AS_OF.year - self.born.year - ((AS_OF.month, AS_OF.day) < (self.born.month, self.born.day))

    @property
    def id_number(self) -> str:
        """Empty where the sample has no made-up form of the country's number."""
        return identity_number(self.born, self.sex, self.order) if self.citizenships[0] == "CHN" else ""

    @property
    def passport(self) -> str:
        return f"X{self.serial:07d}"

    @property
    def phone(self) -> Phone:
        return _phone(self.citizenships[0], self.serial)

    @property
    def wechat(self) -> str:
        return _wechat(self.serial)


def draw_people(draw: Draw, count: int) -> list[Person]:
    """That many people; now and then a brother or sister of the one before, gone with them."""
    serial = itertools.count(1)
    born_alike: Counter[tuple[date, str]] = Counter()
    people: list[Person] = []
    for number in range(count):
        with_other = people and draw.chance(0.02)
        person = _sibling(draw, people[-1], number, serial) if with_other else _person(draw, number, serial)
        born_alike[person.born, person.sex] += 1
        people.append(replace(person, order=born_alike[person.born, person.sex]))
    return people


def _person(draw: Draw, number: int, serial: Iterator[int]) -> Person:
    country = draw.weighted(CITIZENSHIPS)
    sex = "M" if draw.chance(0.72) else "F"
    person = Person(
        number=number,
        name=draw_name(draw, country, sex),
        sex=sex,
        born=_birth(draw),
        citizenships=_citizenships(draw, country),
        home=draw.choice(HOMES[country]),
        place=draw.weighted(PLACES),
        missing_since=_missing_since(draw),
        height=draw.randrange(164, 186) if sex == "M" else draw.randrange(152, 173),
        mark=draw.choice(MARKS),
        job=draw.choice(JOBS),
        introducer=draw.choice(INTRODUCERS),
        family_has_papers=draw.chance(0.55),
        serial=next(serial),
    )
    return replace(person, relatives=_relatives(draw, person, serial))


def _sibling(draw: Draw, other: Person, number: int, serial: Iterator[int]) -> Person:
    """Same parents, home and journey, yet another person: what a matcher must not fold into one."""
    own = _person(draw, number, serial)
    person = replace(
        own,
        name=draw_name(draw, other.citizenships[0], own.sex, other.name.family),
        citizenships=other.citizenships,
        home=other.home,
        place=other.place,
        missing_since=other.missing_since,
        job=other.job,
        introducer=other.introducer,
    )
    shared = tuple(relative for relative in other.relatives if relative.relationship.shared)
    return replace(person, relatives=shared or _relatives(draw, person, serial))


def identity_number(born: date, sex: str, order: int) -> str:
    """Eighteen characters after GB 11643: district, birthday, order (odd for men), check character."""
    body = f"{REGION}{born:%Y%m%d}{order % 500 * 2 + (sex == 'M'):03d}"
    return body + check_character(body)


def check_character(body: str) -> str:
    """ISO 7064 MOD 11-2 over the first seventeen digits."""
    total = sum(int(digit) * 2 ** (17 - at) for at, digit in enumerate(body))
    return "10X98765432"[total % 11]


def _relatives(draw: Draw, person: Person, serial: Iterator[int]) -> tuple[Relative, ...]:
    """One to three people who look for this one; only one father each, and no spouse of a child."""
    possible = [
        relationship
        for relationship in RELATIONSHIPS
        if relationship.of in ("", person.sex) and (person.age >= 21 or not relationship.of)
    ]
    relatives = []
    for _ in range(draw.weighted([(1, 35), (2, 40), (3, 25)])):
        relationship = draw.weighted([(choice, choice.weight) for choice in possible])
        possible.remove(relationship)
        relatives.append(_relative(draw, person, relationship, next(serial)))
    return tuple(relatives)


def _relative(draw: Draw, person: Person, relationship: Relationship, serial: int) -> Relative:
    country = person.citizenships[0]
    family = person.name.family if relationship.family_name else None
    return Relative(
        name=draw_name(draw, country, relationship.sex, family),
        relationship=relationship,
        phone=_phone(country, serial),
        wechat=_wechat(serial),
        email=f"relative{serial:05d}@example.org",
    )


def _phone(country: str, serial: int) -> Phone:
    country_code, prefix = DIALLING[country]
    return Phone(country_code, f"{prefix}{serial:08d}")


def _wechat(serial: int) -> str:
    return f"wx_synthetic_{serial:05d}"


def _birth(draw: Draw) -> date:
    age = draw.choice(draw.weighted(AGES))
    # Born in the year that ends on the day of the list, so that the age is right on that day.
    return date(AS_OF.year - age, AS_OF.month, AS_OF.day) - timedelta(days=draw.randrange(365))


def _citizenships(draw: Draw, country: str) -> tuple[str, ...]:
    if draw.chance(0.012):
        return (country, draw.choice(["MMR", "THA", "TWN"]) if country == "CHN" else "CHN")
    return (country,)


def _missing_since(draw: Draw) -> date:
    """The later the more: a list is kept by those who still hope for an answer."""
    span = (AS_OF - FIRST_MISSING).days - 30
    return FIRST_MISSING + timedelta(days=max(draw.randrange(span), draw.randrange(span)))
