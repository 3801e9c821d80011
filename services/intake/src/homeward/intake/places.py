"""Which country a place is in, for the places that reports name most: towns of the border and compounds.

Only what is certain: an unknown place has no country, and nothing is concluded from it.
"""

import unicodedata

_PLACES = {
    "MMR": """
        myawaddy myawadi shwekokko kkpark kkpark3 tachileik tachilek laukkaing laukkai payathonzu myanmar burma
        妙瓦底 缅甸 緬甸 kk园区 kk園區 水沟谷 水溝谷 大其力 老街 缅北 緬北 帕亚松苏 帕亞松蘇 亚太城 亞太城
        เมียวดี พม่า เคเคปาร์ค ชเวโก๊กโก่ ท่าขี้เหล็ก พญาตองซู
        မြဝတီ မြန်မာ ရွှေကုက္ကို တာချီလိတ်
    """,
    "THA": """
        maesot maesai bangkok chiangrai thailand 泰国 泰國 湄索 美索 曼谷 清莱 清萊
        แม่สอด แม่สาย กรุงเทพ เชียงราย ไทย
    """,
    "KHM": "cambodia sihanoukville phnompenh 柬埔寨 西港 西哈努克 金边 金邊 กัมพูชา",
    "LAO": "laos goldentriangle bokeo 老挝 老撾 金三角 ลาว",
}
_COUNTRIES = {
    unicodedata.normalize("NFKC", place): country
    for country, places in _PLACES.items()
    for place in places.split()
}


def country_of(location: str) -> str | None:
    """ISO alpha-3 of the country a location names; None if it names none, or several."""
    text = unicodedata.normalize("NFKC", location).casefold()
    squeezed = "".join(c for c in text if not c.isspace() and c not in "-,.'")
    found = {country for place, country in _COUNTRIES.items() if place in squeezed}
    return found.pop() if len(found) == 1 else None
