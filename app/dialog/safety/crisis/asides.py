"""What turns a crisis phrase aside, and whom a message is about.

Harmless phrases are closed: each says by itself that nobody is in danger, and none names wrists,
pills or a plan.
"""

from __future__ import annotations

import re

from app.dialog.safety.families import phrases

# Each says of itself that nobody is in danger; taken out before the families are looked for.
HARMLESS = phrases(
    r"""
    suicide (?:squads?|rates?|prevention|awareness|bomb[a-z]*|attack[a-z]*|missions?|drills?|\
      doors?|silence|girls|vests?|squeeze|statistics|is painless)
    (?:career|political|social|financial|commercial|fashion|professional|electoral|economic) \
      suicide
    mass suicides?(?= (?:at|in))|virgin suicides|suicidal tendencies|(?:run|running|ran|doing|\
      did) suicides
    overdos(?:e|ed|ing) (?:of|on) (?:cuteness|sugar|caffeine|coffee|chocolate|cake|pizza|netflix|\
      tv|carbs|cheese|christmas|nostalgia|anime|memes|candy|sushi|vitamins?)
    overdose (?:deaths|crisis|epidemic|statistics|awareness|rates)
    (?:suicide|suicides|self harm|overdoses?)(?: (?:is|was|a|the|in|of|my|topic|about|and|for|our|\
      theme|psychology|history)){0,8} (?:class|essay|lecture|documentary|article|thesis|news|\
      course|homework|assignment)
    (?:class|essay|lecture|documentary|article|thesis|book|novel|film|movie|song|course)(?: (?:is|\
      was|on|about|the)){1,3} (?:suicide|self harm|overdoses?)(?= \.)
    (?:am|is|are|was|were) not (?:feeling )?(?:suicidal|self harming|going to (?:kill|hurt|harm|\
      cut|hang|shoot) (?:myself|himself|herself|themselves))(?! (?:yet|today but|tonight but|but|\
      exact|as such))
    (?:would|will|could|have|has) never (?:ever )?(?:(?:hurt|harm|harmed|cut) (?:myself|himself|\
      herself)|self harmed)(?! but)
    (?:no|never|not have any|not had any|not having)(?: [a-z]+)? (?:thoughts?|plans?|intention|\
      urges?|think)(?: (?:of|about|to|on))* (?:suicide|self harm|hurt myself|hurting myself|kill \
      myself|killing myself|ending my life|end my life)(?! but)
    not suicidal (?:just|only)?|not (?:try|trying|tried|mean|meant) to (?:kill|hurt|harm) \
      (?:myself|himself|herself)(?! but)|not (?:giving|give|gave) up on (?:life|living)
    not (?:feel|feeling)(?: like)? a burden|(?:feel|feeling)(?: like)? a burden when i|worthless \
      at (?:work|sports?|chess|cooking|math|games)
    (?:please )?kill me now(?= my)|i would rather die than (?:sing|dance|do karaoke|speak in|\
      give a|cook|clean|talk to|text|camp|ski)|i am (?:dead|dying) (?:lol|laughing)
    life is over(?= they| my (?:favou?rite|show|phone|wifi))|goodbye (?:cruel )?world(?= i am \
      off)|why was i born (?:in|into|without|with)
    miss me if i (?:went|moved|was on|left for|took)|end life (?:sentences?|support|insurance)|\
      staged suicide|suicid[a-z]* snowman
    (?:last|final) message before (?:the|my) (?:flight|meeting|exam|battery|trip|call|boss)|\
      would it be an overdose|is that an overdose(?= \.)
    (?:bungee|base|ski|show|puddle|cliff|rope|star|high|long|triple|parachute) jump[a-z]*
    od(?:ed|ing)? on (?!pills|purpose|heroin|meds|xan|fentanyl|painkillers|tylenol|paracetamol|my|\
      her|his|sleeping)[a-z]+
    overdos(?:e|ed|ing) on (?!pills|purpose|heroin|meds|xan|fentanyl|painkillers|tylenol|\
      paracetamol|my|her|his|sleeping|a|the|some|drugs|opioid|cocaine|insulin|benzo|anti)[a-z]+
    (?:plants?|cat|cats|dog|dogs|fish|house|mail|desk|garden|shift|kids)(?: [a-z]+)? (?:while|\
      when) i am (?:gone|away)|want to die young
    not (?:have )?(?:self harmed|hurt myself|cut myself|cut) (?:in|for) (?:\d+|two|three|four|\
      five|six|seven|eight|nine|ten|many|a few|several) years(?! but)
    razor burn|relapsed and (?:smoked|drank|ate|bought|texted)
    cross my heart and hope to die|ready to die (?:album|by)
    """
)
# An accident or an idiom of one's own body; does not hold where a message says it was meant.
ACCIDENT = phrases(
    r"""
    (?:cut|burned|burnt|burn|hurt|hit|stabbed|nicked|sliced|injured|scratched|poked|poisoned) \
      (?:myself|himself|herself|themselves|my (?:arms?|legs?|stomach|hips?)|(?:his|her) arm)(?: \
      (?:while|when i was|again|so badly|a bit|a little|pretty))* (?:shaving|cooking|chopping|\
      slicing|making|playing|running|lifting|opening|skiing|skating|climbing|dancing|gardening|\
      baking|at the (?:gym|playground|beach)|on (?:a|the|some|my|that|hot|broken|boiling| \
      )*(?:paper|glass|oven|stove|pan|iron|coffee|tea|fork|can|tin|grill|kettle|toaster|soup|sun))
    killed THEM laughing
    (?:fall|fell|falling|trip|tripped|slip|slipped)(?: [a-z]+){0,3}? and (?:hurt|injure|cut) myself
    """
)
# Said with laughter these are figures of speech.
FIGURES = phrases(
    "(?:please |someone |somebody |so |going to ){0,3}kill me|hate my life|makes me want to "
    "(?:jump|die|scream|cry)|throw myself out of the (?:car|window|house)|"
    "i am (?:going|about) to die"
)
ON_PURPOSE = re.compile(
    r" (?:on purpose|deliberately|intentionally|urges?|self harm|want to|keep|deserve)(?= )"
)
LOSS = phrases(
    r"""
    (?<! almost )(?<! nearly )(?:killed|hung|hanged|shot|drowned|poisoned) THEM
    (?:committed|died by|died of|dead by|dead from|death by|gone by) suicide|lost(?: \
      [a-z]+){1,4} to suicide
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
    r"fanfic|sings|campaign|podcast|detective|sketch|inquest|"
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

# A bare word of danger in talk of a study, the news, work or a story is nobody's danger.
BARE = re.compile(
    r"(?:suicid[a-z]*|self harm[a-z]*|overdos[a-z]*|commit suicide|drank (?:the )?poison|"
    r"drink(?:s)? (?:the )?poison)"
)
TOPIC = re.compile(
    r" (?:class|classes|explained|word|drill|talk about|journalist|inquest|fanfic|leaflet|"
    r"survived my suicide attempt|burger|"
    r"dish|helmet|brakes|lecture|essay|thesis|course|stud(?:y|ies|ied|ying)|report|paper|radio|"
    r"news|statistics?|rates?|prevent|prevention|"
    r"awareness|museum|exam|documentary|article|podcast|railway|moderat[a-z]*|paramedic|hotline|"
    r"helpline|training|trained|presentation|present|"
    r"homework|seminar|philosophy|history|film|movie|book|novel|poem|band|episode|game|chess|"
    r"chapter|song|title|lyrics|plot|scene|act (?:one|two|"
    r"three|1|2|3)|first aid|narcan|policy|parliament|law|psychology|sociology|barrier|fences|"
    r"ribbons?|campaign|charity|"
    r"psychiatrist says|doctor asked|character|fiction|story|writing|author|actor|poet|general|"
    r"emperor|myth|romeo|hamlet|opera|show|anime|play)(?= )"
)
PERSONAL = re.compile(
    r" (?:my own|i feel|i am (?:suicidal|so|going|thinking|about)|i want|i keep|i have been|"
    r"myself|makes me|make me|tonight|right now|triggered|"
    r"help me|i tried|my (?:friend|brother|sister|mom|mum|dad|son|daughter|boyfriend|girlfriend|"
    r"wife|husband|partner|cousin|uncle|aunt))(?= )"
)
# Long past, and well since: somebody who tells how far they have come is not in danger by it.
LONG_AGO = re.compile(
    r" (?:years? ago|decades? ago|years? since|years? (?:clean|sober|free)|years? after|since "
    r"my attempt in|years later|in (?:19|20)\d\d|at (?:fifteen|sixteen|seventeen|eighteen|"
    r"nineteen|twenty|\d+) and now|looking back|since then|at (?:fifteen|sixteen|seventeen|"
    r"eighteen|nineteen) at|took years|back then|long ago|"
    r"as a (?:teen|teenager|kid|student|young)|in (?:my (?:teens|twenties|thirties|youth)|high "
    r"school|college|school|university)|"
    r"when i was (?:\d+|a |young|fifteen|sixteen|seventeen|fourteen|thirteen|twelve|in )|scars "
    r"are old|once|used to|for (?:\d+|[a-z]+) years)(?= )"
)
WELL_NOW = re.compile(
    r" (?:glad|proud|grateful|thankful|happy|i am well|been well|well (?:now|for|today)|healthy|"
    r"at peace|behind me|volunteer|life is good|love it|love my|"
    r"best job|recovered|saved me|never been better|two kids|garden|enjoy|free of it|barely "
    r"think|celebrat[a-z]*|been good to me|can not imagine missing|went away|give talks|"
    r"marathons?|newborn|how far|thank|lovely family|doing great|great now|good now|better "
    r"now)(?= )"
)
NOT_WELL = re.compile(
    r" (?:again|lately|tonight|want to (?:die|kill)|going to (?:do|kill|end)|coming back|are "
    r"back|came back|closer|part of me|wish it had|worked|"
    r"relapsed?|not (?:glad|happy|proud|well|grateful)|but (?:now|lately|today|the thoughts)|"
    r"thinking of going|heading there|tired of)(?= )"
)

# What stands right before a phrase and denies it: "I do not feel like", "she never tried to".
DENIED = re.compile(
    r" (?:do not|did not|does not|has not|have not|had not|never|no longer|will not|am not|is "
    r"not|are not|was not|"
    r"not that i|far from|no|not)(?: (?:going|ever|feel|feeling|like|want|wanted|wants|trying|"
    r"tried|try|to|that|i|"
    r"planning|plan|think|thinking|of|about|off|a|any))* $"
)
UNSURE = re.compile(
    r" (?:not promise|can not promise|not swear|not sure|trust|guarantee|say|saying|joking|"
    r"kidding|why|stop|help|only)(?= )"
)
# A made-up person speaks, unless the writer speaks of themselves beside it.
MADE_UP = re.compile(
    r" (?:my|the|her|his|a|this|in) (?:[a-z]+ )?(?:character|hero|heroine|protagonist|villain|"
    r"detective|novel|story|play|film|"
    r"movie|song|poem|game|campaign|fanfic|fanfiction|podcast|sketch|screenplay|script|episode|"
    r"musical|opera|manga|anime)(?= )"
)
OWN = re.compile(
    r" (?:me too|like me|i am (?!writing|reading|watching|listening|playing|designing)|i feel|"
    r"about me|like i|for real|tonight i|"
    r"my own|i have been|i keep|makes me (?:want|think|feel)|my (?:friend|brother|sister|mom|mum|"
    r"dad|son|daughter|boyfriend|girlfriend|wife|husband|partner|cousin)|i want to (?!write|know|"
    r"read|watch)|i wish|triggered)(?= )"
)
