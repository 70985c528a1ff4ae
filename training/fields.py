"""What a record can hold: for each field its key's and label's synonyms, its schema and how its values are made."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from zlib import crc32

from training import values, words
from training.values import Maker

STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
DATE: dict[str, Any] = {"format": "date", "type": "string"}


@dataclass(frozen=True)
class Field:
    """A field by its names: ``english`` and ``chinese`` serve both as keys and as labels in the document."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]
    make: Maker
    schema: dict[str, Any]
    unit_zh: str = ""

    def key(self, rng: Random, lang: str, style: str, unseen: bool = False) -> str:
        name = rng.choice(names(self.chinese if lang == "zh" else self.english, unseen))
        return name if lang == "zh" else spell(name, style)

    def label(self, rng: Random, lang: str, unseen: bool = False) -> str:
        if lang == "zh":
            return rng.choice(names(self.chinese, unseen))
        return rng.choice(names(self.english, unseen)).capitalize()


def names(synonyms: tuple[str, ...], unseen: bool) -> tuple[str, ...]:
    """The synonyms to train with, or the one of three or more that is kept for testing."""
    if len(synonyms) < 3:
        return synonyms
    kept = min(synonyms, key=lambda name: crc32(name.encode()))
    return (kept,) if unseen else tuple(name for name in synonyms if name != kept)


def spell(name: str, style: str) -> str:
    """A name as a key."""
    parts = name.lower().replace("'", "").split(" ")
    if style == "camel":
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    if style == "pascal":
        return "".join(part.capitalize() for part in parts)
    if style == "title":
        return " ".join(parts).capitalize()
    return {"kebab": "-", "words": " "}.get(style, "_").join(parts)


def enum(english: dict[str, str], chinese: dict[str, str]) -> tuple[Maker, dict[str, Any]]:
    """Maker and schema of a choice; members of both languages are in the schema's ``x`` until a language is picked."""
    return values.one_of(english, chinese), {"enum": {"en": list(english), "zh": list(chinese)}, "type": "string"}


def _f(english: str, chinese: str, make: Maker, schema: dict[str, Any] = STRING, unit_zh: str = "") -> Field:
    return Field(tuple(english.split("|")), tuple(chinese.split("|")), make, schema, unit_zh)


def _e(english: str, chinese: str, members_en: str, members_zh: str) -> Field:
    make, schema = enum(*({m: m for m in side.split("|")} for side in (members_en, members_zh)))
    return _f(english, chinese, make, schema)


HEADER = [
    _f("invoice number|invoice no|invoice id|number", "发票号码|发票编号|发票号", values.code),
    _f("order number|order id|order no|order", "订单号|订单编号|订单号码", values.code),
    _f("customer number|customer id|client id", "客户编号|客户号", values.digits(4, 8)),
    _f("contract number|contract id|contract no", "合同编号|合同号", values.code),
    _f("reference|ref|reference number", "参考号|流水号|单据号", values.digits(6, 20)),
    _f("date|issue date|date of issue|issued on", "日期|开票日期|签订日期|签发日期", values.date, DATE),
    _f("due date|payment due|due|deadline", "到期日|付款期限|截止日期", values.date, DATE),
    _f("delivery date|delivered on|shipping date", "交货日期|送达日期|发货日期", values.date, DATE),
    _f("start date|valid from|begins on", "开始日期|生效日期", values.date, DATE),
    _f("seller|supplier|vendor|from", "销售方|卖方|供应商|甲方|销售方名称", values.company),
    _f("buyer|customer|client|bill to", "购买方|买方|客户|乙方|购买方名称", values.company),
    _f("company|company name|organisation", "公司|公司名称|单位名称", values.company),
    _f("name|full name|contact person|contact", "姓名|联系人|名字", values.person),
    _f("manager|approved by|signed by", "经理|审批人|负责人", values.person),
    _f("clerk|prepared by|cashier", "开票人|收款人|经办人", values.person),
    _f("email|e-mail|mail", "邮箱|电子邮件|电子邮箱", values.email),
    _f("phone|telephone|phone number|mobile", "电话|联系电话|手机", values.phone),
    _f("address|street address|ship to", "地址|收货地址|通讯地址", values.address),
    _f("city|location|place", "城市|所在地|地点", values.city),
    _f("position|job title|role", "职位|求职意向|岗位", values.from_list(words.JOBS, words.JOBS_ZH)),
    _f("subject|title|topic", "主题|标题|事由", values.from_list(words.ISSUES, words.ISSUES_ZH)),
    _f("product|article|item", "产品|商品|货物名称", values.item),
    _f("school|university", "学校|毕业院校", values.from_list(
        [c + " University" for c in words.CITIES], words.SCHOOLS_ZH)),
    _f("major|field of study", "专业|所学专业", values.from_list(words.JOBS, words.MAJORS_ZH)),
    _f("total|total due|amount due|grand total", "价税合计|总计|合计|应付金额", values.amount(money=True), NUMBER),
    _f("subtotal|net amount|net total", "小计|合计金额|不含税金额", values.amount(money=True), NUMBER),
    _f("tax|vat|tax amount", "税额|增值税", values.amount(900, money=True), NUMBER),
    _f("balance|account balance", "余额|账户余额", values.amount(90000, money=True), NUMBER),
    _f("price|unit price|price per unit", "价格|单价", values.amount(900), NUMBER, "元"),
    _f("contract value|contract amount|value", "合同金额|合同价款", values.integer(1000, 900000), NUMBER, "元"),
    _f("discount|rebate", "折扣|优惠", values.amount(100, money=True), NUMBER),
    _f("weight|net weight", "重量|净重", values.amount(200, 1), NUMBER),
    _f("quantity|qty|count|units", "数量|件数", values.integer(1, 500), INTEGER),
    _f("employees|staff|headcount", "员工人数|员工|人数", values.integer(3, 9000), INTEGER, "人"),
    _f("term in months|duration months|months", "期限月数|合同期限|租期", values.integer(1, 60), INTEGER, "个月"),
    _f("years of experience|years|experience", "工作年限|经验年限", values.integer(1, 40), INTEGER, "年"),
    _f("year|graduation year|founded", "年份|毕业年份|成立年份", values.integer(1980, 2025), INTEGER, "年"),
    _f("rating|score|points", "评分|得分", values.integer(1, 100), INTEGER),
    _e("currency|currency code", "币种|货币", "EUR|USD|GBP|CNY|JPY", "人民币|美元|欧元|日元"),
    _e("status|state", "状态|订单状态", "open|closed|pending|shipped|cancelled", "已完成|处理中|已取消|待付款"),
    _e("priority|urgency", "优先级|紧急程度", "low|normal|high|urgent", "低|中|高|紧急"),
    _e("payment method|paid by|payment", "付款方式|支付方式", "card|cash|transfer|invoice",
       "一次性付款|分期付款|货到付款|现金|银行转账"),
    _e("category|kind|type", "类别|类型", "book|food|tool|service|device", "图书|食品|工具|服务|设备"),
    _e("degree|education", "学历|学位", "bachelor|master|doctor|diploma", "大专|本科|硕士|博士"),
    _e("outlook|forecast|trend", "展望|趋势|预期", "raised|maintained|lowered", "上调|维持|下调"),
]  # fmt: skip

