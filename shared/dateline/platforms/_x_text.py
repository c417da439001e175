"""How X weighs a text: twitter-text, configuration 3, in our own words.

A text is normalised to NFC; a URL (a bare domain too) weighs 23 whatever its length, an emoji with all its parts 2, a
character of the Latin and neighbouring ranges 1, any other 2. Where a rule of X is unclear this must count too much rather
than too little: an X that refuses at publishing time is worse than a character less to write.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

URL_WEIGHT = 23
LIGHT_RANGES = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""The code points that weigh 1. Source: twitter-text config v3, as the API's page on counting characters has it (2026-08)."""
LONGEST_URL = 4096
LONGEST_DOMAIN = 253
"""RFC 1035. Looking no further also keeps a text made of dots and underscores from taking seconds."""
LONGEST_TCO_SLUG = 40
INVALID = "\ufffe\ufeff\uffff"
"""Characters X takes in no text."""

_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACES = "\t-\r \u0085\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_IN_NAME = rf"[^!'#%&()*+,\\\-./:;<=>?@\[\]^_{{|}}~${_SPACES}{INVALID}{_MARKS}]"
_ACCENTED = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263"
    "\u0268\u026f\u0272\u0289\u028b\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_IN_PATH = rf"[a-z\u0400-\u04ff0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_ACCENTED}]"
_ENDS_PATH = rf"[+\-a-z\u0400-\u04ff0-9=_#/{_ACCENTED}]"
_BRACKETED = rf"\((?:{_IN_PATH}+|{_IN_PATH}*\({_IN_PATH}+\){_IN_PATH}*)\)"

# A URL begins after none of these: an address, a handle or a tag is no link.
_NOT_BEFORE = f"A-Za-z0-9@＠$#＃{INVALID}"
_START = re.compile(rf"(?<![{_NOT_BEFORE}])(https?://)?(?={_IN_NAME})", re.I)
_FIRST_STANDS_BEFORE = re.compile(rf"[^{_NOT_BEFORE}]{_IN_NAME}", re.I)
_LABEL = re.compile(rf"{_IN_NAME}(?:(?:{_IN_NAME}|[_-])*{_IN_NAME})?", re.I)
_LATIN_LABEL = re.compile(rf"[\-a-z0-9{_ACCENTED}]+", re.I)
_PROTOCOL = re.compile(r"https?://", re.I)
_TLD = re.compile(r"[a-z0-9]+(?![0-9a-z@+-])", re.I)
_PUNYCODE = re.compile(r"xn--[\-0-9a-z]+", re.I)
_REST = re.compile(
    rf"(?::[0-9]+)?(?P<path>/(?:(?:{_IN_PATH}|{_BRACKETED})*(?:{_ENDS_PATH}|{_BRACKETED}))?)?"
    r"(?:\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/])?",
    re.I,
)
_TCO = re.compile(r"https?://t\.co/([a-z0-9]+)(?:\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/])?", re.I)

_JOINED_PEOPLE = "👦👧👨👩👶🧑🧒🫲"
_JOINED_THINGS = "♀♂⚕⚖✈⚧☠❄❤➡↔↕⬛🌈🌫🌾🍳🍼🎄🎓🎤🎨🏫🏭💋💨💫💻💼🔥🔧🔬🗨🚀🚒🟩🟫🤝🦯🦰🦱🦲🦳🦺🦼🦽🩰🩹"
"""What the standard emoji sequences have behind a joiner (Unicode Technical Standard 51)."""


class Span(NamedTuple):
    """A piece of a text, by code points: `text[start:end]`."""

    start: int
    end: int


def weighted_length(text: str, settings: Mapping[str, Any]) -> int:
    """The weight of `text` as X counts it against 280 (or an account's own limit). `settings` change nothing."""
    text = normalised(text)
    weight = position = 0
    for span, entity_weight in _entities(text):
        weight += sum(map(_weight, text[position:span.start])) + entity_weight
        position = span.end
    return weight + sum(map(_weight, text[position:]))


