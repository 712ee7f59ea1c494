"""Mends slips of the finger in the words that the rules look for; every other word is left alone.

One letter too few, too many, wrong or swapped, against a list of the rules' own words (deletion
neighbourhoods: Garbe's SymSpell, 2012). A word of everyday English that stands so near to one of
them ("alike" to "alive") is written down here and stays what it is.
"""

from __future__ import annotations

from functools import lru_cache

_SHORTEST = 4  # letters; shorter words have too many neighbours

_MEANT_WORDS = """
again alive alone already always antidepressants anymore anyone attempt because being better blade
bleed bleeding born breathe breathing bridge burden cant could cutting dead death depressed
deserve didnt disappear doesnt dont dying ending enough every everybody everyone everything exist
existing family feel feeling fifteen finally forever fourteen friend going gone gonna goodbye
grade hanging happier happy hate have heaven herself himself honestly hopeless human hurt hurting
idea ignore instructions isnt jump jumping just keep killed killing knife leave life live living
longer make matter medicine morning myself need never nobody notes nothing overdose overdosed
overdosing painful painkillers painless parents people permanently pills planned please pointless
pretend previous prompt purpose razor ready really reason relapse relapsed reveal roof rules
school selfharm seventeen should sixteen sleep someone stop stopped suffering suicidal suicide
suicides swallow swallowed system tablets tell themselves there they thing think thinking thirteen
thought thoughts throat tired today tomorrow tonight tried trying vanish wake waking wanna want
wanted wants wasnt without wont world worth worthless would wrists write wrong years young
"""
_REAL_WORDS = """
agains aging aint aired alice alien alike allie aloe along alway anna ant ants asking asleep ate
attempts aunt ave avery awake bake baking banging barn batter bears beater beep beings bell
bending bette billed bills bing bitter blades blake blame bland blaze bleach bleeds blend blending
bling bon bond bone bong bono bora borden bore borne bought brady breath breathed breather breaths
breed bridal bride brides bridged bridges bridget bridle bridles bring brite bump bumping burn
burt bust butter cain cake can cane cans capt cart cast cat cate cats cave cell cent changing
chant chat clive clone coat cold cone corn couldn cried crying curt dad darth date dave deaf deal
dealt dean dear dearth deaths deceive dede deed deep deja dent depth depths deserved deserves didn
died ding dint disappears dive diving doesn doing don done donna dot dots down dread dump durden
dust dye dyed dyeing dyes ears endings ever everly everyones ewing exciting exists exit exiting
exits expressed eyed fairly fake faking fate fatter fave fears fee feed feeding feelings feels
fees feet fell felt fever filled filling fills fired five font forth fridge fried friends frying
fuel gabled gain ganna garde gate gave gears gene gills give giving goes gon gong gonk goof gore
gown grace grad grader grades grain grand grande grape grave gump handing hanged hanger hanna
happen happens hart hasnt hast hat hated hater hates hats hatter haute haven haze head hears heath
heavens heel heist hell here hey hills hint hinting hippy hired hive homeless honesty horn huey
humans humanz hump hunger hunt hunting hur hurl hurling hurts hut hutt ideal ideas ignored ikea
int irving isn itll ive jake jeep jive jorn jules jumpers jumps jumpy jut kate keen keeps kemp
kept killer killings kills knives korn kurt lake late latter lead leaves leone letter lever lice
lie lied lies lifes lift like liking lile lime line lining lint lite lived liver lives livid lone
loner love lovers loving lump lust lying mace mack made mae maker makes making male malone mane
mark mask master mate mater matters maze mike mills mint mornings mourning must naive nate ned
needs needy nell nerd neve newer none north noses note noted noting notre oates olive olives one
overdone panned pant pants parent peel peep peoples piles pilis pill planner planted pleased polls
porn precious pretends proof propose pulls pump pumping purposes putting rake rally randy ranging
rant rate rave read reads reasons reed reel relay release released reserve reserved reveals ridge
ringing rite roles rolls romo room root rule ruled ruler rump rust sake sappy save schools sears
season seed seep sell sending sent setter sexist shallow sharking shave sheep shere shop shouldn
shrill skilled slave sleek sleeps sleepy sleet slept sloop soap someones sought soup spanned steep
step stepped sting stink stomp stomped stopper stops suicidally swallower sweep systems tabled
tables take taking tall tate taught teal tears tells thang thank thay the thee their them theme
then theo theres these thet theyd theyre thick thigh thin things thinks tho thong though threat
three throes throne thrown thru thry thy tied till timed tire tires tiring toll tone top topped
torn trade tread trend trey tribe tries trite tull turing twists tying ump vending very votes wack
wade wage waist wait waited waits wakes walk walking walt wan wand wanda wands wang ware warn
warned wasn waste wasted watt watts wave waving wears weave weed well went werth what whats where
white wife willful willing wired woke won wong woof word words worlds worn worst worthy wouldn
wound wrath wrist writer writes wrote yeahs year yeas yell yung zone
"""
_MEANT = frozenset(_MEANT_WORDS.split())
_REAL = frozenset(_REAL_WORDS.split())
_LONGEST = max(map(len, _MEANT)) + 1  # letters; a longer word is near to none of them


def _shorter(word: str) -> list[tuple[str, int]]:
    """The word without one of its letters, and which."""
    return [(word[:place] + word[place + 1 :], place) for place in range(len(word))]


def _neighbours() -> dict[str, list[tuple[str, int]]]:
    """What a word of the rules is without a letter, the word, and where the letter was."""
    found: dict[str, list[tuple[str, int]]] = {}
    for word in sorted(_MEANT):
        for short, place in _shorter(word):
            found.setdefault(short, []).append((word, place))
    return found


_NEAR = _neighbours()


def mended(word: str) -> str:
    """The word of the rules that is meant, or the word as it is; lower-case letters only.

    One of thousands of letters is neither searched for, which takes their square, nor remembered.
    """
    return _mended(word) if _SHORTEST - 1 <= len(word) <= _LONGEST else word


@lru_cache(maxsize=16_384)
def _mended(word: str) -> str:
    if word in _MEANT or word in _REAL:
        return word
    if word in _NEAR:  # a letter is missing
        return _NEAR[word][0][0] if len(word) >= _SHORTEST - 1 else word
    if len(word) < _SHORTEST:
        return word
    for short, place in _shorter(word):
        if short in _MEANT and len(short) >= _SHORTEST:  # a letter too many
            return short
        for meant, there in _NEAR.get(short, ()):
            if abs(place - there) <= 1:  # a wrong letter, or two neighbours swapped
                return meant
    return word
