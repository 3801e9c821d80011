"""Places in a feed: pages join, and a cursor is good for its own feed alone."""

from base64 import urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from homeward.exchange.pseudonyms import Place, Pseudonyms

from .scene import NGO, POLICE, Scene, consent, report


async def test_pages_join_without_gap_or_overlap(scene: Scene) -> None:
    for _ in range(4):
        await scene.known(report(consent(NGO)))
    whole, cursor, pages = await scene.read(NGO), None, []
    while True:
        page = (await scene.pull(NGO, limit=3, **({"cursor": cursor} if cursor else {}))).json()
        pages.append(page["events"])
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [item for page in pages for item in page] == whole
    again = (await scene.pull(NGO, cursor=cursor)).json()
    assert (again["events"], again["cursor"], again["more"]) == ([], cursor, False)


FORGED = ["", "x", "MS4w", "é", "MS7DqQ", "!!!!", "LTEuMA", "A" * 200, "MS4wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA"]


async def test_a_forged_cursor_is_a_problem(scene: Scene) -> None:
    for cursor in FORGED:
        response = await scene.pull(NGO, cursor=cursor)
        assert response.status_code == 422, cursor
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "/problems/unknown-cursor"


async def test_a_cursor_is_good_for_its_own_feed_and_as_it_is(scene: Scene) -> None:
    await scene.known(report(consent(NGO), consent(POLICE)))
    cursor = (await scene.pull(NGO, limit=1)).json()["cursor"]
    assert (await scene.pull(NGO, cursor=cursor)).status_code == 200
    assert (await scene.pull(POLICE, cursor=cursor)).status_code == 422
    for spoilt in (cursor[:-1], cursor[1:], cursor + "A", cursor.swapcase()):
        assert (await scene.pull(NGO, cursor=spoilt)).status_code == 422


@given(st.text(max_size=200) | st.binary(max_size=90).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_no_text_is_a_cursor_by_chance(text: str) -> None:
    assert Pseudonyms(b"k" * 32, "ngo").place(text) is None


@given(epoch=st.integers(1, 2**31), seq=st.integers(0, 2**62))
def test_a_cursor_comes_back_as_its_place(epoch: int, seq: int) -> None:
    ngo, police = Pseudonyms(b"k" * 32, "ngo"), Pseudonyms(b"k" * 32, "police")
    assert ngo.place(ngo.cursor(Place(epoch, seq))) == (epoch, seq)
    assert police.place(ngo.cursor(Place(epoch, seq))) is None
