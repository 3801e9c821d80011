"""Common Chinese surnames and given-name characters with their romanisations.

Given names are put together from these characters at random. Romanisations follow everyday spelling (what
stands in identity cards in Malaysia, Singapore and Hong Kong), not a scholarly system.
"""

from typing import NamedTuple


class Surname(NamedTuple):
    han: str
    pinyin: str
    hokkien: str
    cantonese: str
    weight: int  # rough number of bearers, in thousandths


class Character(NamedTuple):
    han: str
    pinyin: str
    hokkien: str
    cantonese: str
    sex: str  # M, F, or empty for both


SURNAMES = [
    Surname("王", "Wáng", "Ong", "Wong", 71),
    Surname("李", "Lǐ", "Lee", "Lee", 70),
    Surname("张", "Zhāng", "Teoh", "Cheong", 66),
    Surname("刘", "Liú", "Low", "Lau", 51),
    Surname("陈", "Chén", "Tan", "Chan", 46),
    Surname("杨", "Yáng", "Yeoh", "Yeong", 31),
    Surname("黄", "Huáng", "Ooi", "Wong", 24),
    Surname("赵", "Zhào", "Teo", "Chiu", 20),
    Surname("吴", "Wú", "Goh", "Ng", 20),
    Surname("周", "Zhōu", "Chew", "Chow", 19),
    Surname("徐", "Xú", "Chee", "Chui", 14),
    Surname("孙", "Sūn", "Soon", "Suen", 13),
    Surname("马", "Mǎ", "Beh", "Ma", 13),
    Surname("朱", "Zhū", "Choo", "Chu", 12),
    Surname("胡", "Hú", "Oh", "Woo", 12),
    Surname("郭", "Guō", "Quek", "Kwok", 11),
    Surname("何", "Hé", "Hoh", "Ho", 11),
    Surname("高", "Gāo", "Koh", "Ko", 10),
    Surname("林", "Lín", "Lim", "Lam", 10),
    Surname("罗", "Luó", "Loh", "Law", 10),
    Surname("郑", "Zhèng", "Tay", "Cheng", 9),
    Surname("梁", "Liáng", "Neo", "Leong", 8),
    Surname("谢", "Xiè", "Chia", "Tse", 7),
    Surname("宋", "Sòng", "Song", "Sung", 7),
    Surname("唐", "Táng", "Tng", "Tong", 7),
    Surname("许", "Xǔ", "Khor", "Hui", 7),
    Surname("韩", "Hán", "Hang", "Hon", 7),
    Surname("冯", "Féng", "Pang", "Foong", 6),
    Surname("邓", "Dèng", "Teng", "Tang", 6),
    Surname("曹", "Cáo", "Chor", "Cho", 6),
    Surname("彭", "Péng", "Pheh", "Pang", 6),
    Surname("曾", "Zēng", "Chan", "Tsang", 6),
    Surname("肖", "Xiāo", "Siow", "Siu", 6),
    Surname("田", "Tián", "Chan", "Tin", 5),
    Surname("董", "Dǒng", "Tang", "Tung", 5),
    Surname("潘", "Pān", "Phua", "Poon", 5),
    Surname("袁", "Yuán", "Wan", "Yuen", 5),
    Surname("蔡", "Cài", "Chua", "Choi", 5),
    Surname("蒋", "Jiǎng", "Chiang", "Cheong", 5),
    Surname("余", "Yú", "Ee", "Yee", 5),
    Surname("于", "Yú", "Oo", "Yu", 5),
    Surname("杜", "Dù", "Toh", "To", 5),
    Surname("叶", "Yè", "Yap", "Yip", 5),
    Surname("程", "Chéng", "Thia", "Ching", 5),
    Surname("魏", "Wèi", "Gui", "Ngai", 4),
    Surname("苏", "Sū", "Soh", "So", 4),
    Surname("吕", "Lǚ", "Loo", "Lui", 4),
    Surname("丁", "Dīng", "Teng", "Ting", 4),
    Surname("任", "Rén", "Jim", "Yam", 4),
    Surname("沈", "Shěn", "Sim", "Sum", 4),
    Surname("姚", "Yáo", "Yeo", "Yiu", 4),
    Surname("卢", "Lú", "Loh", "Lo", 4),
    Surname("钟", "Zhōng", "Cheng", "Chung", 4),
    Surname("姜", "Jiāng", "Khiong", "Keung", 4),
    Surname("崔", "Cuī", "Chooi", "Chui", 3),
    Surname("谭", "Tán", "Tham", "Tam", 3),
    Surname("廖", "Liào", "Leow", "Liu", 3),
    Surname("范", "Fàn", "Huan", "Fan", 3),
    Surname("汪", "Wāng", "Ong", "Wong", 3),
    Surname("陆", "Lù", "Lek", "Luk", 3),
    Surname("金", "Jīn", "Kim", "Kam", 3),
    Surname("戴", "Dài", "Tay", "Tai", 3),
    Surname("贾", "Jiǎ", "Kay", "Ka", 3),
    Surname("韦", "Wéi", "Wee", "Wai", 3),
    Surname("邱", "Qiū", "Khoo", "Yau", 3),
    Surname("方", "Fāng", "Png", "Fong", 3),
    Surname("邹", "Zōu", "Choe", "Chow", 3),
    Surname("熊", "Xióng", "Him", "Hung", 3),
    Surname("白", "Bái", "Peh", "Pak", 2),
    Surname("江", "Jiāng", "Kang", "Kong", 2),
    # As words these are read dān, jiě, chóu and dí: a romanisation by the dictionary gets the surname wrong.
    Surname("单", "Shàn", "Sian", "Sin", 2),
    Surname("解", "Xiè", "Hay", "Hai", 1),
    Surname("仇", "Qiú", "Kiu", "Kau", 1),
    Surname("翟", "Zhái", "Tek", "Chak", 2),
    Surname("欧阳", "Ōuyáng", "Auyong", "Auyeung", 2),
    Surname("司徒", "Sītú", "Sooto", "Szeto", 1),
]

