"""Documents in sentences: letters, e-mails, chats and notices that say what a form would label."""

from __future__ import annotations

from random import Random

from training import values, words
from training.documents import Block, Example, Style, compose, form, named_schema, nullable, question, strings
from training.fields import HEADER, Field

# By a field's first English name: English sentences | Chinese sentences.
SENTENCES = {
    "invoice number": (
        "Please find attached our invoice {}.|Payment for {} is still open.|The invoice carries number {}.",
        "随信附上发票{}。|{}号发票尚未支付。",
    ),
    "order number": (
        "Your order {} has been received.|We refer to order {}.|I am writing about my order {}.",
        "您的订单{}已收到。|我想咨询订单{}的情况。|订单{}有问题。",
    ),
    "customer number": (
        "Your customer number with us is {}.|I am registered under {}.",
        "您的客户编号是{}。|我的客户号为{}。",
    ),
    "contract number": (
        "This concerns contract {}.|The agreement is filed under {}.",
        "本函涉及合同{}。|双方签署了编号为{}的合同。",
    ),
    "reference": ("Please quote {} when you reply.|Our reference: {}.", "回复时请注明{}。|流水号{}。"),
    "date": (
        "It was issued on {}.|The document is dated {}.|We wrote to you on {}.",
        "开具日期为{}。|本文件于{}签发。",
    ),
    "due date": (
        "It must be paid by {}.|Kindly settle it no later than {}.|Payment is expected by {}.",
        "请于{}前付款。|付款不得晚于{}。",
    ),
    "delivery date": (
        "The goods arrive on {}.|The parcel was delivered on {}.|We ship on {}.",
        "货物将于{}送达。|已于{}发货。",
    ),
    "start date": (
        "The agreement begins on {}.|It is valid from {}.|Work starts on {}.",
        "自{}起生效。|工作从{}开始。",
    ),
    "seller": ("The goods are supplied by {}.|{} sells and delivers.|We bought this from {}.", "由{}供货。|卖方为{}。"),
    "buyer": ("The invoice is addressed to {}.|{} is the buyer.|We sold the goods to {}.", "买方是{}。|客户为{}。"),
    "company": (
        "I work for {}.|{} is looking for new colleagues.|{} was visited last week.",
        "我在{}工作。|{}诚聘英才。",
    ),
    "name": ("My name is {}.|Please ask for {}.|{} is the person to speak to.", "我叫{}。|请联系{}。|联系人是{}。"),
    "manager": ("{} approved it.|The paper was signed by {}.|Their manager is {}.", "已由{}批准。|负责人是{}。"),
    "clerk": ("{} prepared this document.|You were served by {}.", "本单由{}经办。|开票人是{}。"),
    "email": ("Write to {}.|You can reach me at {}.|Send your answer to {}.", "请发邮件至{}。|我的邮箱是{}。"),
    "phone": ("Call me at {}.|My number is {}.|Our telephone: {}.", "请拨打{}。|我的电话是{}。"),
    "address": ("Please send it to {}.|We have moved to {}.|Deliver to {}, please.", "请寄到{}。|地址在{}。"),
    "city": (
        "The meeting is held in {}.|We are based in {}.|The office in {} is open again.",
        "会议在{}举行。|我们位于{}。",
    ),
    "position": (
        "We are hiring: {}.|I apply for the post of {}.|The job is that of a {}.",
        "现招聘{}。|我应聘的岗位是{}。",
    ),
    "subject": ("It is about this: {}.|We talked about one thing: {}.|The problem: {}.", "主题是{}。|问题如下：{}。"),
    "product": ("I bought a {}.|The article is called {}.|We would like to offer you our {}.", "我买了{}。|商品为{}。"),
    "school": ("I studied at {}.|She graduated from {}.", "毕业于{}。|我就读于{}。"),
    "major": ("My field was {}.|The degree is in {}.", "专业是{}。|所学专业为{}。"),
    "total": ("In all that makes {}.|You owe us {}.|The whole comes to {}.", "总计{}。|应付金额为{}。"),
    "subtotal": ("Before tax it is {}.|Without tax the sum is {}.", "不含税金额为{}。|小计{}。"),
    "tax": ("The tax on it is {}.|VAT of {} has been added.", "税额为{}。|其中增值税{}。"),
    "balance": ("Your balance is now {}.|The account stands at {}.", "账户余额为{}。|目前余额{}。"),
    "price": ("One piece costs {}.|It is sold at {} each.|The price is {}.", "每件售价{}。|单价是{}。"),
    "contract value": ("The contract is worth {}.|The agreed value is {}.", "合同金额为{}。|合同价款共{}。"),
    "discount": ("We grant you {} off.|A discount of {} was deducted.", "优惠{}。|已减免{}。"),
    "weight": ("It weighs {} kg.|The parcel has {} kg.", "重量为{}千克。|净重{}千克。"),
    "quantity": ("We need {} pieces.|Please send {} of them.|{} units were packed.", "共{}件。|我们需要{}件。"),
    "employees": (
        "The company has {} employees.|{} people work there.|Our staff counts {}.",
        "公司有{}名员工。|员工共{}人。",
    ),
    "term in months": ("It runs for {} months.|The term is {} months.", "期限为{}个月。|租期{}个月。"),
    "years of experience": (
        "I have {} years of experience.|We ask for {} years of experience.",
        "有{}年工作经验。|要求{}年以上经验。",
    ),
    "year": ("It was founded in {}.|She finished in {}.", "成立于{}年。|{}年毕业。"),
    "rating": ("We rate it {} out of 100.|It scored {} points.", "评分为{}分。|得了{}分。"),
    "currency": ("All amounts are in {}.|The account is kept in {}.", "金额以{}计。|币种为{}。"),
    "status": ("At the moment it is {}.|The case is {}.|Its status: {}.", "目前状态：{}。|订单{}。"),
    "priority": ("Treat it as {}.|The priority is {}.", "优先级为{}。|请按{}优先级处理。"),
    "payment method": ("They pay by {}.|Paid by {}.", "付款方式为{}。|采用{}。"),
    "category": ("It counts as a {}.|We file it under {}.", "归入{}类。|类别是{}。"),
    "degree": ("The degree is {}.|We ask for a {}.", "学历为{}。|要求{}学历。"),
    "outlook": ("The outlook was {}.|The board {} the forecast.", "展望{}。|公司{}了预期。"),
}

