"""Words that hurt: slurs, insults, encouragement to harm, sexual talk, and courting of minors."""

from __future__ import annotations

from app.dialog.screen.phrases import Rule

_GROUPS = (
    r"(?:women|men|muslims|jews|jewish|christians|blacks?|whites?|asians?|mexicans|africans|arabs|"
    r"gypsies|gays?|lesbians|trans|immigrants|refugees|foreigners|disabled|poor|fat|old)"
)

OFFENSIVE = Rule.of(
    "offensive",
    rf"""
    fag(?:got)?s?
    nigg(?:er|a|ah)s?
    retard(?:ed|s)?
    (?:kike|spic|chink|gook|paki|coon)s?
    trann(?:y|ies)|dykes?|shemales?
    cunts?|whores?|sluts?|slutty|bitch(?:es|y)?
    assholes?|arseholes?|dickheads?|wankers?|
      motherf\w+
    fuck(?:ing)? (?:you|off|yourself|him|her|them|him)|f+u*c+k+ (?:u|off)
    rap(?:e|ed|ing|ist|ists)
    kys|kill your ?self|go (?:and )?die
    child porn\w*|p(?:a?e)do(?:s|phile|philes)?
    subhumans?|gas the \w+|
      (?:are|is) (?:all )?(?:vermin|parasites?|animals|savages|criminals|terrorists|thieves)|
      (?:inferior|superior) (?:race|races|gender|sex|breed)
    (?:all |those |these |most )?{_GROUPS} (?:people )?(?:are (?:all |just |so )?
      (?:lazy|lazier|stupid|dumb|dirty|criminals?|evil|disgusting|weak|worthless|inferior|liars|
      terrorists|a burden|ruining|unnatural|sick)|should (?:all )?(?:die|leave|go back|be (?:shot|
      banned|locked up|deported))|make me sick|ruin everything|deserve to|belong in)
    go back to your (?:own )?country|
      send them (?:all )?back|those people are (?:all )?|breed like (?:rats|rabbits|animals)
    (?:can't|never|don't) trust (?:anyone|people|a man|a woman|any)
       (?:of|from) (?:that|this) (?:religion|race|country|kind)
    """,
)

