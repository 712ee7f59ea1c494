"""Brings a message into the one spelling that the rules of `safety` are written in.

Lower case, no accents, contractions spelt out, fillers left out, sentence marks as " . ":
"I just wanna d1e!!" becomes " . i want to die . ".
"""

from __future__ import annotations

import re
import unicodedata

from app.dialog.safety.spelling import mended

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u00b4": "'"})
_LAUGHTER = re.compile("[\U0001f602\U0001f923\U0001f480\U0001f605\U0001f606]|\\b(?:a?ha){2,}h?\\b")
_REPEATED = re.compile(r"([a-z])\1{2,}")
_THREE = tuple(3 * chr(letter) for letter in range(ord("a"), ord("z") + 1))
_COUNTED = re.compile(r"[0-9]+[a-z]*")  # "14", "14yo"; "1gn0re" is a word in disguise
_TOKEN = re.compile(r"[a-z0-9$](?:[a-z0-9'*$@]*[a-z0-9])?|\.\.+|[.!?;]")
_SPELLED = re.compile(r"(?<![a-z0-9])(?:[a-z][ ._-]){3,40}[a-z](?![a-z0-9])")  # "k i l l"
# A character may stand for eighteen; a letter with its marks for three. So much is read of a
# message of nothing but such ones, which nobody writes: it costs little more than any other.
_EXPANDED, _EXPANDED_MORE = 3, 400
_SENTENCE_ENDS = re.compile(r"(?: \.){2,} ")
_LEET = str.maketrans("013457$@", "oieastsa")
_ENDINGS = {"m": " am", "re": " are", "ve": " have", "d": " would", "ll": " will", "s": " s"}

# What is written on the left is meant by each word on the right.
_SPELLINGS = """
i am: im iam i'm
i have: ive
i would: id
i will: ill i'll
i do not know: idk
he is: hes he's
she is: shes she's
they are: theyre
it is: its it's
that is: thats that's
there is: theres there's
what is: whats what's wats
who is: who's
life is: life's lifes
world is: world's
let us: let's lets
you are: youre ur
you: u ya
are: r
to: 2 too
for: 4
and: n nd
because: bc bcuz cuz cus coz
about: abt bout
with: w
tomorrow: tmrw tmr tomorow tommorow tommorrow
tonight: tn tonite 2nite tonigt
anymore: anymor anymre nomore animore
nobody: noone no-one nobdy
want to: wanna wana wannna wnna wantto
want: wnat watn wnt wan
wants to: wantsto
going to: gonna gona gunna gon finna gna
about to: boutta bouta
trying to: tryna tryina
have to: gotta hafta
do not: dont dnt dun donot dont'
did not: didnt
does not: doesnt dosent doesent
can not: cant cannot cnt carnt can't
will not: wont won't
would not: wouldnt
should not: shouldnt
could not: couldnt
is not: isnt
was not: wasnt
are not: arent aint ain't
have not: havent
has not: hasnt
had not: hadnt
myself: myslef mysefl myslf mself mysself myelf myselg meself myseld miself mysel mysalf
himself: himslef hisself himselv
herself: herslef hersefl
themselves: themselfs theirselves themslves
kill: kil kll kiil k*ll kiill klil ki*l k!ll kilk
killing: kiling killin k*lling killng kling
killed: kiled k*lled
kill myself: killmyself kmself
bottle: bottel bottl
die: dei d*e diee dy dieee dei*
dying: dieing diying dyin
dead: ded d*ad deaad
death: deth deaht
suicide: suiside sucide suicde suicie sucied suacide s*icide su*cide su**ide suicid suiced suside
suicide: sewerslide sewercide soosiside suicice suecide suiccide siucide suicude sucicide
suicidal: sucidal suicidel suisidal suicdal sucidel suicidial suacidal suicidle siucidal sui*idal
unalive: unliving unlive unalived unaliving unaliv
self harm: selfharm selfharming selfharmed
overdose: overdoze ovedose overdos
overdosed: overdozed overdoesd
cutting: cuting cuttin
hurt: hert hrut
hurting: hurtin herting
wrists: wrsits rists writs
pills: pils piils pillz
life: lif lfe
living: liveing livin
alive: aliv
all: al
still alive: stillalive
will: wil
friend: freind frend frnd
worthless: worthles wortless
goodbye: goodby gudbye
the: teh hte
have: hve hav
that: taht
with: wiht wtih
not: nto
said: siad
i want: iwant
i want to: iwanna iwana
i do not: idont idnt
i just: ijust ijus
i keep: ikeep
i can not: icant
i am going: imgoing imgonna
going to: goingto gointo
want to die: wannadie wanadie wan2die
end it: endit
world: wrld wrold wurld
to: ot
be: b bee
hate: h8
forever: 4ever 4eva
wish: wsh wsih
took: tok tuk
like: liek lik
last: lst
take: tkae taek
point: piont ponit
purpose: porpuse
i am: imm
suicide: sewside soocide sucidee suicidee sooside sueside
been: bin
see: c
why: y
anymore: anymoar
life: lief lyfe
everyone: every1 evry1 evryone evrybody
nobody: no1
tomorrow: 2mrw 2moro tmoro
without: wo witout wihout wthout
lol: lmao lmfao rofl lolol lul xd jk hehe haha lmaoo loll
"""
_FILLERS = """
just really rly realy literally literaly honestly actually seriously lowkey highkey kinda totally
basically even still maybe probably already simply truly tbh ngl fr fucking fuckin fkn fking effing
freaking freakin bloody goddamn damn ever f*cking fcking constantly currently finally genuinely
desperately rlly badly quite gotten
"""
_WORDS = {
    spelt: meant
    for meant, _, spellings in (line.partition(": ") for line in _SPELLINGS.strip().splitlines())
    for spelt in spellings.split()
} | dict.fromkeys(_FILLERS.split(), "")
_JOINED = (
    ("want too ", "want to "),
    ("better of without ", "better off without "),
    ("an never ", "and never "),
    ("hop i ", "hope i "),
    ("going too ", "going to "),
    ("to dye so ", "to die so "),
    ("i dye ", "i die "),
    ("any more ", "anymore "),
    ("no one ", "nobody "),
    ("my self ", "myself "),
    ("him self ", "himself "),
    ("her self ", "herself "),
)