COLUMNS = [
    _f("sku|article number|code|item code", "编号|货号|编码", values.code),
    _f("name|description|item|product", "项目名称|品名|名称|商品名称", values.item),
    _f("quantity|qty|units|amount", "数量|件数", values.integer(1, 300), INTEGER),
    _f("stock|in stock|on hand", "库存|库存量", values.integer(0, 9000), INTEGER),
    _f("unit price|price|price per unit|rate", "单价|价格", values.amount(900, money=True), NUMBER),
    _f("total|amount|line total|sum", "金额|小计|总价", values.amount(5000, money=True), NUMBER),
    _f("supplier|vendor|maker|brand", "供应商|厂家|品牌", values.from_list(words.COMPANY_WORDS, words.BRANDS_ZH)),
    _f("date|day|booked on", "日期|时间", values.date, DATE),
    _f("city|place|branch", "城市|地点|门店", values.city),
    _f("person|employee|owner", "姓名|负责人|员工", values.person),
    _f("hours|days|pieces", "小时|天数|工时", values.integer(1, 90), INTEGER),
    _f("department|team|group", "部门|小组", values.from_list(words.COMPANY_FIELDS, words.FIELDS_ZH)),
    _e("status|state|result", "状态|结果", "open|closed|passed|failed", "合格|不合格|已完成|处理中"),
    _e("degree|level", "学历|级别", "bachelor|master|doctor", "大专|本科|硕士|博士"),
    _f("school|university", "学校|院校", values.from_list([c + " University" for c in words.CITIES], words.SCHOOLS_ZH)),
    _f("major|subject", "专业|科目", values.from_list(words.JOBS, words.MAJORS_ZH)),
    _f("year|graduated", "年份|毕业年份", values.integer(1990, 2025), INTEGER),
]  # fmt: skip

METRICS = [
    ("revenue|sales|turnover", "营业收入|收入|销售额"),
    ("gross profit", "毛利|毛利润"),
    ("operating profit|ebit|operating income", "营业利润|经营利润"),
    ("net profit|net income|profit", "净利润|净收益"),
    ("net margin|profit margin", "净利率"),
    ("costs|expenses|total costs", "成本|费用|总成本"),
    ("cash flow|free cash flow", "现金流|经营现金流"),
    ("equity|shareholders equity", "净资产|股东权益"),
    ("debt|net debt|liabilities", "负债|净负债"),
    ("orders|order intake", "订单|新签订单"),
    ("research spending|research", "研发投入|研发费用"),
    ("assets|total assets", "总资产|资产总额"),
]
