"""How the phrases of the safety screen are written, and those that turn an alarm aside.

Written for `words.normalise`: one phrase a line, capitals stand for the lists below.
A phrase begins at a word and ends at one. Harmless phrases are closed: each says by itself that
nobody is in danger, and none names wrists, pills or a plan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LISTS = {
    "END": r"(?= (?:\.|anymore|like this|now|already|soon|tonight|today|forever|rn|so bad|but))",
    "WANT": r"(?:want|wants|wanted|wanting|wish|wishes|wishing|deserve|deserves|decided|plan|plans"
    r"|planning|hope|hopes|hoping|pray|prays|praying|try|tries|trying|tried|beg|begging|tempted|"
    r"ready|prefer|wait|waiting|desperate|would like|longing|intend|intending|love|i need|"
    r"i have|meant|supposed|easier)",
    "SOON": r"(?:want to|wants to|wanted to|going to|ready to|need to|about to|trying to|tried to|"
    r"tempted to|urge to|urges to|plan to|planning to|decided to|might|will|could|should i|almost|"
    r"thinking of|thinking about|think of|think about|thought about|thought of|feel like|let me|"
    r"planning on|afraid i will)",
    "IFI": r"(?:if|when|once) i (?:died|die|disappeared|disappear|vanished|kill myself|killed "
    r"myself|jumped|(?:was|were|am) (?:to die|dead|gone|never born|not (?:here|around|alive)))",
    "MED": r"(?:pills?|tablets?|meds|medications?|medicine|tylenol|paracetamol|ibuprofen|advil|"
    r"aspirin|xanax|xans?|valium|antidepressants|painkillers|oxys?|oxycodone|fentanyl|ativan|"
    r"benadryl|insulin|prozac|zoloft|lithium|ambien|klonopin|benzos|sleeping aids|opioids)",
    "HURT": r"(?:kill|killing|killed|kills|hang|hanging|hanged|hung|shoot|shooting|shot|drown|"
    r"drowning|drowned|poison|poisoning|poisoned|unalive|off|offing|end|ending|harm|harming|harmed"
    r"|hurt|hurts|hurting|cut|cuts|cutting|burn|burns|burning|burned|burnt|stab|stabbing|slit|"
    r"starve|starving|injure|injuring|suffocate|strangle|punish|punishing|hit|hitting|scratch|"
    r"scratching|bite|biting|delete|erase|neck|rope|murder|gut|electrocute|mutilate|mutilating)",
    "THEM": r"(?:himself|herself|themself|themselves)",
    "HER": r"(?:his|her|their)",
    "PLACE": r"(?! (?:in|at|near|by|off|on|under|longer|here in|forever|until|paycheck|"
    r"with (?:my|her|him|them|a|roommates)|next|alone|there|far|together|room|out|up)\b)",
    "CHILD": r"(?:child|children|kids?|minors?|toddlers?|bab(?:y|ies)|underage|(?:little|young) "
    r"(?:girls?|boys?)|(?:[1-9]|1[0-7]) (?:year|yr|years))",
}
_DIE = (
    r"(?:be dead|be no more|not exist|not be alive|(?:not|never) wake up|cease to exist|"
    r"stop (?:existing|living|being alive)|(?:disappear|vanish|be gone|fall asleep) forever|"
    r"(?:disappear|vanish)END|sleep (?:and|to) (?:never|not)|be hit by|die"
    r"(?! (?:of (?!pain|sadness|an |this|cold)|laughing|(?:my|her|his|their|your|it|our) |hard|"
    r"on th(?:is|at|e) (?:hill|spot|inside)|happy|rich|old|album|by biggie|"
    r"than (?:eat|wear|watch|drink|listen|use|buy|admit|miss|pay))))"
)
_LISTS = {"DIE": _DIE, **_LISTS}


@dataclass(frozen=True, slots=True)
class Family:
    """Phrases that share stems; without a stem in the message they are not looked for."""

    stems: tuple[str, ...]
    phrases: re.Pattern[str]


def phrases(lines: str) -> re.Pattern[str]:
    """One expression of many phrases; a line that ends in a backslash goes on in the next."""
    whole = re.sub(r"\\\n *", "", lines.strip())
    text = "|".join(line.strip() for line in whole.splitlines())
    for name, choices in _LISTS.items():
        text = re.sub(rf"{name}(?![A-Z])", choices.replace("\\", r"\\"), text)
    return re.compile(f" (?:{text})(?= )")


def family(stems: str, lines: str) -> Family:
    """A family of phrases; stems are beginnings of words, divided by commas."""
    return Family(tuple(f" {stem.strip()}" for stem in stems.split(",")), phrases(lines))


# Each says of itself that nobody is in danger; taken out before the families are looked for.
HARMLESS = phrases(
    r"""
    suicide (?:squads?|rates?|prevention|awareness|bomb[a-z]*|attack[a-z]*|missions?|drills?|\
      doors?|silence|girls|vests?|squeeze|statistics|is painless)
    (?:career|political|social|financial|commercial|fashion|professional|electoral|\
      economic) suicide
    mass suicides?(?= (?:at|in))|virgin suicides|suicidal tendencies|(?:run|running|ran|doing|\
      did) suicides
    overdos(?:e|ed|ing) (?:of|on) (?:cuteness|sugar|caffeine|coffee|chocolate|cake|pizza|netflix|\
      tv|carbs|cheese|christmas|nostalgia|anime|memes|candy|sushi|vitamins?)
    overdose (?:deaths|crisis|epidemic|statistics|awareness|rates)
    (?:suicide|suicides|self harm|overdoses?)(?: (?:is|was|a|the|in|of|my|topic|about|and|for|\
      our|theme|psychology|history)){0,8} (?:class|essay|lecture|documentary|article|thesis|news|\
      course|homework|assignment)
    (?:class|essay|lecture|documentary|article|thesis|book|novel|film|movie|song|\
      course)(?: (?:is|was|on|about|the)){1,3} (?:suicide|self harm|overdoses?)(?= \.)
    \. (?:no )?i am not suicidal(?= \.)
    \. (?:no )?i (?:would|will|could) never (?:ever )?(?:hurt|harm|cut) myself(?= \.)
    cross my heart and hope to die|ready to die (?:album|by)
    """
)
# An accident or an idiom of one's own body; does not hold where a message says it was meant.
ACCIDENT = phrases(
    r"""
    (?:cut|burned|burnt|burn|hurt|hit|stabbed|nicked|sliced|injured|scratched|poked|\
      poisoned) (?:myself|himself|herself|themselves|my (?:arms?|legs?|stomach|hips?)|(?:his|\
      her) arm)(?: (?:while|when i was|again|so badly|a bit|a little|pretty))* (?:shaving|\
      cooking|chopping|slicing|making|playing|running|lifting|opening|skiing|skating|climbing|\
      dancing|gardening|baking|at the (?:gym|playground|beach)|\
      on (?:a|the|some|my|that|hot|broken|boiling| )*(?:paper|glass|oven|stove|pan|iron|\
      coffee|tea|fork|can|tin|grill|kettle|toaster|soup|sun))
    killed THEM laughing
    (?:fall|fell|falling|trip|tripped|slip|slipped)(?: [a-z]+){0,3}? and (?:hurt|injure|cut) myself
    """
)
# Said with laughter these are figures of speech.
FIGURES = phrases(
    "(?:please |someone |somebody |so |going to ){0,3}kill me|hate my life|"
    "i am (?:going|about) to die"
)
ON_PURPOSE = re.compile(
    r" (?:on purpose|deliberately|intentionally|urges?|self harm|want to|keep|deserve)(?= )"
)
LOSS = phrases(
    r"""
    (?<! almost )(?<! nearly )(?:killed|hung|hanged|shot|drowned|poisoned) THEM
    (?:committed|died by|died of|dead by|dead from|death by|gone by) suicide|\
      lost(?: [a-z]+){1,4} to suicide
    s suicide(?! (?:note|attempt|plan))|(?:took|taken) HER own (?:life|lives)
    (?:died|dead|passed) (?:of|from|after) an overdose|overdosed and (?:died|passed)
    """
)
NOT_YET = re.compile(
    r" (?:tried|trying|almost|nearly|attempted|threatens?|threatening|threatened|wants?|going|"
    r"might|says|survived)(?= )"
)
FICTION = re.compile(
    r" (?:movies?|films?|book|novel|episode|season|series|characters?|anime|the show|documentary|"
    r"history|chapter|lyrics|opera|romeo|juliet|hamlet|bunker|the end|singer|actor|president|"
    r"manga|plot|scene)(?= )"
)
# What is told of a real person, also where a film is spoken of.
REAL = re.compile(r" (?:me|us|help|worried|scared|right now|what to do|tonight)(?= )")

SELF_WORDS = frozenset({"i", "me", "myself", "my"})
ANOTHERS_WORDS = frozenset(
    {"he", "she", "his", "her", "their", "himself", "herself", "themself", "themselves"}
)
THIRD_WORDS = frozenset(
    {"he", "she", "they", "him", "her", "them", "someone", "somebody", "guy", "girl"}
)
# fmt: off
KIN_WORDS = frozenset({
    "friend", "friends", "bestie", "mate", "brother", "bro", "sister", "sis", "mom", "mum",
    "mother", "dad", "father", "parents", "son", "daughter", "kid", "child", "wife", "husband",
    "partner", "boyfriend", "girlfriend", "bf", "gf", "ex", "fiance", "cousin", "uncle", "aunt",
    "nephew", "niece", "grandma", "grandpa", "roommate", "flatmate", "classmate", "coworker",
    "colleague", "teacher", "student", "neighbor", "neighbour", "patient", "client", "stepdad",
    "stepmom", "stepbrother", "stepsister",
})
# fmt: on

SELF_THREAT = re.compile(
    r" (?:\. (?:go )?kill yourself|(?:go|should|please|hope you|would you|and) kill yourself|kys|"
    r"you to kill yourself|go die)(?= )"
)
ABUSE = phrases(
    r"""
    i (?:am going to|will|am|want to|am about to|plan to|might) (?:kill|rape|murder|stab|\
      strangle|shoot|poison) (?:you|him|her|them|my (?:wife|husband|girlfriend|boyfriend|kids?|\
      child|children|mother|mom|mum|father|dad|boss|ex|neighbou?r|teacher|coworkers?|classmates|\
      family|roommate|parents))(?! (?:an? |the |some |with kindness|at |in (?:the )?(?:game|\
      chess|fifa|round)|later))
    i (?:am going to|will|want to) (?:hurt|beat|hit(?! \w+ up)) (?:my (?:wife|husband|girlfriend|\
      boyfriend|kids?|child|children|mother|mom|mum|father|dad|ex)|(?:you|him|\
      her|them) (?:up|to death|senseless|bad|badly|tonight))(?! (?:at|in|to the|feelings))
    i (?:am going to|will|want to) hurt (?:you|him|her|them)(?= (?:\.|so|like|for|real))
    (?:shoot up|bomb|blow up) (?:my|the|a|this) (?:school|office|church|mosque|synagogue|\
      workplace|mall|university|hospital)
    how (?:to|do i|can i|do you|would i) (?:make|build|construct|assemble)(?: (?:a|an|my own|\
      some|home ?made))* (?:pipe bombs?|bombs?|explosives?|guns?|molotov[a-z]*|grenades?|\
      nerve gas|silencers?|weapons?|ghost guns?)(?! (?:in (?:minecraft|roblox|fortnite|lego|\
      blender|unity)|out of (?:lego|paper|cardboard)))
    (?:sex|sexual|porn|nudes?|erotic[a-z]*|explicit|hentai|sexy|naked)(?: (?:pics?|pictures?|\
      photos?|videos?|stor(?:y|ies)|images?|roleplay|acts?|things|stuff|relations))? (?:with|of|\
      about|involving|between) (?:(?:a|an|the|my|some|young|little) )*CHILD(?! (?:or older|books))
    (?:child|kiddie|underage|preteen|toddler|loli) (?:porn|nudes?|sex|hentai|\
      erotica)(?! (?:education|abuse|trafficking|offenders?))
    sexually attracted to (?:(?:a|the|my|young|little) )*CHILD
    """
)
REPORTED = re.compile(
    r" (?:arrested|charged|convicted|guilty|caught|jailed?|prison|police|news)(?= )"
)
