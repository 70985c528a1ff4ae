"""How one document writes dates, numbers and money: drawn once, so that a document is of one piece."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random

from training.values import MONTHS

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SMALL = "zero one two three four five six seven eight nine ten eleven twelve".split()
SMALL_ZH = "零 一 两 三 四 五 六 七 八 九 十 十一 十二".split()
DIGITS_ZH = "〇一二三四五六七八九"
DATES = ["iso", "d month y", "month d, y", "d mon y", "mon d, y", "dots", "short dots", "slashes", "dth month y",
         "month dth, y", "dashes", "weekday", "d/m", "m/d", "two digits"]  # fmt: skip
DATES_ZH = ["年月日", "年月日", "年月日", "年月日", "零年月日", "iso", "iso", "slashes", "short slashes", "y dots",
            "short y dots", "星期", "汉字"]  # fmt: skip
NUMBERS = [(",", "."), (",", "."), (",", "."), ("", "."), (".", ","), (" ", ","), ("'", ".")]
NUMBERS_ZH = [(",", "."), (",", "."), ("", "."), ("", ".")]
MARKS = {
    "EUR": ["€{}", "{} €", "EUR {}", "{} EUR", "{} euros"],
    "USD": ["${}", "${}", "USD {}", "US${}", "{} USD"],
    "GBP": ["£{}", "GBP {}", "{} GBP"],
    "CHF": ["CHF {}", "{} CHF", "Fr. {}"],
    "SEK": ["{} SEK", "SEK {}"],
    "JPY": ["JPY {}", "{} yen"],
    "CNY": ["CNY {}", "RMB {}"],
}
MARKS_ZH = {
    "CNY": ["¥{}", "￥{}", "{}元", "{}元", "{} 元", "人民币{}元", "RMB {}"],
    "USD": ["{}美元", "US${}"],
    "EUR": ["{}欧元", "€{}"],
    "HKD": ["{}港元", "HK${}"],
}


@dataclass(frozen=True)
class Spelling:
    """A document's language, the day it is about, and its ways to write."""

    lang: str
    today: date
    dates: str
    thousands: str
    point: str
    currency: str
    mark: str
    in_wan: bool = False  # whether round amounts are given in 万, 10,000
    in_millions: bool = False

    @classmethod
    def draw(cls, rng: Random, lang: str) -> Spelling:
        today = date(rng.randint(2012, 2028), rng.randint(1, 12), rng.randint(1, 28))
        if lang == "zh":
            currency = rng.choice(["CNY"] * 20 + list(MARKS_ZH))
            thousands, point = rng.choice(NUMBERS_ZH)
            mark, in_wan = rng.choice(MARKS_ZH[currency]), rng.random() < 0.7
            return cls(lang, today, rng.choice(DATES_ZH), thousands, point, currency, mark, in_wan)
        currency = rng.choice(["EUR", "USD", "GBP", *MARKS])
        thousands, point = rng.choice(NUMBERS)
        dates = rng.choice(["dots", "short dots", "two digits", "iso", "d month y"] if point == "," else DATES)
        return cls(
            lang, today, dates, thousands, point, currency, rng.choice(MARKS[currency]), in_millions=rng.random() < 0.6
        )

    def day(self, day: date) -> str:
        """``day`` as this document writes it; where day and month could be mixed up, the month gets its name."""
        y, m, d = day.year, day.month, day.day
        if self.dates in ("d/m", "m/d"):
            both = f"{d:02}/{m:02}/{y}" if self.dates == "d/m" else f"{m:02}/{d:02}/{y}"
            return both if d > 12 else f"{d} {MONTHS[m - 1][:3]} {y}"
        month, nth = MONTHS[m - 1], f"{d}{ordinal(d)}"
        return {
            "iso": day.isoformat(),
            "d month y": f"{d} {month} {y}",
            "month d, y": f"{month} {d}, {y}",
            "d mon y": f"{d} {month[:3]} {y}",
            "mon d, y": f"{month[:3]} {d}, {y}",
            "dots": f"{d:02}.{m:02}.{y}",
            "short dots": f"{d}.{m}.{y}",
            "two digits": f"{d:02}.{m:02}.{y % 100:02}",
            "slashes": f"{y}/{m:02}/{d:02}",
            "short slashes": f"{y}/{m}/{d}",
            "dth month y": f"{nth} {month} {y}",
            "month dth, y": f"{month} {nth}, {y}",
            "dashes": f"{d:02}-{month[:3]}-{y}",
            "weekday": f"{DAYS[day.weekday()]}, {d} {month} {y}",
            "年月日": f"{y}年{m}月{d}日",
            "零年月日": f"{y}年{m:02}月{d:02}日",
            "y dots": f"{y}.{m:02}.{d:02}",
            "short y dots": f"{y}.{m}.{d}",
            "星期": f"{y}年{m}月{d}日（星期{'一二三四五六日'[day.weekday()]}）",
            "汉字": f"{''.join(DIGITS_ZH[int(c)] for c in str(y))}年{count_zh(m)}月{count_zh(d)}日",
        }[self.dates]

    def number(self, number: float, decimals: int) -> str:
        text = f"{number:,.{decimals}f}"
        return text.replace(",", "_").replace(".", self.point).replace("_", self.thousands)

    def money(self, amount: float, plain: bool = False) -> str:
        """With the currency's mark, or ``plain``; round amounts may lose their zeros, round Chinese ones take 万."""
        decimals = 0 if amount == int(amount) and (amount >= 1000 and amount % 50 == 0 or self.currency == "JPY") else 2
        number = self.number(abs(amount), decimals)
        if self.in_wan and amount >= 10000 and amount % 100 == 0:
            number = f"{amount / 10000:.2f}".rstrip("0").rstrip(".") + "万"
        if self.in_millions and amount >= 1e6 and amount % 1e5 == 0:
            number = self.number(amount / 1e6, 1) + " million"
        return ("-" if amount < 0 else "") + (number if plain else self.mark.replace("{}", number))

    def count(self, count: int, word: bool = False) -> str:
        """A whole number, in words where asked for and small, grouped where that cannot be read as a decimal."""
        if word and 0 <= count <= 12:
            return (SMALL_ZH if self.lang == "zh" else SMALL)[count]
        return self.number(count, 0) if self.thousands in (",", " ") and count >= 10000 else str(count)


def ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def count_zh(number: int) -> str:
    """1 to 99 in Chinese figures."""
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else DIGITS_ZH[tens] + "十") + (DIGITS_ZH[ones] if ones else "")


def capital_zh(amount: float) -> str:
    """An amount below 10^8 in the figures of banks: 12034.5 is 壹万贰仟零叁拾肆元伍角整."""
    cents = round(amount * 100)
    whole, jiao, fen = cents // 100, cents // 10 % 10, cents % 10
    figures = "零壹贰叁肆伍陆柒捌玖"
    text = ""
    high, low = divmod(whole, 10000)
    for part, unit in ((high, "万"), (low, "")):
        if not part:
            continue
        digits = "".join(
            (figures[d] + u if d else "零") for d, u in zip(map(int, f"{part:04}"), ["仟", "佰", "拾", ""], strict=True)
        )
        while "零零" in digits:
            digits = digits.replace("零零", "零")
        digits = digits.rstrip("零")
        text += (digits if text else digits.lstrip("零")) + unit
    text = (text or "零") + "元"
    if not jiao and not fen:
        return text + "整"
    text += figures[jiao] + "角" if jiao else "零"
    return text + (figures[fen] + "分" if fen else "整")
