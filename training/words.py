"""Word lists that the synthetic documents are built from, English and Chinese."""

from __future__ import annotations

FIRST_NAMES = """Anna Ben Clara David Elena Felix Greta Hugo Ines Jonas Karin Leo Maria Nils Olga Paul Rosa Simon Tara
Victor Wendy Yusuf Zoe Amir Bianca Carlos Diana Emil Farah George Hanna Ivan Julia Kevin Laura Mateo Nadia Oscar Petra
Quentin Rita Samuel Teresa Ulrich Vera William Xenia Yara Priya Kenji Aisha Noah Mila Ethan Lucy Adam Chloe
Omar""".split()
LAST_NAMES = """Adler Becker Calloway Dawson Ericsson Fischer Garcia Hoffmann Ivanov Jensen Keller Lindqvist
Moreau Novak
Okafor Petrov Quinn Rossi Schmidt Tanaka Ueda Vogel Weber Xu Young Zimmer Ahmed Brown Costa Dubois Evans Ferrari Gupta
Hughes Iqbal Jones Kowalski Larsen Mueller Nguyen Olsen Patel Reyes Santos Taylor Urban Valdez Walker Yilmaz
Finch Marlow
Halden Sterling Bishop Carter Doyle""".split()
COMPANY_WORDS = """Nord Licht Halden Ferrum Nova Color Apex Blue Bright Cedar Delta Echo Falcon Granite Harbor
Iron Jade Kite
Lumen Maple North Ocean Pine Quartz River Silver Terra Union Vista West Zenith Alpine Baltic Crest Dawn Ember
Forge Grove
Helix Orion Summit Atlas Vector Prime Metro Solar Polar Swift Stone""".split()
COMPANY_FIELDS = """Instruments Office Supplies Logistics Foods Systems Tools Optics Energy Textiles Software
Motors Media
Pharma Robotics Trading Consulting Labs Printing Furniture Electronics Partners Industries Services""".split()
COMPANY_FORMS = ["GmbH", "Ltd", "plc", "Inc", "AG", "LLC", "S.A.", "Co.", "BV", "Oy", "AB", "Corp"]
CITIES = """Hamburg Leeds Lyon Turin Gdansk Oslo Madrid Vienna Zurich Boston Denver Austin Dublin Prague Porto
Ghent Bergen
Krakow Malmo Basel Graz Seattle Toronto Osaka Pune Cairo Lagos Lima Perth London Paris Berlin""".split()
STREETS = """Speicherstrasse Mill Lane High Street Park Road Station Road King Street Hauptstrasse Oak Avenue
Market Square
Bridge Street Church Lane Ringweg Harbour Way""".split()
ADJECTIVES = """black grey white blue dotted small large heavy round flat steel wooden folding cordless digital
leather
cotton plastic green red""".split()
ITEMS = """Desk lamp|Notebook A5|Label printer|Hex bolt M8|Washer 8 mm|Torque wrench|Tape measure|Primer|Office chair|
USB cable|Monitor arm|Keyboard|Wireless mouse|Paper A4|Stapler|Whiteboard|Marker set|Toner cartridge|Filing cabinet|
Coffee beans|Green tea|Orange juice|Wheat bread|Olive oil|Water bottle|Hand drill|Paint brush|Work gloves|
Safety helmet|
Extension cord|LED bulb|Battery AA|Hard drive|Router|Webcam|Headset|Backpack|Travel mug|Wall clock|Desk fan|
Door hinge|
Copper pipe|Ball valve|Air filter|Brake pad|Spark plug|Garden hose|Plant pot|Kettle|Toaster|Screwdriver|Pliers|Hammer|
Saw blade|Wood screw|Hex nut|Sanding disc|Cable tie|Fuse 10 A|Power bank""".replace("\n", "").split("|")
JOBS = """data engineer|accountant|project manager|nurse|sales assistant|software developer|electrician|
designer|analyst|
team lead|consultant|teacher|chemist|warehouse manager|buyer""".replace("\n", "").split("|")
SKILLS = """Python|Spark|SQL|Java|Excel|Go|Docker|Linux|Git|Kafka|React|Rust|AWS|Figma|SAP|Tableau|R|C++|Redis|
Kubernetes""".replace("\n", "").split("|")
TAGS = """network vpn remote urgent billing printer login hardware software mail access laptop phone office
travel payroll
backup security update meeting refund delivery quality website mobile report""".split()
ISSUES = """VPN drops every hour|Printer does not respond|Password reset fails|Screen stays black|
Invoice was sent twice|
Parcel arrived damaged|Cannot open the shared folder|App crashes on start|Wrong item delivered|Order is late|
Laptop battery drains fast|New badge needed|Website shows an error|Phone has no signal|Heating in room is off|
Calendar does not sync|Export to Excel is empty|Account is locked|Backup did not run|
Update the contact list""".replace("\n", "").split("|")
NOISE = """Thank you for your order.|Payable within 14 days.|Please keep this document for your records.|
Prices are per piece, net.|Counted by hand.|All amounts include taxes unless stated.|
Questions? Call our service desk.|
Demand stayed firm in Europe, while orders from Asia were flat.|This message was sent automatically.|
The goods remain our property until paid in full.|We look forward to hearing from you.|Errors and omissions excepted.|
The weather was fine and the hall was full.|No signature is needed.|See the notes on the next page.|
The figures have not been audited.|Sent from my phone.|Delivery by truck.""".replace("\n", "").split("|")