CHARACTERS = [
    Character("伟", "wěi", "Wee", "Wai", "M"),
    Character("强", "qiáng", "Keong", "Keung", "M"),
    Character("军", "jūn", "Koon", "Kwan", "M"),
    Character("杰", "jié", "Kiat", "Kit", "M"),
    Character("俊", "jùn", "Choon", "Chun", "M"),
    Character("龙", "lóng", "Leng", "Loong", "M"),
    Character("峰", "fēng", "Hong", "Fung", "M"),
    Character("锋", "fēng", "Hong", "Fung", "M"),
    Character("涛", "tāo", "Tho", "To", "M"),
    Character("超", "chāo", "Cheow", "Chiu", "M"),
    Character("鹏", "péng", "Pheng", "Pang", "M"),
    Character("勇", "yǒng", "Yong", "Yung", "M"),
    Character("刚", "gāng", "Kang", "Kong", "M"),
    Character("波", "bō", "Poh", "Bor", "M"),
    Character("辉", "huī", "Hui", "Fai", "M"),
    Character("斌", "bīn", "Pin", "Bun", "M"),
    Character("彬", "bīn", "Pin", "Bun", "M"),
    Character("浩", "hào", "Hoe", "Ho", "M"),
    Character("豪", "háo", "Ho", "Ho", "M"),
    Character("凯", "kǎi", "Khai", "Hoi", "M"),
    Character("亮", "liàng", "Leong", "Leung", "M"),
    Character("旭", "xù", "Hiok", "Yuk", "M"),
    Character("诚", "chéng", "Seng", "Shing", "M"),
    Character("成", "chéng", "Seng", "Shing", "M"),
    Character("德", "dé", "Teck", "Tak", "M"),
    Character("福", "fú", "Hock", "Fook", "M"),
    Character("贵", "guì", "Kwee", "Kwai", "M"),
    Character("生", "shēng", "Seng", "Sang", "M"),
    Character("荣", "róng", "Eng", "Wing", "M"),
    Character("宏", "hóng", "Hong", "Wang", "M"),
    Character("志", "zhì", "Chee", "Chi", "M"),
    Character("建", "jiàn", "Kian", "Kin", "M"),
    Character("国", "guó", "Kok", "Kwok", "M"),
    Character("天", "tiān", "Thian", "Tin", "M"),
    Character("东", "dōng", "Tong", "Tung", "M"),
    Character("飞", "fēi", "Hui", "Fei", ""),
    Character("明", "míng", "Beng", "Ming", ""),
    Character("华", "huá", "Hua", "Wah", ""),
    Character("文", "wén", "Boon", "Man", ""),
    Character("海", "hǎi", "Hai", "Hoi", ""),
    Character("平", "píng", "Peng", "Ping", ""),
    Character("林", "lín", "Lim", "Lam", ""),
    Character("宇", "yǔ", "Oo", "Yu", ""),
    Character("子", "zǐ", "Choo", "Tsz", ""),
    Character("家", "jiā", "Kah", "Kar", ""),
    Character("嘉", "jiā", "Kah", "Kar", ""),
    Character("晓", "xiǎo", "Siau", "Hiu", ""),
    Character("小", "xiǎo", "Siow", "Siu", ""),
    Character("鑫", "xīn", "Him", "Yam", ""),
    Character("永", "yǒng", "Eng", "Wing", ""),
    Character("安", "ān", "Ann", "On", ""),
    Character("阳", "yáng", "Yong", "Yeung", ""),
    Character("新", "xīn", "Sin", "San", ""),
    Character("春", "chūn", "Choon", "Chun", ""),
    Character("金", "jīn", "Kim", "Kam", ""),
    Character("晨", "chén", "Sin", "San", ""),
    Character("乐", "lè", "Lok", "Lok", ""),
    Character("云", "yún", "Hoon", "Wan", ""),
    Character("玉", "yù", "Geok", "Yuk", "F"),
    Character("芳", "fāng", "Hong", "Fong", "F"),
    Character("丽", "lì", "Lay", "Lai", "F"),
    Character("敏", "mǐn", "Bin", "Man", "F"),
    Character("静", "jìng", "Cheng", "Ching", "F"),
    Character("艳", "yàn", "Yam", "Yim", "F"),
    Character("娟", "juān", "Kuan", "Kuen", "F"),
    Character("霞", "xiá", "Hah", "Ha", "F"),
    Character("燕", "yàn", "Yan", "Yin", "F"),
    Character("梅", "méi", "Mooi", "Mui", "F"),
    Character("兰", "lán", "Lan", "Lan", "F"),
    Character("英", "yīng", "Eng", "Ying", "F"),
    Character("婷", "tíng", "Theng", "Ting", "F"),
    Character("雪", "xuě", "Soat", "Suet", "F"),
    Character("慧", "huì", "Hooi", "Wai", "F"),
    Character("琳", "lín", "Lim", "Lam", "F"),
    Character("佳", "jiā", "Kai", "Kai", "F"),
    Character("欣", "xīn", "Him", "Yan", "F"),
    Character("怡", "yí", "Ee", "Yee", "F"),
    Character("倩", "qiàn", "Chian", "Sin", "F"),
    Character("颖", "yǐng", "Eng", "Wing", "F"),
    Character("秀", "xiù", "Siew", "Sau", "F"),
    Character("红", "hóng", "Ang", "Hung", "F"),
    Character("莉", "lì", "Lee", "Lei", "F"),
    Character("萍", "píng", "Peng", "Ping", "F"),
    Character("美", "měi", "Bee", "Mei", "F"),
    Character("月", "yuè", "Guat", "Yuet", "F"),
    Character("珍", "zhēn", "Chin", "Chun", "F"),
    Character("琴", "qín", "Khim", "Kam", "F"),
    Character("雨", "yǔ", "Hoo", "Yu", "F"),
    Character("思", "sī", "Soo", "Sze", "F"),
    Character("梦", "mèng", "Bang", "Mung", "F"),
    Character("洁", "jié", "Kiat", "Kit", "F"),
]