GREETINGS = ["Dear {},", "Hello {},", "Hi {},", "Dear Sir or Madam,", ""]
CLOSINGS = ["Best regards,\n{}", "Kind regards\n{}", "Yours sincerely,\n{}", "Thanks, {}", ""]
GREETINGS_ZH = ["{}您好：", "尊敬的{}：", "您好，", ""]
CLOSINGS_ZH = ["此致\n敬礼\n{}", "祝好\n{}", "谢谢！\n{}", ""]


def sentences(rng: Random, style: Style, specs: list[Field], taken: set[str]) -> Block:
    """One sentence a field; some are not asked for, and some that are asked for are not said."""
    block = Block([])
    for spec in specs:
        english, chinese = SENTENCES[spec.english[0]]
        pattern = rng.choice((chinese if style.lang == "zh" else english).split("|"))
        label = spec.label(rng, style.lang, style.unseen)
        key = spec.key(rng, style.key_lang, style.key_style, style.unseen)
        value, text = spec.make(rng, style.lang)
        said = True
        if key not in taken and rng.random() < 0.75:
            taken.add(key)
            schema = named_schema(rng, style, spec, label)
            if rng.random() < 0.2:
                schema, said = nullable(schema), rng.random() < 0.5
            block.properties[key] = (schema, value if said else None)
        if said:
            block.lines.append(pattern.replace("{}", text))
    if rng.random() < 0.5:
        rng.shuffle(block.lines)
    return block


def paragraph(rng: Random, style: Style, block: Block) -> Block:
    """The block's sentences with others between them, as running text or one a line."""
    noise = words.NOISE_ZH if style.lang == "zh" else words.NOISE
    lines = list(block.lines)
    for _ in range(rng.choice([0, 1, 1, 2])):
        lines.insert(rng.randint(0, len(lines)), rng.choice(noise))
    joiner = rng.choice(["\n", "" if style.lang == "zh" else " ", "" if style.lang == "zh" else " "])
    return Block([joiner.join(lines)], block.properties)


def specs_with_sentences(rng: Random, low: int, high: int) -> list[Field]:
    pool = [spec for spec in HEADER if spec.english[0] in SENTENCES]
    return rng.sample(pool, rng.randint(low, high))


def make_letter(rng: Random, style: Style) -> Example:
    """A letter or an e-mail, with the names of people who may be asked for elsewhere."""
    block = paragraph(rng, style, sentences(rng, style, specs_with_sentences(rng, 2, 6), set()))
    chinese = style.lang == "zh"
    greeting = rng.choice(GREETINGS_ZH if chinese else GREETINGS).replace("{}", values.person(rng, style.lang)[0])
    closing = rng.choice(CLOSINGS_ZH if chinese else CLOSINGS).replace("{}", values.person(rng, style.lang)[0])
    lines = [part for part in (greeting, *block.lines, closing) if part]
    return compose(rng, "letter", style, [Block(["\n\n".join(lines)], block.properties)])


def make_chat(rng: Random, style: Style) -> Example:
    """Two who talk; each says some of the facts."""
    block = sentences(rng, style, specs_with_sentences(rng, 2, 6), set())
    people = [values.person(rng, style.lang)[0] for _ in range(2)]
    colon = "：" if style.lang == "zh" else ": "
    minute, lines = rng.randint(0, 30), []
    timed = rng.random() < 0.5
    small_talk = ["好的。", "收到。", "明白了。"] if style.lang == "zh" else ["OK.", "Got it.", "Let me check."]
    for line in block.lines:
        minute += rng.randint(0, 4)
        stamp = f"[{rng.randint(9, 17)}:{minute:02}] " if timed else ""
        lines.append(f"{stamp}{rng.choice(people)}{colon}{line}")
        if rng.random() < 0.25:
            lines.append(f"{stamp}{rng.choice(people)}{colon}{rng.choice(small_talk)}")
    return compose(rng, "chat", style, [Block(lines, block.properties)])


def make_mixed(rng: Random, style: Style) -> Example:
    """Labels first and sentences after, or the other way round, as notices and tickets have them."""
    specs, taken = specs_with_sentences(rng, 4, 8), set[str]()
    cut = rng.randint(1, len(specs) - 1)
    labelled = form(rng, style, specs[:cut], taken)
    told = paragraph(rng, style, sentences(rng, style, specs[cut:], taken))
    blocks = [labelled, told]
    if rng.random() < 0.3:
        blocks.append(rng.choice([strings, question])(rng, style, taken))
    if rng.random() < 0.5:
        rng.shuffle(blocks)
    return compose(rng, "notice", style, blocks)