SURNAMES_ZH = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
)
GIVEN_ZH = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华思远晓峰志文雨晨子轩梓涵欣怡浩然嘉琪俊辉雪梅建国春生海燕婷玉龙鹏飞"
)
CITIES_ZH = """北京 上海 广州 深圳 杭州 苏州 南京 成都 武汉 西安 重庆 天津 青岛 大连 厦门 宁波 无锡 长沙 郑州
合肥 福州 济南 昆明 沈阳""".split()
BRANDS_ZH = """云杉 明远 恒力 建业 星图 华信 东方 蓝天 金桥 瑞丰 天成 永盛 新源 海纳 博雅 宏达 锦程 安泰 中联
佳和 正大 百川 启明 四方
长青 鼎盛 众诚 联创 光华 同德""".split()
FIELDS_ZH = """科技 办公用品 机械 工程 数据 电子 贸易 食品 物流 建材 信息技术 医药 服装 文化传媒 能源 汽车配件
环保 家具 印刷 软件""".split()
ITEMS_ZH = """人体工学椅 A4复印纸 白板笔 打印机 显示器 键盘 鼠标 文件夹 订书机 台灯 办公桌 笔记本 墨盒 投影仪
路由器 移动硬盘 饮水机
保温杯 计算器 插线板 螺丝刀 电钻 手套 安全帽 灯泡 电池 水管 阀门 轴承 油漆 茶叶 大米 食用油 牛奶 苹果 面粉 毛巾
雨伞 书包 耳机 充电器
摄像头 传感器 电缆 钢板 木板 玻璃 水泥 挖掘机 空调""".split()
JOBS_ZH = """数据工程师 会计 项目经理 护士 销售经理 软件工程师 产品经理 设计师 分析师 教师 采购员 机械工程师
人事专员 测试工程师 运营专员""".split()
SCHOOLS_ZH = """浙江大学 同济大学 复旦大学 南京大学 武汉大学 四川大学 中山大学 山东大学 厦门大学 东南大学
湖南大学 重庆大学 苏州大学""".split()
MAJORS_ZH = """软件工程 计算机科学 会计学 机械工程 市场营销 电子信息 数学 统计学 土木工程 英语 金融学 化学
自动化 工商管理 法学""".split()
SKILLS_ZH = """数据建模 数据分析 项目管理 财务分析 英语口语 机器学习 市场推广 客户服务 办公软件 程序设计
网络管理 平面设计""".split()
TAGS_ZH = """紧急 网络 账单 退款 物流 售后 硬件 软件 登录 打印 会议 培训 安全 采购 合同""".split()
ISSUES_ZH = """打印机无法连接|密码重置失败|电脑无法开机|发票开错了|包裹破损|网页打不开|订单延迟|账号被锁定|
会议室没有暖气|
系统登录很慢|手机没有信号|申请新的工牌""".replace("\n", "").split("|")
NOISE_ZH = """感谢您的惠顾。|请妥善保管本单据。|如有疑问请联系客服。|本条款由双方协商解决。|
货款付清前所有权归卖方。|价格为含税价。|
以上数据未经审计。|争议由当地人民法院管辖。|请于十四日内付款。|本邮件由系统自动发送。|乙方负责日常保养。|
市场需求保持稳定。""".replace("\n", "").split("|")
COMMON_ZH = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
    "十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平"
    "形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题"
    "程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干"
    "做必战先回则任取据处南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风"
    "切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉"
    "林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府"
    "称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严"
)
