"""From one way of writing to another: traditional characters, plain letters, Wade–Giles, wide digits."""

import unicodedata

# Only the characters that this sample uses; in surnames and given names, so 钟 is 鍾 and 范, 余, 于 stay.
_SIMPLIFIED = (
    "张刘陈杨黄赵吴孙马罗郑谢许韩冯邓蒋叶苏吕卢钟谭陆贾韦邹单欧阳伟强军杰龙锋涛鹏刚辉凯诚贵荣国东飞华晓乐云丽静艳兰颖红梦洁赣饶长冈荆汉达凉庆万区临沧毕节义广壮宁头泽"
    "岛郸陕肃温盐辽尔滨齐县镇槟雳缅园沟机场亚亲学译厨师电运营筑众员游戏网乡后带边护让离开联对赎过话说卖个发关业绩标会纹镜旧伤报愿尽来线请给实里详属约岁记经绍丰"
)
_TRADITIONAL = (
    "張劉陳楊黃趙吳孫馬羅鄭謝許韓馮鄧蔣葉蘇呂盧鍾譚陸賈韋鄒單歐陽偉強軍傑龍鋒濤鵬剛輝凱誠貴榮國東飛華曉樂雲麗靜艷蘭穎紅夢潔贛饒長岡荊漢達涼慶萬區臨滄畢節義廣壯寧頭澤"
    "島鄲陝肅溫鹽遼爾濱齊縣鎮檳靂緬園溝機場亞親學譯廚師電運營築眾員遊戲網鄉後帶邊護讓離開聯對贖過話說賣個髮關業績標會紋鏡舊傷報願盡來線請給實裡詳屬約歲記經紹豐"
)
_TO_TRADITIONAL = str.maketrans(_SIMPLIFIED, _TRADITIONAL)
_TO_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def traditional(text: str) -> str:
    return text.translate(_TO_TRADITIONAL)


def full_width(text: str) -> str:
    """Digits as a Chinese input method leaves them when it was not switched off."""
    return text.translate(_TO_FULL_WIDTH)


def plain(text: str, umlaut: str = "u") -> str:
    """Without tone marks and diacritics; `ü` in the way given."""
    decomposed = unicodedata.normalize("NFD", text)
    decomposed = decomposed.replace("u\u0308", umlaut)
    kept = "".join(mark for mark in decomposed if unicodedata.category(mark) != "Mn")
    return unicodedata.normalize("NFC", kept.replace("đ", "d").replace("Đ", "D"))


# Syllables that follow no rule of the tables below.
_IRREGULAR = (
    "zhi=chih chi=chih shi=shih ri=jih zi=tzu ci=tzu si=ssu yi=i you=yu yan=yen ye=yeh yong=yung er=erh "
    "gui=kuei kui=kuei ge=ko ke=ko he=ho ouyang=ouyang situ=szutu"
)
_WHOLE = dict(pair.split("=") for pair in _IRREGULAR.split())
_INITIALS = [("zh", "ch"), ("ch", "ch"), ("sh", "sh"), ("b", "p"), ("d", "t"), ("g", "k"), ("j", "ch")]
_INITIALS += [("q", "ch"), ("x", "hs"), ("z", "ts"), ("c", "ts"), ("r", "j")]
_FINALS = {"ian": "ien", "ie": "ieh", "ue": "ueh", "ong": "ung", "iong": "iung"}


def wade_giles(pinyin: str) -> str:
    """A syllable of pinyin in Wade–Giles without apostrophes, as passports in Taiwan print it."""
    syllable = plain(pinyin).lower()
    if syllable in _WHOLE:
        return _WHOLE[syllable].capitalize()
    initial, spelled = next(
        ((old, new) for old, new in _INITIALS if syllable.startswith(old)), (syllable[0], syllable[0])
    )
    final = syllable.removeprefix(initial)
    if final == "uo" and initial not in ("g", "k", "h", "sh"):
        final = "o"
    return (spelled + _FINALS.get(final, final)).capitalize()