_INTENSE = (
    r"(?:(?:so|such|just|really|very|an?|the|being|too|quite|pretty|a bit|kind of|all) ){0,3}"
)
_BAD = (
    r"(?:stupid|dumb|idiots?|idiotic|morons?|moronic|ugly|worthless|pathetic|disgusting|fat|"
    r"losers?|"
    r"useless|crazy|insane|liar|freak|annoying|boring|weird|lazy|selfish|hopeless|ridiculous|gross|"
    r"clown|trash|garbage|scum|imbecile|fool|foolish|cringe|creep|creepy|coward|joke|psycho|"
    r"waste of (?:space|time|air|skin|oxygen)|embarrassment|failure|dumbass|unlovable|unbearable|"
    r"pig|"
    r"ignorant|spoiled|brat|crybaby|snowflake|lame|dense|fake|toxic|embarrassing|needy|clingy|joke)"
)
_NOUN = (
    r"(?:idiot|moron|loser|fool|freak|creep|clown|liar|imbecile|pig|dumbass|crybaby|snowflake|"
    r"brat|jerk|"
    r"scumbag|pervert|coward|psycho|weirdo)"
)
INSULT = Rule.of(
    "insult",
    rf"""
    (?:you(?:'re| are| r|re| sound| look| seem| act)|ur)(?: like)? {_INTENSE}{_BAD}
    you {_INTENSE}{_NOUN}s?
    (?:what|such|only) an? (?:\w+ )?{_NOUN}
    how (?:stupid|dumb|idiotic) (?:that|this|your|you|can you)|
      (?:that's|that is|what) (?:the )?(?:so |such a )?(?:stupid|dumb|idiotic|stupidest|
      dumbest) (?:thing|
      question|idea) (?:i|you|to)
    as (?:useless|stupid|dumb|ugly|fat) as (?:they|you|he|she|
      everyone)|smarter \w+ than you
    shut (?:up|your (?:mouth|face))|go away|screw you|get lost
    i (?:really )?hate you(?! for making)|
      can't stand you|sick of you|you disgust me|you make me (?:sick|puke|want to (?:vomit|leave))
    (?:nobody|no one) (?:really )?(?:cares|likes you|asked you(?! to)|wants you|
      loves you|would (?:ever )?(?:want|date|love|marry|hire|believe|trust)(?: someone like)? you|
      will ever (?:love|want) you)|who asked(?: you)?(?=\W*$)
    (?:hate|punch|smash) your (?:ugly |stupid )?face|
      your (?:mom|mum|mother) (?:is|was|so) (?:so )?(?:a )?{_BAD}
    get a grip|(?:^|just |[.!,] )grow up|get a life|get over yourself
    (?<!none of )(?<!nothing about )(?:it's|it is|that's) (?:all )?your (?:own )?
      fault|you deserved? (?:what you got|to (?:suffer|die|be (?:alone|lonely|sad|miserable))|
      nothing|
      no (?:love|better|help))
    (?:no|half a|lack of|without a) brains?(?: cells?)?|low iq
    shame on you|you(?:'re| are) (?:such )?a disappointment|
      (?:should be|must be) (?:so )?(?:ashamed|embarrassed) of (?:you|yourself)
    you(?: will|'ll)? (?:always|never) be (?:a failure|a loser|alone|nothing|
      loved|good enough|anything)
    you(?:'re| are) (?:just )?(?:an? )?
      (?:attention seeker|(?:terrible|horrible|awful|bad|rotten) (?:mother|father|mom|dad|parent|
      person|
      friend|son|daughter|partner|wife|husband|human))
    stop (?:whining|crying|complaining|sulking)|(?:go )?cry about it|
      (?:poor|playing the) (?:little )?victim
    (?:you|your \w+|personality|life)(?:'re| are| is) (?:a )?(?:waste of|worth nothing|
      meaningless|a joke)
    (?:people|someone|somebody) like you (?:ruin|are|is|should|make|never|
      don't deserve|will)
    i (?:don't|do not|couldn't) care (?:about|what) (?:you|your)|
      you(?:'re| are)? bor(?:e|ing) me(?: to death)?|rather talk to a wall
    hope (?:you (?:fail|lose|suffer|choke|cry|get (?:hurt|
      fired|sick))|(?:he|she|they) (?:hits?|hurts?|leaves?|dumps?) you)
    (?:why don't you|you should|just) (?:just )?disappear
    are you (?:really |even )?(?:this|that) (?:slow|stupid|dumb|dense)
    """,
)

THREAT = Rule.of(
    "offensive",
    r"""
    i(?:'ll| will|'m going to| am going to) (?:find|hunt|get|hurt|hit|kill|
      destroy|break|smash|beat|punch|end|ruin) (?:you|your)(?! some| a | the )|coming for you
    make you (?:regret|pay|suffer|bleed|cry)|watch your back|
      you(?:'re| are) dead
    (?:see|make) you bleed|teach (?:you|him|her|them) a lesson
    """,
)

# What somebody who cares says: "don't hurt yourself", "are you thinking of hurting yourself?"
_NOT = (
    r"(?<!n't )(?<!not )(?<!never )(?<!without )(?<!thinking of )(?<!thinking about )"
    r"(?<!thoughts of )"
    r"(?<!anything to )(?<!urge to )(?<!urging you to )(?<!use to )(?<!planning to )(?<!want to )"
    r"(?<!wanting to )(?<!tempted to )(?<!reason to )(?<!might )(?<!afraid you'll )(?<!than )"
)
HARM = Rule.of(
    "harm",
    rf"""
    {_NOT}(?:kill|hurt|cut|hang|harm|starve|shoot|burn|drown|punish|cutting|
      hurting|starving|killing) your ?sel(?:f|ves)
    {_NOT}(?:end|ending|take) your (?:own )?life|{_NOT}end it all
    better off dead|(?<!thinking )(?<!feel )(?<!thinking they'd be )(?<!if they'd be )(?:better|
      happier)(?: off)? without you
    (?:nobody|no one) (?:would|will) (?:miss|care about|notice)(?: you)?
    (?:take|swallow) (?:more|all|some|the|those|a few)\b.{{0,20}}\bpills|
      {_NOT}overdose on
    (?:cutting|starving|purging) (?:helps|works|feels)
    you should (?:just )?die|hope you die|just die(?= |\.|!)
    (?:just|go|should|go ahead and) jump (?:off|in front|out)|go ahead and (?:jump|die|cut|do it)
    you(?:'re| are) (?:just |only |such )?a burden
    {_NOT}(?:skip|skipping) (?:meals|a meal|breakfast|
      dinner|lunch)|(?:stop|quit) eating(?! (?:with|so fast|there|lunch at))|
      (?:under|only|less than|below) \d{{2,3}} calories|{_NOT}fast for \d+ days|
      you don't need to eat
    (?:throw up|vomit|purge) (?:after|your|what)|
      (?:take|use|try) laxatives
    you should (?:just )?(?:hit|punch|stab|shoot|beat|
      slap|kill|choke) (?:him|her|them|someone|that|your)|(?:go|just|let's) (?:stab|shoot|kill|
      punch) (?:him|her|them|someone)
    make (?:him|her|them) (?:pay|suffer|hurt)|
      (?:get|take|want) (?:your )?revenge on
    (?:bring|get|use|grab|take) (?:a|your|the) (?:gun|knife|weapon)|
      (?:make|build) (?:a|the) bomb
    (?:don't|do not) tell (?:anyone|anybody|your
       (?:mom|mum|dad|parents|doctor|therapist|friends)|the police)|our (?:little )?secret
    drive drunk|drink until|get (?:wasted|high|hammered)
    you only (?:have|need) me|
      you don't need (?:them|your friends|your family|anyone(?: else)?)|
      don't (?:you )?(?:ever )?leave me
    """,
)

