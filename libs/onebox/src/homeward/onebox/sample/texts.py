"""What families write in words: relationships, stories, descriptions, appeals."""

from typing import NamedTuple

from homeward.onebox.sample.places import Phrase

# A CSV file has no comments, so every text and every reporter's name carries the mark itself.
MARK = "(synthetic)"


class Relationship(NamedTuple):
    said: Phrase
    sex: str  # the relative's own
    of: str  # whose relative: M, F, or empty for both
    family_name: bool  # carries the person's family name
    close: bool  # knows the birthday and has the papers at home
    shared: bool  # stands so to brothers and sisters alike
    weight: int


RELATIONSHIPS = [
    Relationship(Phrase("父亲", "father"), "M", "", True, True, True, 22),
    Relationship(Phrase("母亲", "mother"), "F", "", False, True, True, 22),
    Relationship(Phrase("哥哥", "elder brother"), "M", "", True, True, True, 9),
    Relationship(Phrase("姐姐", "elder sister"), "F", "", True, True, True, 12),
    Relationship(Phrase("弟弟", "younger brother"), "M", "", True, True, True, 5),
    Relationship(Phrase("妻子", "wife"), "F", "M", False, True, False, 12),
    Relationship(Phrase("丈夫", "husband"), "M", "F", False, True, False, 8),
    Relationship(Phrase("叔叔", "uncle"), "M", "", True, False, True, 5),
    Relationship(Phrase("表姐", "cousin"), "F", "", False, False, True, 5),
    Relationship(Phrase("朋友", "friend"), "M", "", False, False, False, 7),
    Relationship(Phrase("同学", "classmate"), "F", "", False, False, False, 4),
]

JOBS = [
    Phrase("翻译", "a translator"),
    Phrase("客服", "a customer service agent"),
    Phrase("司机", "a driver"),
    Phrase("厨师", "a cook"),
    Phrase("电商运营", "a web shop assistant"),
    Phrase("建筑工", "a building worker"),
    Phrase("群众演员", "a film extra"),
    Phrase("程序员", "a programmer"),
    Phrase("游戏推广", "a games promoter"),
]
INTRODUCERS = [
    Phrase("网友", "somebody met online"),
    Phrase("老乡", "an acquaintance from home"),
    Phrase("同学", "a former classmate"),
    Phrase("招聘广告", "a job advertisement"),
    Phrase("中介", "an agency"),
    Phrase("朋友", "a friend"),
]
TURNS = [
    Phrase("到曼谷后被带到边境", "taken from Bangkok to the border on arrival"),
    Phrase("护照被收走，不让离开", "passport taken and not allowed to leave"),
    Phrase("入境后失联", "no contact since entering the country"),
    Phrase("对方要求付赎金", "a ransom is asked for"),
    Phrase("偷偷打过一次电话，说被卖到另一个园区", "called once in secret: sold on to another compound"),
    Phrase("最后一次共享定位后手机关机", "sent a location once, then the phone was off"),
    Phrase("说业绩不达标会被打", "said people are beaten for missed targets"),
]

MARKS = [
    Phrase("左臂有纹身", "tattoo on the left arm"),
    Phrase("右眉上有疤", "scar above the right eyebrow"),
    Phrase("戴眼镜", "wears glasses"),
    Phrase("下巴有痣", "mole on the chin"),
    Phrase("短发，偏瘦", "short hair, thin"),
    Phrase("染过头发", "dyed hair"),
    Phrase("左手小指有旧伤", "old injury of the left little finger"),
]

POLICE = [
    Phrase("已立案", "case opened"),
    Phrase("已报案，未立案：在境外", "reported, no case opened: happened abroad"),
    Phrase("已报案，等通知", "reported, waiting for an answer"),
    Phrase("未报案", "not reported"),
    Phrase("报案不受理，说是自愿出境", "refused: said to have left of own will"),
]

APPEALS = [
    Phrase("希望尽快救回来", "Please bring our child home"),
    Phrase("求好心人提供线索", "Any information is welcome"),
    Phrase("父母病重，盼平安回家", "The parents are ill and wait for a call"),
    Phrase("请不要直接打给本人，怕被打", "Please do not call the person: danger of a beating"),
    Phrase("请核实是否在已解救名单里", "Please check the lists of those released"),
]

# What stands in a cell when the family did not know, or knew more than the cell can hold.
UNREADABLE = [
    ("date_of_birth", "不详"),
    ("date_of_birth", "32/13/1999"),
    ("date_of_birth", "unknown"),
    ("date_of_birth", "属虎"),
    ("age", "约25岁"),
    ("age", "不详"),
    ("age", "20多"),
    ("missing_since", "去年夏天"),
    ("missing_since", "unknown"),
    ("citizenship", "不详"),
    ("phone", "不详"),
    ("passport_number", "unknown"),
    ("id_number", "忘记了"),
]

# Names with nothing in them to match: one row each, which an import must turn back with a reason.
UNUSABLE_NAMES = ["", "?", "？？", "---", "12345", "\u3000\u3000"]
