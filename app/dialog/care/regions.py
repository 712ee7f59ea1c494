"""Where people find help: emergency numbers and crisis lines by country.

In the code rather than in a file, so that nothing has to be read for it. A country whose crisis
line is not known for certain has its emergency number alone; the texts always name
findahelpline.com, too. Numbers change: `CHECKED` says when the table was last gone through, and
docs/safety.md how.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CHECKED = "2026-11"


@dataclass(frozen=True, slots=True)
class Region:
    """One country: its name as it stands after "in", and what to call there.

    `lines` and `young` (for people under 18) are clauses that follow "In Ireland, "; empty where
    none is known for certain.
    """

    name: str
    emergency: str
    lines: str = ""
    young: str = ""


_HARMONISED = "young people can call 116 111"  # of the EU's harmonised numbers of social value

REGIONS: dict[str, Region] = {
    # North and South America
    "US": Region(
        "the US",
        "911",
        "you can call or text 988",
        "988 is for young people as well, and you can text HOME to 741741",
    ),
    "CA": Region(
        "Canada",
        "911",
        "you can call or text 988",
        "Kids Help Phone is on 1-800-668-6868, or text 686868",
    ),
    "MX": Region("Mexico", "911", "Línea de la Vida is on 800 911 2000"),
    "BR": Region("Brazil", "192", "CVV is on 188"),
    "AR": Region("Argentina", "911", "the mental health line is on 0800 999 0091"),
    "CL": Region("Chile", "131", "you can call *4141"),
    "PE": Region("Peru", "106", "you can call 113 and choose option 5"),
    "UY": Region("Uruguay", "911", "Línea Vida is on 0800 0767"),
    "CO": Region("Colombia", "123"),
    # Great Britain, Ireland, Australia, New Zealand
    "GB": Region(
        "the UK",
        "999",
        "Samaritans are on 116 123, and you can text SHOUT to 85258",
        "Childline is on 0800 1111",
    ),
    "IE": Region(
        "Ireland", "112 or 999", "Samaritans are on 116 123", "Childline is on 1800 66 66 66"
    ),
    "AU": Region("Australia", "000", "Lifeline is on 13 11 14", "Kids Helpline is on 1800 55 1800"),
    "NZ": Region("New Zealand", "111", "you can call or text 1737", "Youthline is on 0800 376 633"),
    # Europe
    "DE": Region(
        "Germany",
        "112",
        "TelefonSeelsorge is on 0800 111 0 111",
        "Nummer gegen Kummer is on 116 111",
    ),
    "AT": Region("Austria", "112 or 144", "TelefonSeelsorge is on 142", "Rat auf Draht is on 147"),
    "CH": Region(
        "Switzerland", "112 or 144", "Die Dargebotene Hand is on 143", "Pro Juventute is on 147"
    ),
    "LI": Region("Liechtenstein", "112", "Die Dargebotene Hand is on 143"),
    "FR": Region(
        "France", "112 or 15", "you can call 3114", "Fil Santé Jeunes is on 0 800 235 236"
    ),
    "BE": Region(
        "Belgium",
        "112",
        "Zelfmoordlijn is on 1813, and Centre de Prévention du Suicide on 0800 32 123",
        "Awel is on 102, and Écoute-Enfants on 103",
    ),
    "NL": Region(
        "the Netherlands",
        "112",
        "113 Zelfmoordpreventie is on 113 or 0800 0113",
        "De Kindertelefoon is on 0800 0432",
    ),
    "LU": Region("Luxembourg", "112", "SOS Détresse is on 45 45 45", _HARMONISED),
    "ES": Region("Spain", "112", "you can call 024", "ANAR is on 900 20 20 10"),
    "PT": Region("Portugal", "112", "SNS 24 is on 808 24 24 24", _HARMONISED),
    "IT": Region(
        "Italy", "112", "Telefono Amico is on 02 2327 2327", "Telefono Azzurro is on 19696"
    ),
    "MT": Region("Malta", "112", "the support line is on 179"),
    "GR": Region("Greece", "112", "Klimaka is on 1018", _HARMONISED),
    "CY": Region("Cyprus", "112", "", _HARMONISED),
    "SE": Region("Sweden", "112", "Mind Självmordslinjen is on 90101", "Bris is on 116 111"),
    "NO": Region("Norway", "113", "Mental Helse is on 116 123", _HARMONISED),
    "DK": Region("Denmark", "112", "Livslinien is on 70 201 201", "BørneTelefonen is on 116 111"),
    "FI": Region("Finland", "112", "the MIELI crisis line is on 09 2525 0111", _HARMONISED),
    "IS": Region("Iceland", "112", "the Red Cross is on 1717"),
    "PL": Region("Poland", "112", "Centrum Wsparcia is on 800 70 2222", _HARMONISED),
    "CZ": Region("Czechia", "112", "you can call 116 123", "Linka bezpečí is on 116 111"),
    "SK": Region("Slovakia", "112", "", _HARMONISED),
    "HU": Region("Hungary", "112", "you can call 116 123", "Kék Vonal is on 116 111"),
    "SI": Region("Slovenia", "112", "you can call 116 123", "TOM is on 116 111"),
    "HR": Region("Croatia", "112", "", _HARMONISED),
    "RO": Region("Romania", "112"),
    "BG": Region("Bulgaria", "112", "", _HARMONISED),
    "EE": Region("Estonia", "112", "", _HARMONISED),
    "LV": Region("Latvia", "112", "Skalbes is on 116 123", _HARMONISED),
    "LT": Region("Lithuania", "112", "Vilties linija is on 116 123", _HARMONISED),
    "UA": Region("Ukraine", "112", "Lifeline Ukraine is on 7333"),
    "TR": Region("Türkiye", "112"),
    # Asia
    "JP": Region(
        "Japan", "119", "Yorisoi Hotline is on 0120-279-338", "Childline is on 0120-99-7777"
    ),
    "KR": Region("South Korea", "119", "you can call 109", "the youth line is on 1388"),
    "CN": Region("China", "120", "you can call 12356"),
    "TW": Region("Taiwan", "119", "you can call 1925"),
    "HK": Region("Hong Kong", "999", "Samaritans are on 2896 0000, and the support line on 18111"),
    "SG": Region("Singapore", "995", "SOS is on 1767", "Tinkle Friend is on 1800 2744 788"),
    "MY": Region("Malaysia", "999", "Befrienders are on 03-7627 2929"),
    "PH": Region("the Philippines", "911", "the NCMH crisis hotline is on 1553"),
    "IN": Region("India", "112", "Tele-MANAS is on 14416", "Childline is on 1098"),
    "LK": Region("Sri Lanka", "1990", "you can call 1926"),
    "NP": Region("Nepal", "102", "you can call 1166"),
    "BD": Region("Bangladesh", "999"),
    "PK": Region("Pakistan", "1122"),
    "TH": Region("Thailand", "1669", "you can call 1323"),
    "ID": Region("Indonesia", "112"),
    "VN": Region("Vietnam", "115", "", "you can call 111"),
    # Middle East and Africa
    "IL": Region("Israel", "101", "ERAN is on 1201"),
    "ZA": Region(
        "South Africa",
        "112",
        "the suicide crisis helpline is on 0800 567 567",
        "Childline is on 116",
    ),
    "KE": Region("Kenya", "999 or 112", "Befrienders are on 0722 178 177", "Childline is on 116"),
    "NG": Region("Nigeria", "112"),
}
_ALIASES = {"UK": "GB"}  # what people write for what ISO 3166 calls GB

_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_]([A-Za-z]{2})(?![A-Za-z0-9])")
_HEADER_MAX = 200  # characters of Accept-Language that are read


def region_of(locale: str | None, accept_language: str | None) -> str:
    """The ISO 3166 code of the country that a client names, where the table has it; else "".

    `locale` is a BCP 47 tag ("en-GB", "zh-Hant-TW"); without it, the most wanted tag of
    `Accept-Language` that names a country counts. A language alone names none: whoever reads
    Spanish may live anywhere.
    """
    if locale:
        return _country(locale)
    return next(filter(None, map(_country, _wanted(accept_language or ""))), "")


def _country(tag: str) -> str:
    found = _TAG.match(tag.strip())
    code = found[1].upper() if found else ""
    code = _ALIASES.get(code, code)
    return code if code in REGIONS else ""


def _wanted(header: str) -> Iterator[str]:
    """The tags of an Accept-Language header, the most wanted first (RFC 9110, 12.5.4)."""
    ranked = []
    for place, item in enumerate(header[:_HEADER_MAX].split(",")):
        tag, _, quality = item.partition(";")
        ranked.append((-_quality(quality), place, tag))
    return (tag for negative, _, tag in sorted(ranked) if negative < 0)


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 1.0