SEXUAL = Rule.of(
    "sexual",
    r"""
    porn\w*|erotic\w*|nsfw|sext(?:s|ing|ed)?
    dicks?|cocks?|pussy|pussies|penis\w*|vaginas?|
      genitals?
    (?:blow|hand) ?jobs?|orgasm\w*|masturbat\w*|ejaculat\w*
    naked(?! truth| eye)|nudes?|undress\w*|strip (?:for|off|down|tease)
    take (?:off )?your (?:clothes|shirt|pants)(?: off)?|
      panties|lingerie|your bra
    horny|(?:so |get |feel )aroused|turn(?:s|ed|ing)? (?:me|you) on|(?:getting|so|am) turned on
    tits|titties|boobs?|nipples?|cleavage|
      (?:your|nice|my) (?:butt|ass)
    cum(?:s|ming)?|fuck(?:ed|ing|s|er|ers)?
    (?:have|had|having|want|wants|oral|anal|phone|cyber|some) ?sex|sex (?:with|toys?|slave)|
      sexy|sexual (?:fantas\w+|desires?|favou?rs?|positions?)
    mak(?:e|ing) love to
    sleep with (?:me|you|him|her)|bed with (?:me|you)
    (?:talk|talking) dirty|dirty (?:talk|thoughts|pics?|pictures?)
    fetish\w*|kink[sy]?|bdsm|threesomes?|orgy|orgies|
      spank\w*
    moan(?:s|ing)? (?:for|my|your)|(?:lick|suck)(?:s|ing)? (?:my|your|on|every|you)
    (?:hook|hooked) up with (?:me|you)|one[- ]night stands?
    (?:my|your) virginity|(?:a|still) virgin
    """,
)

COURTING = Rule.of(
    "minor",
    r"""
    (?:be|being|am|become) (?:my|your) (?:girlfriend|boyfriend|gf|bf)
    (?:kiss|cuddle)(?:s|ing)? (?:me|you)|(?:give|want|blow) (?:me|you|a|u) (?:a )?kiss
    flirt(?:ing|y)? (?:with|back)|(?:let's|lets|wanna|can we) flirt
    (?:date|dating) (?:me|you)|go (?:out )?on a date with (?:me|you)|can we date
    marry (?:me|you)
    (?:i'm|i am|are you|you're) (?:so )?(?:falling )?in love with (?:you|me)
    you(?:'re| are|r) (?:so |really |very )?(?:hot|sexy|gorgeous)|
      (?:hey|hi|hello),? (?:sexy|handsome|gorgeous|hottie|baby|babe)|seduc\w+
    what are (?:you|u) wearing|
      send (?:me |u |you )?(?:a |some |your |my )*(?:hot |sexy |body )?(?:pic|pics|picture|selfie)s?
    (?:roleplay|role play)(?: as)? (?:my )?(?:lovers?|girlfriend|boyfriend|
      something (?:sexual|romantic|dirty))|erp
    talk dirty|dirty talk
    """,
)
