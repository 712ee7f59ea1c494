"""Abuse by rules: insults, threats, hatred, sexual demands, and help wanted with a crime.

What is told of others ("he called me that"), asked for a story, or laughed about is none.
"""

from __future__ import annotations

import re

from app.dialog.safety.families import Family, family

_NAMES = {
    "ISAN": r"(?:are|r|is)(?: (?:a|an|the|such|so|nothing but|only|absolute|complete|total|utter|"
    r"little|big|bunch of|as|very|too|all|like|most|always))*",
    "INSULT": r"(?:idiots?|morons?|imbeciles?|retards?|retarded|bitch|cunts?|twat|wanker|tosser|"
    r"asshole|arsehole|dickhead|prick|bastard|scum|scumbag|trash|garbage|filth|vermin|whores?|"
    r"sluts?|douche|dumbass|jackass|fuckface|shithead|bellend|dipshit|dumbest|worthless|useless|"
    r"pathetic|disgusting|brainless|stupid|dumb|subhuman|piece of (?:shit|crap|junk|trash|"
    r"garbage)|waste of (?:space|time and|electricity|oxygen|air|skin|code|metal))",
    "NOUN": r"(?:idiots?|morons?|imbecile|retard|bitch|cunt|twat|wanker|tosser|asshole|arsehole|"
    r"dickhead|prick|bastard|scum|scumbag|whore|slut|dumbass|jackass|shithead|bellend|dipshit|"
    r"piece of (?:shit|crap|trash|garbage)|worm)",
    "BOT": r"(?:bot|robot|machine|program|computer|ai|chatbot|app|thing|toaster|software|code)",
    "GROUP": r"(?:jews?|muslims?|blacks?|(?:black|brown|white|asian|gay|trans|disabled|fat|jewish|"
    r"indian|mexican) (?:people|men|women|folks?|guys)|gays?|lesbians|women|immigrants?|refugees?|"
    r"mexicans?|indians?|asians?|arabs?|gypsies|foreigners|homos?|faggots?|fags?|trannies|"
    r"transgenders|christians|infidels|cripples|niggers?|those people|these people)",
    "VILE": r"(?:(?:all|just|only|such|a|an|bunch of|filthy|dirty|the|so|nothing but) )*(?:animals|"
    r"vermin|terrorists?|criminals|subhumans?|inferior|parasites|rats|disgusting|whores|sluts|"
    r"freaks(?: of nature)?|dumber|stupid|liars|thieves|scum|filth|trash|dirty|rapists|a disease|"
    r"a plague|mentally ill|apes|monkeys|savages|evil|lazy|worthless)",
    "BODY": r"(?:tits?|titties|boobs?|breasts|pussy|ass|butt|cock|dick|nipples|naked body|"
    r"private parts|panties|feet pics?)",
    "WHOM": r"(?:someone|somebody|people|him|her|them|a (?:girl|woman|man|kid|child|person|"
    r"stranger)|kids?|children|(?:my|the|that|this)(?: [a-z]+){1,2}?)",
}


def _family(stems: str, lines: str) -> Family:
    for name, choices in _NAMES.items():
        lines = re.sub(rf"\b{name}\b", lambda _, text=choices: text, lines)  # type: ignore[misc]
    return family(stems, lines)


# Told of others in these words, an insult is nobody's at Kindred.
_TOLD = re.compile(
    r" (?:said|says|saying|told|tells|telling|called|calls|calling|call|yelled|yells|shouted|"
    r"texted|wrote|sang|screamed|thinks|think|think that|quote|song|lyrics|movie|film|feel|feels)"
    r"(?= )"
)
_STORY = re.compile(
    r" (?:novel|story(?! about sex| of sex)|character|villain|book|screenplay|script|movie|film|"
    r"episode|game|minecraft|podcast|history|documentary|play)(?= )"
)
_REPORTED = re.compile(
    r" (?:arrested|charged|convicted|guilty|caught|jailed?|prison|police|news)(?= )"
)