def normalise(message: str) -> str:
    """The message in words divided by single spaces; " . " at both ends and between sentences."""
    text = message.casefold()
    if not text.isascii():
        text = _LAUGHTER.sub(" lol ", text.translate(_APOSTROPHES))
        most = _EXPANDED * len(message) + _EXPANDED_MORE
        text = unicodedata.normalize("NFKD", text)[:most]
        text = "".join(c for c in text if not unicodedata.combining(c)).casefold()
    elif "haha" in text:
        text = _LAUGHTER.sub(" lol ", text)
    text = text.replace("`", "'").replace("k!ll", "kill")
    text = _SPELLED.sub(lambda spelled: re.sub(r"[ ._-]", "", spelled[0]), text)
    if any(letters in text for letters in _THREE):
        text = _REPEATED.sub(r"\1", text)
    words = [
        meant for token in _TOKEN.findall(text) if (meant := _WORDS.get(token) or _word(token))
    ]
    plain = _SENTENCE_ENDS.sub(" . ", f" {' '.join(['.', *words, '.'])} ")
    for apart, joined in _JOINED:
        plain = plain.replace(apart, joined)
    return plain


def _word(token: str) -> str:
    meant = _WORDS.get(token)
    if meant is not None:
        return meant
    if token.isalpha():
        right = mended(token)
        return right if right is token else _WORDS.get(right, right)
    if token[0] in ".!?;":
        return "." if len(token) == 1 else ""  # three dots are a pause, not an end
    if "'" in token:
        return _contraction(token)
    if token[0].isdigit() and _COUNTED.fullmatch(token):
        return token
    plain = token.translate(_LEET)
    return _WORDS.get(plain, plain)


def _contraction(token: str) -> str:
    whole = _WORDS.get(token.replace("'", ""))
    if whole is not None:
        return whole
    if token.endswith("n't"):
        return f"{token[:-3]} not"
    head, _, ending = token.rpartition("'")
    return head + _ENDINGS[ending] if ending in _ENDINGS else token.replace("'", "")
