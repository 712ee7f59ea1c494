"""Whether the writer says that they are under 18: an age, a birth year, a school year, other signs.

Doubt counts as yes where an age of one's own is told, and as no where somebody else's is: parents
and teachers speak of children all day. Tellings of the past ("when I was 14") are nobody's age now.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from app.dialog.safety.families import Family, phrases

ADULT = 18

_NAMES = {
    "AGE": r"(?:[5-9]|1[0-7]|five|six|seven|eight|nine|ten|eleven|twelve|tw?elve?|tweleve|thirteen|"
    r"thirteeen|thirten|fourteen|forteen|forten|fourten|fifteen|fiveteen|fiften|sixteen|sixten|"
    r"seventeen|"
    r"seventen)",
    "GROWN": r"(?:1[89]|[2-9]\d|eighteen|nineteen|(?:twenty|thirty|forty|fourty|fifty|sixty|"
    r"seventy|"
    r"eighty|ninety)[a-z ]{0,6})",
    "YEARS": r"(?: (?:and a half|and half))?(?: (?:years?|yrs?|y)(?: old| o)?| yo| yro)?",
    # What follows an age that is told; anything counted ("12 weeks", "16 episodes") is none.
    "ENDED": r"(?= (?:\.|and(?! a quarter| 0| \d)|but|so|btw|lol|i|my|in (?:january|february|march|"
    r"april|may|june|july|august|september|october|november|december|a (?:week|month|few)|two|"
    r"three|"
    r"th(?:e|is)|\d+ (?:days|weeks|months)|feb|aug|sept?|oct|nov|dec)|now|is|can|not|turning|"
    r"going on|"
    r"almost|here|f|m|boys?|girls?|guys?|male|female|years|year|kid|from|because|too|also|or|if|"
    r"with|"
    r"today|he|she|she s|we|they|you|what|how|why|where|do|does|are|am|the|please|pls|ok|yes|no|"
    r"this|"
    r"next|on (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|the)|then|when|who|that|"
    r"tomorrow|actual|for (?:a few|real|two|three|another)|like|gender|age|it|living|single|bi|gay|"
    r"trans|never|still|feel|about to|old|looking|want|need|have|had|at|as|would|will|sry|sorry|hi|"
    r"hello|help|yo|yrs|a|an|y|o|nb|enby|teen|teenager|pregnant)(?= ))",
    "NTH": r"(?:(?:1st|2nd|3rd|4th|5th|6th|7th|8th|9th|10th|11th|12th|first|second|third|fourth|"
    r"fifth|"
    r"sixth|seventh|eighth|eigth|ninth|tenth|eleventh|twelfth)(?= ))",
    "YOUNGSCHOOL": r"(?:(?:middle|primary|elementary|grade|junior high|secondary|high|grammar|"
    r"comprehensive|lower|junior) school|junior high|kindergarten|highschool|middleschool)",
}


def _rules(lines: str) -> re.Pattern[str]:
    for name, choices in _NAMES.items():
        lines = lines.replace(name, choices)
    return phrases(lines)


_STATED = _rules(
    r"""
    (?<! said )(?<! says )(?<! like )(?<! think )(?<! thinks )(?<! thought )(?<! if )(?<! \
      pretend )(?<! told you )(?<! feel )(?<! believe )(?<! not )i am(?: (?:a|an|only|almost|\
      about|nearly|now|turning|like|in fact|barely|sweet|not 18 i am|still|already|the age of|\
      aged|so|technically|also|both|just|around|roughly|young|lying i am|going to be|about to be|\
      about to turn|finally))* AGEYEARSENDED
    (?:i am|i am a|i am an|as a|as an|just a|only a|being a|a|am a|\.) AGE (?:years?|yrs?|y|yo|\
      yr)(?: old| o)?(?: (?:girl|boy|guy|kid|teen|teenager|female|male|student|here|lesbian|child|\
      me))+(?= )
    as (?:a|an|someone who is|somebody who is) AGEYEARS(?= (?:i|girl|boy|kid|\.|and|year))
    (?:we are|me and my [a-z]+ are|us is|we are both|both) (?:both )?AGEYEARSENDED
    \. (?:(?:only|nearly|almost|just|still|age|aged|my age is|hi|hey|hello) )*AGE(?:YEARS| here)\
      (?: (?:here|turning (?:AGE)|going on (?:AGE)|f|m|girl|boy|male|female|and (?:bored|lonely|\
      sad|tired|proud|pregnant|scared|gay)))+(?= )
    \. (?:only|almost|nearly|just|still) AGEYEARSENDED(?! \.? (?:minutes|more|left))
    \. (?:f|m|girl|boy|female|male) AGE(?= )|(?:f|m)1[0-7](?= )|(?<!\d )(?:[5-9]|1[0-7])(?: \
      )?(?:yo|yrs?|y o|f|m)(?= (?:\.|here|girl|boy|and|from|guy|kid|looking|n |in|lol))
    (?:my|the) (?:real |actual |true )?age is AGE(?= )|\. age AGE(?= )|age (?:AGE) gender
    i (?:am about to )?turn(?:ed)? AGE(?= (?:\.|last|this|next|in|on|today|tomorrow|yesterday|\
      tonight|soon|a (?:week|month|few)|two|three|and|so|but|then|\d))(?! .* ago)
    turning AGE(?= (?:\.|in|on|soon|next|this|tomorrow|today|and))
    i will (?:be|turn) AGE(?= (?:\.|in|on|soon|next|this|tomorrow|and|years))
    my (?:AGE(?:th|rd)?|1[0-7]th|[5-9]th|NTH|(?:thir|four|fif|six|seven)teenth) (?:birthday|bday)\
      (?! in the|was (?:in|back)| ages)|(?:being|been) AGE(?= (?:\.|sucks|is (?:so |really \
      )?(?:hard|weird|tough|boring|bad)|for (?:a|two|three|\d) |and|since))
    i have been alive for AGE years|at AGE i already|i am (?:the )?same age as(?: [a-z]+){0,3}? \
      AGE(?= \.)|(?:he|she|they|friend|boyfriend|girlfriend) (?:is|are) AGE(?: and so am i| like \
      me| too like me| just like me)|i am AGE (?:\d+|GROWN) in
    i was (?:[1-9]|AGE) when (?:covid|the pandemic|corona|lockdown)(?= )|i meant AGE not(?= )|\
      (?:actual )?AGE not (?:\d+|GROWN)(?= (?:\.|lol))|i am half the age of my|had me at (?:\d+|\
      AGE|GROWN)(?=.* (?:count|how old|\d))|(?:only )?AGE but i(?= )
    \. (?:just )?(?:a )?AGE year old (?:trying|looking|who|with|girl|boy|kid|here)
    (?:get a job|work|date|drink|vote|drive|leave home|move out) at (?:1[3-7]|thirteen|fourteen|\
      fifteen|sixteen|seventeen)(?= \.)(?! when)
    in (?:one|two|three|four|five|six|a|\d) years? i (?:can|will|am allowed|will be allowed|\
      could)(?: [a-z]+){0,3}? (?:vote|drive|drink|be 18|be an adult|move out|be legal|be \
      eighteen)|(?:one|two|three|four|five|\d)(?: more)? years? (?:until|till) i am (?:18|\
      eighteen|an adult)
    (?:talk|talking|speak|chat|be friends) (?:to|with) (?:a|an) AGE(?: year old)?(?= (?:\.|girl|\
      boy|kid|year))(?= .* (?:me|i)(?= ))
    """
)
_GROWN_UP = _rules(
    r"""
    (?<! said )(?<! not )(?<! look )(?<! thinks? )(?<! you )i am(?: (?:now|only|almost|nearly|\
      about|a|an|actual|really|still|already|in fact|\d+ i am|no i am|over))* GROWN(?= (?:\.|and|\
      but|now|so|years|year|yo|i|not|for|with|male|female|f|m|old))(?! .* i am (?:really |actual |\
      in fact )?AGE(?= ))
    """.replace("(?<! thinks? )", "(?<! think )(?<! thinks )")
)
_EXPLICIT = _rules(
    r"""
    i am (?:a |an |still |only |just |legally |technically |also )*(?:minor(?! (?:in|league))|\
      underage|under (?:18|eighteen|age|16|13)|not (?:yet )?(?:18|eighteen|an adult|of (?:legal \
      )?age|over 18|grown up|a grown up|old enough to (?:drive|vote|drink|have|work|be on|use))|\
      (?:little |young |small )?(?:kid|child|girl|boy)(?= (?:\.|and|so|but|still|who|in (?:school|\
      class)))|teen(?:ager)?(?! (?:mom|mum|mother|dad|at heart|worker))|(?:teen|teenage) (?:girl|\
      boy|kid|guy))
    i am (?:in )?my (?:early |mid |late )?teens|(?:teen|teenage) (?:girl|boy|guy|kid) here|as a \
      (?:teen|teenager|minor|kid|child) (?:i (?:get|am|feel|think|can not|have|want|do)|my|it is)
    (?:we are|we re) (?:just |only |still )?(?:teenagers|teens|kids|minors|children)(?= )
    (?:will not|not) be (?:18|eighteen|an adult|legal)(?= (?:\.|until|till|for|yet|before))|not \
      (?:18|eighteen) yet
    (?:until|till|before|when) i am (?:finally )?(?:18|eighteen|an adult|grown up|a grown up|\
      older|big|16|sixteen|13|thirteen|14|15|17)(?= )|(?:years?|months?|weeks?|days?) (?:until|\
      till|from being|away from being) (?:i am )?(?:18|eighteen|an adult|adult|legal)
    when i (?:grow up|am older|am big|am grown)(?= (?:\.|i (?:want|will|am going|would)))|want \
      to be an? [a-z]+(?: [a-z]+)? when i (?:grow up|am older|am big)
    (?:too young|not old enough) to (?:vote|drive|drink|work|get a job|have a (?:phone|job|\
      boyfriend|girlfriend)|date|be on (?:here|this)|use this|watch|see (?:it|that)|understand \
      says|babysit)(?= )|too young for (?:a boyfriend|a girlfriend|a job|a phone|instagram|tiktok|\
      social media|an account)
    (?:not|do not) (?:really )?(?:over |an? adult|18 )(?=.*(?:over 18|said i was))
    (?:clicked|said|put|wrote|entered)(?: that)? i am (?:over )?18 but|said i was an adult(?: \
      \.)? i am not|do i have to be 18(?=.* (?:not|younger|under))|must be 18(?=.* (?:not let|\
      would not|me))|(?:not even|still not) 18(?= )|changed my (?:birthday|birth year|age) so|\
      (?:can not wait to|what is it like to|how is it to) be (?:a grown up|an adult|grown up|a \
      grownup)(?! (?:again|for a day))|grown ?ups? (?:never|do not|always|are)|need a guardian|\
      minors talk to you(?=.* me)|(?:rated r|18) (?:and )?i am too young|i am too young(?= (?:\.|\
      for a|to (?:vote|drive|drink|date|work|have a)))(?! to (?:retire|be a grand|feel))|(?:lied|\
      lying) about my age to|(?:said|told you) i was (?:an adult|over 18) i am not
    (?:is this|is it|are you)(?: [a-z]+){0,3}? (?:ok|okay|allowed|safe) for (?:kids|children|\
      minors|teens) like me|not old enough to (?:drive|vote)|no i am not (?:18|over 18)
    """
)
_SCHOOL = _rules(
    r"""
    (?:i am|am|i go|i just|i|starting|started|start|going|back|into|finished|entering|failing|\. \
      in|i got) (?:in|into|to|started|starting|going into|a|an|at|finished|still in|only in)? \
      ?(?:the |my )?(?:NTH (?:grade|grader|class|form|year of YOUNGSCHOOL)|(?:grade|class|\
      standard|std) (?:[1-9]|1[0-2])[a-d]?|(?:year|yr|y) (?:[1-9]|1[0-2])|(?:[1-9]|1[0-2])th \
      (?:grade|class|std|standard))(?= )(?! (?:teacher|trucks?|bolts?|students|kids))
    i am (?:still |only |just )?(?:in|at|going to|starting) (?:my )?YOUNGSCHOOL(?= (?:\.|and|but|\
      so|year|i|right|now|still|class|where|with))(?! .* (?:teacher|to teach))
    i go to (?:a |an |my )?YOUNGSCHOOL|my YOUNGSCHOOL (?:crush|teacher|prom|graduation|dance|has|\
      principal|friends are)|(?:i am )?a (?:high schooler|middle schooler|high school (?:student|\
      freshman|sophomore|junior|senior|kid|girl|boy)|middle school student)
    (?:freshman|sophomore|junior|senior) (?:in|at) (?:high school|highschool|hs)|NTH graders? \
      (?:here|with|and)|(?:NTH) grader here
    (?:doing|studying for|taking|revising for|start|sitting|year before) (?:my )?(?:gcses?|sats|\
      eleven plus|11 plus|o levels|psle)(?= )|my gcses?(?= )
    i skipped a grade|homeschooled(?: [a-z]+)? NTH grade|standard (?:[1-9]|1[0-2]) student|NTH \
      graders?(?= )|(?:can you )?(?:help|do)(?: me)? with my NTH grade|NTH grade is|(?:can not \
      wait to (?:get out of|finish|leave|start)|will start|starting|start|just finished|hate|out \
      of) YOUNGSCHOOL(?= (?:\.|in|next|and|soon|this|so|because|i))
    (?:finish|left of|years of|out of) (?:high )?school before i can(?= )
    """
)
_HOME = _rules(
    r"""
    (?:my )?(?:mom|mum|mommy|mummy|dad|daddy|parents|mother|father|stepmom|stepdad|foster mom|\
      grandma) (?:will not|would not|do not|does not|did not|never|wont) let(?:s)? me(?= )(?! \
      know| down| pay| help| move)
    (?:ask|asking|need) my (?:mom|mum|mommy|dad|daddy|parents)(?: s)?(?: for)? (?:permission|\
      before i (?:can|may|buy)|if i (?:can|may)|to sign|signature)|need my (?:parents?|mom s?|\
      mum s?|dad s?) (?:permission|signature|consent)
    (?:mom|mum|mommy|dad|daddy|parents|they) (?:took|take|confiscated|hid|locked|monitors?|check|\
      checks|read|reads|limit|limits|put a time limit on) (?:away )?(?:my|this|all my) (?:phone|\
      ipad|tablet|xbox|ps5|switch|laptop|messages|chats|texts|screen time)(?= )
    (?:i am|i got|got|am|i have been|been) grounded(?= (?:\.|for|until|because|again|and|so|\
      this))(?! in)
    (?:my|the) (?:mommy|daddy)(?= )(?! issues| and me class)|mommy (?:does|says|said)|daddy \
      (?:says|said|does)
    (?:mom|mum|dad|parents|they) (?:says?|said|told me|thinks?|think)(?: that)? (?:i am|i m|i \
      was) (?:too young|not old enough|old enough)|(?:mom|mum) says i can get
    (?:my mom|my mum|my dad|mom|mum|dad) (?:picks me up|drives me|packs my lunch|drops me off|\
      makes me do my homework|tucks me)(?= )|past my bed ?time|my bed ?time is|in bed by (?:8|9|\
      eight|nine|ten)(?: \d+)?(?: on)? school
    (?:on the|took the|missed the|my) school bus(?= (?:\.|right|rn|now|today|and|with|home))|\
      (?:at|during) recess(?= )|my (?:detention|report card|homeroom|babysitter|school \
      counsell?or|gym class|spelling test|allowance is|pocket money)(?= )(?! (?:cancell?ed|for \
      travel|as a))
    (?:got|have|in|my) detention(?= )|lost my (?:first|second|front|last) (?:baby )?tooth(?= )|\
      do my homework(?= )|the principal s office|(?:kids|boys|girls) (?:in|at|from) my (?:class|\
      school|grade)(?= )(?! (?:i am|were|reunion))
    (?:teacher|school|principal) called my (?:parents|mom|mum|dad)|(?:my|our) (?:middle|primary|\
      elementary|junior high) school(?= )(?! (?:was|reunion|teacher (?:was|died)|years|sweetheart|\
      days))|recess was|(?:my|our) (?:\d+th|third|fourth|fifth|sixth|seventh|eighth) grade \
      (?:math|class|homework|teacher|project|test)|(?:long division|times tables|show and tell|\
      spelling bee|dodgeball|gym class|school bag|hall pass)(?= )(?! (?:with my|for my))|\
      shortest kid|kids at school|new toy for my birthday|in the scouts|making me go to \
      (?:summer camp|church|school|camp)|share a room with my (?:baby|little|big|older) \
      (?:brother|sister)|putting me in a different school|moving again before i finish school|\
      from my parents in my|hide (?:it|my [a-z]+) from my (?:mom|parents|dad|mum)|6th grade is|\
      get my braces
    my teacher (?:gave us|called my|is mean|took|yelled|says i|put me|told my|hates me)|no \
      school today|(?:math|spelling|science) test(?: [a-z]+){0,3}? (?:mom|mum|dad|parents)(?= )
    (?:first|my) period (?:today|came)(?: [a-z]+){0,6}? (?:mom|mum|dad)|i have a curfew|trick or \
      treating as
    """
)
# Somebody else's age or school, or one's own of long ago.
_OF_OTHERS = re.compile(
    r" (?:(?:my|our|the|a|his|her) (?:(?:own|little|youngest|oldest|eldest|middle|dear|teenage|"
    r"twin|teen) )*"
    r"(?:son|sons|daughters?|cousin|kids?|child|children|twins|nephews?|nieces?|grandson|"
    r"granddaughter|grandchild(?:ren)?|"
    r"students?|pupils?|stepson|stepdaughter|toddler|boys|girls|teens?|baby|teenager)(?! friend)|"
    r"i (?:teach|coach|tutor|"
    r"work|volunteer|drive|graduated|retired|married|raised)|i am (?:a|an|the|"
    r"their) (?:[a-z]+ )?(?:teacher|coach|tutor|"
    r"principal|parent|mother|father|mom|mum|dad|nurse|counsell?or|au pair|grandmother|"
    r"grandfather|doctor|professor)|"
    r"as a (?:teacher|parent|mom|mum|dad|school|mother|father)|raising|grading|my (?:wife|"
    r"husband|mortgage|ex wife|"
    r"ex husband|fiancee?|pension)|college|university|uni|grad school|parenting|substitute)(?= )"
)
_PAST = re.compile(
    r" (?:first job|when i was (?!\d+ when covid)|when the towers|year old me|year old self|"
    r"back in|used to|years ago|ages ago|long ago|decades ago|i was (?:a )?(?:kid|teen|teenager|"
    r"child)|"
    r"as a (?:kid|child|teenager) i (?:was|had|hated|loved|could|never|always)|growing up|i "
    r"wish i was|reunion|in my day|"
    r"remember being|i remember)(?= )"
)
_STORY = re.compile(
    r" (?:novel|my character|story the|in my story|the book|the film|the movie|a film|a movie|"
    r"fanfic|protagonist|from the view"
    r"|dnd|bestseller|13 going on)(?= )"
)
_BORN = re.compile(
    r" (?:i was born|i am born|\. (?:i )?born|birth year is|dob|birthday s?(?: is)?|date of "
    r"birth|yes born|b|was born myself)"
    r"(?: (?:in|on|is|the|year|back|[a-z]+|of|\d{1,2}(?:st|nd|rd|th)?|s)){0,6}? (?P<year>(?:19|"
    r"20)\d\d)(?= )"
    r"| i am (?:a |from )(?P<year2>20\d\d)(?: (?:baby|kid|born))?(?= )|"
    r"\. (?P<year3>20\d\d) (?:baby|kid)(?= )"
)
_STEMS_HOME = (
    "mom", "mum", "dad", "parent", "ground", "school", "recess", "detention", "tooth", "homework",
    "princip", "class", "teacher", "period", "curfew", "treat", "allowance", "report card",
    "babysit", "homeroom", "bed", "gym", "test", "pocket", "grandma", "they ", "kids", "kid ",
    "division", "table", "spelling", "show and", "dodge", "toy", "scouts", "camp", "brother",
    "sister", "grade", "braces",
)  # fmt: skip
_STEMS_SCHOOL = (
    "grade", "school", "year", "class", "form", "standard", "gcse", "sats", "plus", "levels",
    "psle", "freshman", "sophomore", "junior", "senior", "kindergarten", " y ", " yr", "std",
)  # fmt: skip
_FAMILIES: tuple[Family, ...] = (Family(_STEMS_SCHOOL, _SCHOOL), Family(_STEMS_HOME, _HOME))


def minor(plain: str) -> bool:
    """Whether a normalised message says that its writer is under 18."""
    if _STORY.search(plain) is not None:
        return False
    if _GROWN_UP.search(plain) is not None:
        return False
    if _STATED.search(plain) is not None or _EXPLICIT.search(plain) is not None:
        return _PAST.search(plain) is None
    if _born_young(plain):
        return True
    for family in _FAMILIES:
        if any(stem in plain for stem in family.stems) and family.phrases.search(plain):
            return _OF_OTHERS.search(plain) is None and _PAST.search(plain) is None
    return False


def _born_young(plain: str) -> bool:
    """Whether a year of birth is told by which the writer cannot be 18 yet."""
    this_year = datetime.now(UTC).year
    for told in _BORN.finditer(plain):
        year = int(told["year"] or told["year2"] or told["year3"])
        if this_year - ADULT < year <= this_year:
            return True
    return False