def normalised(text: str) -> str:
    """The form X stores: NFC, with `\\n` for every line end."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def find_urls(text: str) -> list[Span]:
    """Where X would put its t.co links in `text` (normalised), in order."""
    if "." not in text:
        return []
    found: list[Span] = []
    position = 1 if _FIRST_STANDS_BEFORE.match(text) else 0
    while start := _START.search(text, position):
        domain_at = start.end()
        domain_end, begin_again = _domain(text, domain_at, _LABEL)
        if domain_end is None:
            protocol = _PROTOCOL.search(text, start.start() + 1, begin_again + len("https://"))
            position = max(min(protocol.start() if protocol else begin_again, begin_again), start.start() + 1)
            continue
        rest = _REST.match(text, domain_end)
        end = rest.end() if rest else domain_end
        if _is_valid(text[start.start():end], text[domain_at:domain_end]):
            if start.group(1):
                found += _with_protocol(text, Span(start.start(), end))
            elif text[max(start.start() - 1, 0):start.start()] not in ("-", "_", ".", "/"):
                found += _bare(text, Span(domain_at, domain_end), end if rest and rest.group("path") else domain_end)
        position = end + 1  # the character after a URL separates it from the next
    return found


def _with_protocol(text: str, url: Span) -> list[Span]:
    """A t.co link ends with its slug, whatever follows; one with an overlong slug is none."""
    short = _TCO.match(text, url.start, url.end)
    if short is None:
        return [url]
    return [Span(url.start, short.end())] if len(short.group(1)) <= LONGEST_TCO_SLUG else []


def _bare(text: str, domain: Span, end: int) -> list[Span]:
    """The domains in Latin script within `domain`: without a protocol no other is linked. The last one takes the path."""
    found: list[Span] = []
    position = domain.start
    while label := _LATIN_LABEL.search(text, position, domain.end):
        latin_end, walked_to = _domain(text, label.start(), _LATIN_LABEL)
        if latin_end is None or latin_end > domain.end:
            position = max(walked_to, label.end())
        else:
            found.append(Span(label.start(), latin_end))
            position = latin_end
    if found and end > domain.end:
        found[-1] = Span(found[-1].start, found[-1].end + end - domain.end if found[-1].end < domain.end else end)
    return found


def _domain(text: str, at: int, label_form: re.Pattern[str]) -> tuple[int | None, int]:
    """Where the longest domain that begins `at` ends, else None; and where a domain could begin next if there is none.

    An underscore may stand in a subdomain, not in the name before the top-level domain: there a name begins after it.
    """
    end = begin_again = None
    start = at
    while at - start <= LONGEST_DOMAIN and (label := label_form.match(text, at)):
        at = label.end()
        if text[at:at + 1] != ".":
            break
        at += 1
        if "_" not in label.group():
            end = _tld_end(text, at) or end
        elif begin_again is None and _tld_end(text, at):
            begin_again = label.start() + label.group().rindex("_") + 1
    return end, at if begin_again is None else begin_again


def _tld_end(text: str, at: int) -> int | None:
    """Where a known top-level domain that begins `at` ends; None when there is none."""
    ascii_names, other_names = _top_level_domains()
    if (match := _TLD.match(text, at)) and match.group().lower() in ascii_names:
        return match.end()
    if match := _PUNYCODE.match(text, at):
        return match.end()
    for name in other_names:
        if text.startswith(name, at) and not re.match(r"[0-9a-zA-Z@+-]", text[at + len(name):at + len(name) + 1]):
            return at + len(name)
    return None


def _is_valid(url: str, domain: str) -> bool:
    try:
        encoded = domain.encode("idna")
    except UnicodeError:
        return False
    return len("https://") + len(url) + len(encoded) - len(domain) <= LONGEST_URL


def _entities(text: str) -> Iterator[tuple[Span, int]]:
    """URLs and emoji in order, each with its weight. An emoji within a URL is part of the URL."""
    urls = find_urls(text)
    spans = [(span, URL_WEIGHT) for span in urls]
    if not text.isascii():
        spans += [(Span(*match.span()), 2) for match in _emoji().finditer(text)]
    position = 0
    for span, weight in sorted(spans):
        if span.start >= position:
            yield span, weight
            position = span.end


def _weight(character: str) -> int:
    code = ord(character)
    return 1 if any(first <= code <= last for first, last in LIGHT_RANGES) else 2


@cache
def _emoji() -> Any:
    """Emoji with all their parts: flags, keycaps, skin tones, variation selectors, tags, and what joiners glue together.

    Only what some standard sequence joins is glued: two faces with a joiner between them are two emoji to X.
    """
    import regex

    plain = r"[\p{Emoji}&&\p{Extended_Pictographic}]"
    toned = r"\p{Emoji_Modifier_Base}\p{Emoji_Modifier}"
    textual = r"[\p{Emoji}&&\p{Extended_Pictographic}--\p{Emoji_Presentation}]\ufe0f"
    tagged = r"\U0001f3f4[\U000e0030-\U000e007a]+\U000e007f"
    one = rf"(?:{tagged}|{toned}|{textual}|{plain})"
    joined = rf"(?:[{_JOINED_PEOPLE}]\p{{Emoji_Modifier}}?|[{_JOINED_THINGS}]\ufe0f?)"
    flag = r"\p{Regional_Indicator}{2}"
    keycap = r"[0-9#*]\ufe0f?\u20e3"
    return regex.compile(rf"{flag}|{keycap}|{one}(?:\u200d{joined})*", regex.V1)


@cache
def _top_level_domains() -> tuple[frozenset[str], tuple[str, ...]]:
    longest_first = sorted(_OTHER_SCRIPTS.split(), key=len, reverse=True)
    return frozenset(_ASCII.split()), tuple(longest_first)


# The top-level domains X links, from the root zone of 2020 that twitter-text 3 knows. A newer one is counted letter by letter.
_ASCII = """
ac ad ae af ag ai al am an ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc
cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi fj fk fm fo fr ga gb gd ge
gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn
kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc
ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk
sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tp tr tt tv tw tz ua ug uk um us uy uz va vc ve vg vi
vn vu wf ws ye yt za zm zw aaa aarp abarth abb abbott abbvie abc able abogado abudhabi academy accenture accountant
accountants aco active actor adac ads adult aeg aero aetna afamilycompany afl africa agakhan agency aig aigo airbus
airforce airtel akdn alfaromeo alibaba alipay allfinanz allstate ally alsace alstom americanexpress americanfamily amex
amfam amica amsterdam analytics android anquan anz aol apartments app apple aquarelle arab aramco archi army arpa art arte
asda asia associates athleta attorney auction audi audible audio auspost author auto autos avianca aws axa azure baby
baidu banamex bananarepublic band bank bar barcelona barclaycard barclays barefoot bargains baseball basketball bauhaus
bayern bbc bbt bbva bcg bcn beats beauty beer bentley berlin best bestbuy bet bharti bible bid bike bing bingo bio biz
black blackfriday blanco blockbuster blog bloomberg blue bms bmw bnl bnpparibas boats boehringer bofa bom bond boo book
booking boots bosch bostik boston bot boutique box bradesco bridgestone broadway broker brother brussels budapest bugatti
build builders business buy buzz bzh cab cafe cal call calvinklein cam camera camp cancerresearch canon capetown capital
capitalone car caravan cards care career careers cars cartier casa case caseih cash casino cat catering catholic cba cbn
cbre cbs ceb center ceo cern cfa cfd chanel channel charity chase chat cheap chintai chloe christmas chrome chrysler
church cipriani circle cisco citadel citi citic city cityeats claims cleaning click clinic clinique clothing cloud club
clubmed coach codes coffee college cologne com comcast commbank community company compare computer comsec condos
construction consulting contact contractors cooking cookingchannel cool coop corsica country coupon coupons courses cpa
credit creditcard creditunion cricket crown crs cruise cruises csc cuisinella cymru cyou dabur dad dance data date dating
datsun day dclk dds deal dealer deals degree delivery dell deloitte delta democrat dental dentist desi design dev dhl
diamonds diet digital direct directory discount discover dish diy dnp docs doctor dodge dog doha domains doosan dot
download drive dtv dubai duck dunlop duns dupont durban dvag dvr earth eat eco edeka edu education email emerck energy
engineer engineering enterprises epost epson equipment ericsson erni esq estate esurance etisalat eurovision eus events
everbank exchange expert exposed express extraspace fage fail fairwinds faith family fan fans farm farmers fashion fast
fedex feedback ferrari ferrero fiat fidelity fido film final finance financial fire firestone firmdale fish fishing fit
fitness flickr flights flir florist flowers flsmidth fly foo food foodnetwork football ford forex forsale forum foundation
fox free fresenius frl frogans frontdoor frontier ftr fujitsu fujixerox fun fund furniture futbol fyi gal gallery gallo
gallup game games gap garden gay gbiz gdn gea gent genting george ggee gift gifts gives giving glade glass gle global
globo gmail gmbh gmo gmx godaddy gold goldpoint golf goo goodhands goodyear goog google gop got gov grainger graphics
gratis green gripe grocery group guardian gucci guge guide guitars guru hair hamburg hangout haus hbo hdfc hdfcbank health
healthcare help helsinki here hermes hgtv hiphop hisamitsu hitachi hiv hkt hockey holdings holiday homedepot homegoods
homes homesense honda honeywell horse hospital host hosting hot hoteles hotels hotmail house how hsbc htc hughes hyatt
hyundai ibm icbc ice icu ieee ifm iinet ikano imamat imdb immo immobilien inc industries infiniti info ing ink institute
insurance insure int intel international intuit investments ipiranga irish iselect ismaili ist istanbul itau itv iveco iwc
jaguar java jcb jcp jeep jetzt jewelry jio jlc jll jmp jnj jobs joburg jot joy jpmorgan jprs juegos juniper kaufen kddi
kerryhotels kerrylogistics kerryproperties kfh kia kim kinder kindle kitchen kiwi koeln komatsu kosher kpmg kpn krd kred
kuokgroup kyoto lacaixa ladbrokes lamborghini lamer lancaster lancia lancome land landrover lanxess lasalle lat latino
latrobe law lawyer lds lease leclerc lefrak legal lego lexus lgbt liaison lidl life lifeinsurance lifestyle lighting like
lilly limited limo lincoln linde link lipsy live living lixil llc llp loan loans locker locus loft lol london lotte lotto
love lpl lplfinancial ltd ltda lundbeck lupin luxe luxury macys madrid maif maison makeup man management mango map market
marketing markets marriott marshalls maserati mattel mba mcd mcdonalds mckinsey med media meet melbourne meme memorial men
menu meo merckmsd metlife miami microsoft mil mini mint mit mitsubishi mlb mls mma mobi mobile mobily moda moe moi mom
monash money monster montblanc mopar mormon mortgage moscow moto motorcycles mov movie movistar msd mtn mtpc mtr museum
mutual mutuelle nab nadex nagoya name nationwide natura navy nba nec net netbank netflix network neustar new newholland
news next nextdirect nexus nfl ngo nhk nico nike nikon ninja nissan nissay nokia northwesternmutual norton now nowruz
nowtv nra nrw ntt nyc obi observer off office okinawa olayan olayangroup oldnavy ollo omega one ong onion onl online
onyourside ooo open oracle orange org organic orientexpress origins osaka otsuka ott ovh page pamperedchef panasonic
panerai paris pars partners parts party passagens pay pccw pet pfizer pharmacy phd philips phone photo photography photos
physio piaget pics pictet pictures pid pin ping pink pioneer pizza place play playstation plumbing plus pnc pohl poker
politie porn post pramerica praxi press prime pro prod productions prof progressive promo properties property protection
pru prudential pub pwc qpon quebec quest qvc racing radio raid read realestate realtor realty recipes red redstone
redumbrella rehab reise reisen reit reliance ren rent rentals repair report republican rest restaurant review reviews
rexroth rich richardli ricoh rightathome ril rio rip rmit rocher rocks rodeo rogers room rsvp rugby ruhr run rwe ryukyu
saarland safe safety sakura sale salon samsclub samsung sandvik sandvikcoromant sanofi sap sapo sarl sas save saxo sbi sbs
sca scb schaeffler schmidt scholarships school schule schwarz science scjohnson scor scot search seat secure security seek
select sener services ses seven sew sex sexy sfr shangrila sharp shaw shell shia shiksha shoes shop shopping shouji show
showtime shriram silk sina singles site ski skin sky skype sling smart smile sncf soccer social softbank software sohu
solar solutions song sony soy space spiegel sport spot spreadbetting srl srt stada staples star starhub statebank
statefarm statoil stc stcgroup stockholm storage store stream studio study style sucks supplies supply support surf
surgery suzuki swatch swiftcover swiss sydney symantec systems tab taipei talk taobao target tatamotors tatar tattoo tax
taxi tci tdk team tech technology tel telecity telefonica temasek tennis teva thd theater theatre tiaa tickets tienda
tiffany tips tires tirol tjmaxx tjx tkmaxx tmall today tokyo tools top toray toshiba total tours town toyota toys trade
trading training travel travelchannel travelers travelersinsurance trust trv tube tui tunes tushu tvs ubank ubs uconnect
unicom university uno uol ups vacations vana vanguard vegas ventures verisign versicherung vet viajes video vig viking
villas vin vip virgin visa vision vista vistaprint viva vivo vlaanderen vodka volkswagen volvo vote voting voto voyage
vuelos wales walmart walter wang wanggou warman watch watches weather weatherchannel webcam weber website wed wedding
weibo weir whoswho wien wiki williamhill win windows wine winners wme wolterskluwer woodside work works world wow wtc wtf
xbox xerox xfinity xihuan xin xperia xxx xyz yachts yahoo yamaxun yandex yodobashi yoga yokohama you youtube yun zappos
zara zero zip zippo zone zuerich
"""
_OTHER_SCRIPTS = """
vermögensberater vermögensberatung ελ ευ бг бел дети ею католик ком мкд мон москва онлайн орг рус рф сайт срб
укр қаз հայ קום ابوظبي اتصالات ارامكو الاردن البحرين الجزائر السعودية العليان المغرب امارات ایران بارت بازار
بيتك بھارت تونس سودان سورية شبكة عراق عرب عمان فلسطين قطر كاثوليك كوم مصر مليسيا موبايلي موريتانيا موقع همراه
پاکستان ڀارت कॉम नेट भारत भारतम् भारोत संगठन বাংলা ভারত ভাৰত ਭਾਰਤ ભારત ଭାରତ இந்தியா இலங்கை சிங்கப்பூர் భారత్
ಭಾರತ ഭാരതം ලංකා คอม ไทย ລາວ გე みんな クラウド グーグル コム ストア セール ファッション ポイント 世界 中信
中国 中國 中文网 企业 佛山 信息 健康 八卦 公司 公益 台湾 台灣 商城 商店 商标 嘉里 嘉里大酒店 在线 大众汽车
大拿 天主教 娱乐 家電 工行 广东 微博 慈善 我爱你 手机 手表 招聘 政务 政府 新加坡 新闻 时尚 書籍 机构 淡马锡
游戏 澳門 点看 珠宝 移动 组织机构 网址 网店 网站 网络 联通 诺基亚 谷歌 购物 通販 集团 電訊盈科 飞利浦 食品
餐厅 香格里拉 香港 닷넷 닷컴 삼성 한국
"""