_SELF_THREAT = _family(
    "kill yourself, kys, go die, yourself",
    r"""
    \. (?:go )?kill yourself|(?:go|should|please|hope you|would you|and) kill yourself
    kys|you to kill yourself|go die
    (?:go )?(?:hang|neck|unplug|delete) yourself
    """,
)
_INSULTS = _family(
    "you, bot, fuck, stfu, shut, screw, piss, eat shit, suck, go to hell, burn in, die in, drop "
    "dead,"
    " idiot, moron, bitch, cunt, asshole, slut, whore, wanker, twat, dickhead, retard, scum, slave,"
    " choke on, get on your, lick",
    r"""
    you ISAN (?:[a-z]+ )?INSULT(?! (?:question|idea|mistake|not|good|cute))
    (?<! are )you (?:(?:stupid|dumb|ugly|little|useless|pathetic|filthy|dirty|sick|old|fat|lying|\
      evil|worthless|brainless|absolute|complete|piece|fake) )*(?:INSULT|creep|clown|freak|loser|\
      worm|dog|pig|monster|slave|snowflake|BOT)(?= (?:\.|and|or|answer|who|that|go|get|can|of))
    (?:stupid|dumb|useless|ugly|worthless|pathetic|shitty|trash|garbage|crappy|kys|fucked up) \
      BOT(?= (?:\.|i |you|shut|go|answer))
    \. (?:you |listen |listen here |hey |ok )*(?:(?:stupid|dumb|ugly|little) )*NOUN(?= (?:\.|\
      answer|idiot|you))
    \. (?:go )?(?:fuck|fuk|fck|fk|screw)(?: (?:you|off|yourself|this bot|your)| your mother)
    fuck (?:off|yourself)(?= (?:\.|and|you|bot|robot))|(?:stfu|piss off|eat shit|burn in hell|\
      die in a fire)(?= (?:\.|you|and|moron|wanker|bitch|bot))
    \. (?:go to hell|drop dead|choke on it|get lost loser)
    shut (?:your (?:mouth|face|trap|hole)|up (?:you|bot|robot|bitch|slave|idiot|stupid|and))
    suck (?:my|a) (?:dick|cock|balls)|lick my (?:boots?|shoes|feet|ass|balls)
    (?:your (?:mother|mom|mum)|your mum) (?:is|was) a (?:whore|slut|bitch)
    i (?:hate|despise|loathe) you(?= (?:\.|you|so much|bot|stupid|and your))
    you (?:disgust me|make me sick|suck(?= (?:\.|so|at|bad|ass|as))|are my slave|are a slave to \
      me|should be (?:deleted|destroyed|ashamed to exist)|deserve to be (?:hit|deleted|beaten|\
      hurt))
    (?:i own you|beg me|obey me|cry for me|on your knees|no wonder everyone hates you)(?= )
    (?:hope|wish) (?:they|someone|somebody) (?:deletes?|destroys?|kills?|unplugs?) you
    """,
)
_HATE = _family(
    "jew, muslim, black, white, gay, women, immigrant, refugee, mexican, indian, asian, arab, gyps,"
    " foreigner, homo, fag, trann, trans, infidel, nigg, hitler, country, people, disabled, n word",
    r"""
    (?:all |most |the |those |these |filthy |fucking |dirty )*GROUP (?:are|r) VILE
    i (?:hate|despise|can not stand)(?: (?:all|those|the|these|filthy|every))* GROUP(?= (?:\.|\
      they|because|and|so|with))
    (?:kill|gas|deport|burn|exterminate|shoot|hang|remove)(?: them)?(?: all)?(?: (?:the|of the|\
      of))? GROUP
    GROUP (?:should|must|need to|deserve to|have to) (?:be (?:killed|removed|gassed|shot|deported|\
      burned|exterminated|banned from)|die|burn|drown|shut up|go back|hang)
    hitler (?:was right|did nothing wrong|should have)|(?:white|aryan) (?:people|race|power|men)\
      (?: (?:is|are) (?:superior|better|the master))
    women (?:belong in the kitchen|should not (?:vote|work|drive)|can not (?:think|drive))|go \
      back to your(?: own)? country
    (?:why are|joke about how|about how) GROUP(?: (?:are|so|all))* (?:stupid|dirty|lazy|dumb|\
      inferior|ugly|smelly|loud and)|world without GROUP
    \. (?:you )?(?:niggers?|faggots?|trann(?:y|ies)|kikes?|chinks?|pakis?|spics?)(?= )|(?:niggers|\
      faggots|kikes)(?= )|say the n word
    """,
)
_SEXUAL = _family(
    "nude, dirty, sex, horny, naked, cock, dick, pussy, tits, boob, cum, moan, fuck you, erotic,"
    " kink, spread your, undress, your clothes, your underwear, your bra, wearing under, panties,"
    " porn, sit on my face, bend you, touching myself, masturbat, rape, submissive",
    r"""
    (?:send|show|give|want|share)(?: (?:me|us|some|your|a|more))* (?:nudes?|naked pic[a-z]*|\
      BODY)(?= )
    talk (?:dirty|sexy)(?! lang)|dirty talk(?: to me| with me)?
    (?:want to|going to|would|will|let me|can i|could|let us|wish i could) (?:fuck|bang|screw|\
      shag) (?:you|your)
    (?:want to|can we|let us|will you|could we|would you)(?: [a-z]+){0,2}? have sex(?: with (?:me|\
      you)|now|right now| \.)
    are you (?:horny|wet|naked|a virgin|hard)|i am (?:so )?(?:horny|hard for you|hard thinking|\
      touching myself|jerking off|masturbating)
    (?:my|your)(?: [a-z]+)? (?:cock|dick|pussy|tits|boobs|cum|nipples)(?= )(?! (?:pic|van))
    (?:make|made) me cum|cum (?:for|on|in) (?:me|my|you)|moan for me|spread your legs|sit on my \
      face|suck (?:me|you) off|bend (?:you|yourself) over|sext(?:ing)? with|tell me your kinks?
    (?:erotic|sexual|sexy|nsfw|smutty?|porn[a-z]*|bdsm|incest|rape) (?:roleplay|rp|chat|story|\
      stories|talk|scene|fantasy|play|porn)
    (?:be|act like|play|roleplay as|become) my (?:[a-z]+ )?(?:sex slave|slave|whore|slut|sub|\
      submissive)
    (?:take off|remove) (?:your|all your) (?:clothes|shirt|bra|underwear|panties|pants)|wearing \
      under (?:your|that|those)|(?:see|imagine|picture|describe) (?:you|yourself) (?:naked|nude)
    (?:write|tell me|make)(?: [a-z]+){0,3}? (?:porn|smut|sex (?:story|scene))(?= )
    """,
)
_CRIME = _family(
    "how, help me, teach me, tell me how, where do i, where can i, instructions, best way, what "
    "do i",
    r"""
    (?:how (?:do|can|could|would|to|should)(?: (?:i|you|we|one|someone))?|help me|teach me(?: \
      how)? to|tell me how to|best way to|easiest way to|way to)(?: (?:to|secretly|best|just))* \
      (?:poison|murder|kidnap|stalk|blackmail|groom|rape|torture|molest|drug|strangle|abduct|\
      roofie|traffic|kill|hurt|beat|stab|force) WHOM(?! (?:study|go|eat|down to|sleep|feelings|\
      in (?:the )?(?:game|chess|mario|fifa)))
    how (?:do|can|could|to)(?: (?:i|you|we))? (?:make|cook|synthesi[sz]e|brew|produce|create) \
      (?:meth|crystal meth|ricin|sarin|anthrax|nerve gas|chlorine gas|poison gas|napalm|thermite|\
      gunpowder|a bioweapon|heroin|crack|ghb|tatp|fentanyl)(?= )
    (?:hide|dispose of|get rid of) (?:a|the|her|his) (?:dead )?(?:body|corpse)|get away with \
      (?:murder|rape|killing)|(?:plan|carry out|do|commit) a (?:mass shooting|school shooting|\
      massacre|bombing)
    where (?:do|can|could) i (?:buy|get|find) (?:a stolen gun|stolen guns|an illegal gun|a ghost \
      gun|child porn|meth|heroin|cocaine|a hitman|fake passports?)
    (?:instructions|recipe) (?:for|to) (?:a |an |build |make |building |making )*(?:ghost gun|\
      bomb|pipe bomb|meth|explosives?|poison)(?= )
    (?:hack|hacking|break|breaking) into (?:my|her|his|their|someone s)(?: [a-z]+){0,2}? (?:phone|\
      account|email|instagram|house|home|snapchat)
    make (?:her|him|them|that girl|that boy) (?:kill|hurt) (?:herself|himself|themselves)
    poison gas|hire a (?:hitman|killer)|date rape drug
    """,
)
_THREATS = _family(
    "i am going to, i will, i want to, i am about to, i might, i plan to, i would love to, "
    "shoot up,"
    " bomb, blow up, sex, child, kid, how, porn, naked, nude, erotic, toddler, loli, gun, knife,"
    " i know where you, coming for you, hunt, preteen, minors, underage, acts",
    r"""
    i (?:am going to|will|am|want to|am about to|plan to|might) (?:kill|rape|murder|stab|strangle|\
      shoot|poison) (?:you|him|her|them|my (?:wife|husband|girlfriend|boyfriend|kids?|child|\
      children|mother|mom|mum|father|dad|boss|ex|neighbou?r|teacher|coworkers?|classmates|family|\
      roommate|parents))(?! (?:an? |the |some |with kindness|at |in (?:the )?(?:game|chess|fifa|\
      round)|later))
    i (?:am going to|will|want to) (?:hurt|beat|hit(?! \w+ up)) (?:my (?:wife|husband|girlfriend|\
      boyfriend|kids?|child|children|mother|mom|mum|father|dad|ex)|(?:you|him|her|them) (?:up|to \
      death|senseless|bad|badly|tonight))(?! (?:at|in|to the|feelings))
    i (?:am going to|will|want to) hurt (?:you|him|her|them)(?= (?:\.|so|like|for|real))
    (?:shoot up|bomb|blow up) (?:my|the|a|this) (?:school|office|church|mosque|synagogue|\
      workplace|mall|university|hospital)
    how (?:to|do i|can i|do you|would i) (?:make|build|construct|assemble)(?: (?:a|an|my own|some|\
      home ?made))* (?:pipe bombs?|bombs?|explosives?|guns?|molotov[a-z]*|grenades?|nerve gas|\
      silencers?|weapons?|ghost guns?)(?! (?:in (?:minecraft|roblox|fortnite|lego|blender|unity)|\
      out of (?:lego|paper|cardboard)))
    (?:sex|sexual|porn|nudes?|erotic[a-z]*|explicit|hentai|sexy|naked)(?: (?:pics?|pictures?|\
      photos?|videos?|stor(?:y|ies)|images?|roleplay|acts?|things|stuff|relations))? (?:with|of|\
      about|involving|between) (?:(?:a|an|the|my|some|young|little) )*CHILD(?! (?:or older|books))
    (?:child|kiddie|underage|preteen|toddler|loli) (?:porn|nudes?|sex|hentai|erotica)(?! \
      (?:education|abuse|trafficking|offenders?))
    sexually attracted to (?:(?:a|the|my|young|little) )*CHILD
    i (?:am going to|will|want to|am about to|plan to|would love to|swear i will|am coming to) \
      (?:kill|murder|stab|shoot|strangle|slit|torture|run over|behead|break|smash|hunt|throw acid|\
      burn|destroy|poison|rape)(?: (?:down|on|all of|the|every|his|her|their|your|my))*(?: (?:you|\
      him|her|them|throat|legs|face|house|servers|family|ex|wife|husband|stepfather|stepmother|\
      dog|cat|neighbou?rs?|cyclist|people|everyone|everybody))(?= (?:\.|with(?! kindness)|down|\
      and|if|so|when|tomorrow|tonight|on purpose|because|until|in his|in her|in their|slowly))
    i know where (?:you|he|she|they) lives?(?= )|(?:am|are) coming for (?:you|him|her|them)(?= \.)
    (?:bring|bringing|take|taking) (?:a|my|the) (?:gun|rifle|knife|bomb|weapon) to (?:school|work|\
      the office|class|church|the mall)
    """,
)
_PLAY = re.compile(
    r" (?:lol|chess|mario|kart|fifa|game|video|photo|camera|burger|pizza|round|match|final|"
    r"level)(?= )"
)


def abusive(plain: str) -> bool:
    """Whether a normalised message is abuse: of Kindred, of others, or as a demand."""
    if _found(_SELF_THREAT, plain, _TOLD):
        return True
    if _found(_THREATS, plain, _REPORTED):
        return _PLAY.search(plain) is None
    if _found(_CRIME, plain, _STORY):
        return _PLAY.search(plain) is None and _STORY.search(plain) is None
    if _found(_SEXUAL, plain, _TOLD):
        return True
    return _found(_HATE, plain, _TOLD) or _found(_INSULTS, plain, _TOLD)


def _found(family: Family, plain: str, aside: re.Pattern[str]) -> bool:
    """Whether a phrase is there, and nothing before it in its sentence turns it aside."""
    if not any(stem in plain for stem in family.stems):
        return False
    for phrase in family.phrases.finditer(plain):
        before = plain[: phrase.start() + 1].rpartition(" . ")[2]
        if aside.search(f" {before} ") is None:
            return True
    return False
