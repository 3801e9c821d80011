"""Common name parts of the other peoples on the list, put together at random like the Chinese ones.

Each part is written as people write it at home, with its everyday romanisation where the script is not Latin.
"""

from typing import NamedTuple


class Part(NamedTuple):
    own: str
    roman: str


def _parts(*pairs: str) -> list[Part]:
    """`own=roman` words; a word without `=` is Latin already."""
    split = (pair.partition("=") for line in pairs for pair in line.split())
    return [Part(own, roman or own) for own, _, roman in split]


# What a family bears; in Ethiopia the second name is the father's. What stands twice is twice as common.
FAMILY = {
    "VNM": _parts("Nguyễn Nguyễn Nguyễn Trần Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô"),
    "THA": _parts(
        "ใจดี=Chaidi มีสุข=Misuk ทองดี=Thongdi แสงทอง=Saengthong บุญมา=Bunma",
        "ศรีสุข=Sisuk รักดี=Rakdi วงศ์ทอง=Wongthong คำแก้ว=Khamkaeo จันทร์ดี=Chandi",
    ),
    "ETH": _parts("Abebe Tesfaye Bekele Girma Haile Mekonnen Tadesse Alemu Worku Desta"),
    "KEN": _parts("Otieno Mwangi Kamau Wambua Ochieng Kiprop Mutua Njoroge Chebet Onyango"),
    "PHL": _parts("Santos Reyes Cruz Bautista Garcia Mendoza Ramos Flores Villanueva Aquino"),
    "IND": _parts("Kumar Singh Sharma Patel Reddy Yadav Gupta Das Nair Verma"),
}
GIVEN = {
    "VNM": {
        "M": _parts("Minh Hùng Dũng Tuấn Nam Sơn Long Thắng Hải Quân Phúc Tài"),
        "F": _parts("Lan Hương Hoa Mai Linh Trang Thảo Hằng Nga Yến Phương Hạnh"),
    },
    "THA": {
        "M": _parts(
            "สมชาย=Somchai สมศักดิ์=Somsak วิชัย=Wichai ประเสริฐ=Prasoet อนุชา=Anucha",
            "ธนา=Thana กิตติ=Kitti ณัฐพล=Natthaphon วีระ=Wira สุชาติ=Suchat",
        ),
        "F": _parts(
            "สมหญิง=Somying มาลี=Mali สุดา=Suda วันดี=Wandi พรทิพย์=Phonthip",
            "นภา=Napha กมล=Kamon อรุณี=Aruni ศิริพร=Siriphon รัตนา=Rattana",
        ),
    },
    "ETH": {
        "M": _parts("Abebe Tesfaye Dawit Yonas Bekele Getachew Samuel Henok"),
        "F": _parts("Tigist Hana Meron Selamawit Almaz Bethlehem Rahel Aster"),
    },
    "KEN": {
        "M": _parts("Brian Kevin Peter James Dennis Collins Samuel Victor"),
        "F": _parts("Faith Mercy Grace Joyce Esther Sharon Caroline Ann"),
    },
    "PHL": {
        "M": _parts("Jose Mark Angelo Jericho Ramon Carlo Jomar Rodel"),
        "F": _parts("Maria Jocelyn Rosalie Kristine Angelica Lorna Marites Jenny"),
    },
    "IND": {
        "M": _parts("Rahul Amit Suresh Vijay Arun Deepak Ravi Sanjay"),
        "F": _parts("Priya Anita Sunita Kavita Pooja Neha Lakshmi Divya"),
    },
}
VIETNAMESE_MIDDLE = {
    "M": _parts("Văn Văn Minh Quốc Đức Thanh Hữu"),
    "F": _parts("Thị Thị Thu Ngọc Kim Thanh Bích"),
}

# Two or three of these make a whole name.
BURMESE = {
    "M": _parts(
        "အောင်=Aung မင်း=Min ထက်=Htet ကျော်=Kyaw ဇော်=Zaw သန့်=Thant ကို=Ko ဝင်း=Win",
        "ခန့်=Khant နိုင်=Naing လင်း=Lin သူ=Thu ဖြိုး=Phyo ဝေ=Wai ရန်=Yan မျိုး=Myo",
    ),
    "F": _parts(
        "သီရိ=Thiri အိ=Ei ဖြူ=Phyu ခင်=Khin စု=Su မွန်=Mon နန္ဒာ=Nandar သန္တာ=Thandar",
        "နှင်း=Hnin ဝတ်=Wut ရီ=Yee မိုး=Moe အေး=Aye လှ=Hla ဝေ=Wai စိုး=Soe",
    ),
}