# Stand before another character, hardly ever at the end of a name.
LEADING = "子小晓思嘉家志建国天"

# Random combinations that are a public figure's name; such a draw is made again.
_WELL_KNOWN = (
    "刘德华 黄晓明 王俊凯 李小龙 李小鹏 邓小平 李鹏 朱德 陈云 李强 马云 姚明 余华 邓超 胡军 刘涛 "
    "张杰 韩红 陈小春 林志颖 李嘉欣 李嘉诚 任志强 郭美美 王小波 李晨 何洁 林俊杰 杨洁 陈思诚 陈思成 "
    "马龙 高峰 江华 陈龙 陈晓 李玉刚 刘晓明 张国荣 梁家辉 郑秀文 刘文 孙海平 张家辉 吴建豪 "
    "陈建斌 王志文 王志飞 吴敏霞 李文亮 胡春华 李东生 李永波 陈志 周杰 王阳 张宇 陈豪 陈强 王晨 "
    "王晨阳 潘刚 张云龙 王安宇 李兰娟 张文宏 余文乐 郑嘉颖 "
    "陈慧琳 杨颖 赵丽颖 陈红 蒋欣 李玉 郭涛 黄海波 韩雪 宋佳 张凯丽 郭晓东 马丽 沈月 田雨 王凯 "
    "陈飞宇 王子文 吴刚 丁海峰 魏晨 李宇春 刘强东 李斌 何小鹏 任建新 刘志军 胡志明 孙文 林海峰 "
    "蔡英文 林佳龙 李家超 杨国强 张国强 李志 李兰 王明"
)
WELL_KNOWN = frozenset(_WELL_KNOWN.split())
