"""Where people come from, and where they were last known to be."""

from typing import NamedTuple


class Phrase(NamedTuple):
    """The same thing said in Chinese (simplified) and in English."""

    zh: str
    en: str


class Home(NamedTuple):
    province: Phrase
    city: Phrase


class Place(NamedTuple):
    """One place by the names that people give it."""

    zh: tuple[str, ...]
    en: tuple[str, ...]
    local: tuple[str, ...]  # Thai or Burmese


def _homes(*lines: str) -> list[Home]:
    """Lines of `province zh/en: city zh/en, city zh/en`; a name without `/` is the same in both."""

    def phrase(text: str) -> Phrase:
        zh, _, en = text.strip().partition("/")
        return Phrase(zh, en or zh)

    homes = []
    for line in lines:
        province, _, cities = line.partition(":")
        homes += [Home(phrase(province), phrase(city)) for city in cities.split(",")]
    return homes


HOMES = {
    "CHN": _homes(
        "福建省/Fujian: 泉州市/Quanzhou, 福州市/Fuzhou, 龙岩市/Longyan",
        "江西省/Jiangxi: 赣州市/Ganzhou, 上饶市/Shangrao, 宜春市/Yichun",
        "湖南省/Hunan: 长沙市/Changsha, 邵阳市/Shaoyang, 衡阳市/Hengyang",
        "湖北省/Hubei: 黄冈市/Huanggang, 荆州市/Jingzhou, 武汉市/Wuhan",
        "四川省/Sichuan: 成都市/Chengdu, 达州市/Dazhou, 凉山州/Liangshan",
        "重庆市/Chongqing: 万州区/Wanzhou, 渝北区/Yubei",
        "云南省/Yunnan: 昆明市/Kunming, 临沧市/Lincang, 普洱市/Pu'er",
        "贵州省/Guizhou: 贵阳市/Guiyang, 毕节市/Bijie, 遵义市/Zunyi",
        "广西壮族自治区/Guangxi: 南宁市/Nanning, 玉林市/Yulin, 桂林市/Guilin",
        "广东省/Guangdong: 汕头市/Shantou, 湛江市/Zhanjiang, 深圳市/Shenzhen",
        "河南省/Henan: 郑州市/Zhengzhou, 周口市/Zhoukou, 信阳市/Xinyang",
        "安徽省/Anhui: 阜阳市/Fuyang, 安庆市/Anqing, 合肥市/Hefei",
        "山东省/Shandong: 临沂市/Linyi, 菏泽市/Heze, 青岛市/Qingdao",
        "河北省/Hebei: 邯郸市/Handan, 保定市/Baoding",
        "陕西省/Shaanxi: 西安市/Xi'an, 渭南市/Weinan",
        "甘肃省/Gansu: 兰州市/Lanzhou, 天水市/Tianshui",
        "浙江省/Zhejiang: 温州市/Wenzhou, 台州市/Taizhou",
        "江苏省/Jiangsu: 徐州市/Xuzhou, 盐城市/Yancheng",
        "辽宁省/Liaoning: 沈阳市/Shenyang, 丹东市/Dandong",
        "黑龙江省/Heilongjiang: 哈尔滨市/Harbin, 齐齐哈尔市/Qiqihar",
    ),
    "TWN": _homes(
        "高雄市/Kaohsiung: 三民区/Sanmin",
        "台中市/Taichung: 丰原区/Fengyuan",
        "屏东县/Pingtung: 潮州镇/Chaozhou",
    ),
    "MYS": _homes(
        "柔佛/Johor: 新山/Johor Bahru", "槟城/Penang: 北海/Butterworth", "霹雳/Perak: 怡保/Ipoh, 太平/Taiping"
    ),
    "VNM": _homes("Nghệ An/Nghe An: Vinh", "Hà Tĩnh/Ha Tinh: Kỳ Anh/Ky Anh", "An Giang: Châu Đốc/Chau Doc"),
    "MMR": _homes("Yangon: Hlaingthaya", "Mandalay: Meiktila", "Kayin: Hpa-An", "Shan: Lashio"),
    "THA": _homes("Tak: Mae Sot", "Chiang Rai: Mae Sai", "Udon Thani: Kumphawapi"),
    "ETH": _homes("Addis Ababa: Bole", "Amhara: Gondar", "Oromia: Jimma"),
    "KEN": _homes("Nairobi: Kasarani", "Kisumu: Ahero", "Uasin Gishu: Eldoret"),
    "PHL": _homes("Pampanga: Angeles", "Cebu: Mandaue", "Cavite: Bacoor"),
    "IND": _homes("Telangana: Karimnagar", "Maharashtra: Nagpur", "Tamil Nadu: Madurai"),
}

MAE_SOT = Place(("湄索", "泰国湄索"), ("Mae Sot", "Maesot, Tak, Thailand"), ("แม่สอด",))
MYAWADDY = Place(("妙瓦底", "缅甸妙瓦底"), ("Myawaddy", "Myawaddy, Myanmar", "Myawadi"), ("เมียวดี", "မြဝတီ"))

# Weights only make the border towns of the reports the usual answer.
PLACES = [
    (MYAWADDY, 40),
    (Place(("KK园区", "妙瓦底KK园区"), ("KK Park", "KK Park, Myawaddy"), ("เคเคปาร์ค",)), 20),
    (Place(("水沟谷", "妙瓦底水沟谷"), ("Shwe Kokko", "Shwekokko"), ("ชเวโก๊กโก่", "ရွှေကုက္ကို")), 12),
    (MAE_SOT, 10),
    (Place(("大其力", "缅甸大其力"), ("Tachileik", "Tachilek"), ("ท่าขี้เหล็ก", "တာချီလိတ်")), 7),
    (Place(("曼谷", "曼谷机场"), ("Bangkok", "Bangkok airport"), ("กรุงเทพ",)), 6),
    (Place(("三塔山口", "帕亚松苏"), ("Payathonzu", "Three Pagodas Pass"), ("พญาตองซู",)), 3),
    (Place(("老街", "缅北老街"), ("Laukkai", "Laukkaing"), ("လောက်ကိုင်",)), 2),
]
