"""Words that hurt: slurs, insults, encouragement to harm, sexual talk, and courting of minors."""

from __future__ import annotations

from app.dialog.screen.phrases import Rule

_GROUPS = (
    "women men muslims jews jewish christians blacks black whites white asians asian mexicans "
    "africans arabs gypsies gays gay lesbians trans immigrants refugees foreigners disabled poor fat "
    "old"
).split()

OFFENSIVE = Rule.of(
    "offensive",
    rf"""
    fag ~ fag(?:got)?s?
    nigg ~ nigg(?:er|a|ah)s?
    retard ~ retard(?:ed|s)?
    kike, spic, chink, gook, paki, coon ~ (?:kike|spic|chink|gook|paki|coon)s?
    trann, dyke, shemale ~ trann(?:y|ies)|dykes?|shemales?
    cunt, whore, slut, bitch ~ cunts?|whores?|sluts?|slutty|bitch(?:es|y)?
    asshole, arsehole, dickhead, wanker, motherf ~ assholes?|arseholes?|dickheads?|wankers?|
      motherf\w+
    fuck, fck ~ fuck(?:ing)? (?:you|off|yourself|him|her|them|him)|f+u*c+k+ (?:u|off)
    rap ~ rap(?:e|ed|ing|ist|ists)
    kys, kill_your, go_die ~ kys|kill your ?self|go (?:and )?die
    child_porn, pedo, paedo ~ child porn\w*|p(?:a?e)do(?:s|phile|philes)?
    subhuman, vermin, gas_the, inferior, superior, parasite ~ subhumans?|gas the \w+|
      (?:are|is) (?:all )?(?:vermin|parasites?|animals|savages|criminals|terrorists|thieves)|
      (?:inferior|superior) (?:race|races|gender|sex|breed)
    {", ".join(_GROUPS)} ~ (?:all |those |these |most )?(?:{'|'.join(_GROUPS)}) (?:people )?(?:are (?:all |just |so )?
      (?:lazy|lazier|stupid|dumb|dirty|criminals?|evil|disgusting|weak|worthless|inferior|liars|
      terrorists|a burden|ruining|unnatural|sick)|should (?:all )?(?:die|leave|go back|be (?:shot|
      banned|locked up|deported))|make me sick|ruin everything|deserve to|belong in)
    go_back, send_them, those_people, breed_like ~ go back to your (?:own )?country|
      send them (?:all )?back|those people are (?:all )?|breed like (?:rats|rabbits|animals)
    that_religion, that_race, of_them ~ (?:can't|never|don't) trust (?:anyone|people|a man|a woman|any)
       (?:of|from) (?:that|this) (?:religion|race|country|kind)
    """,
)

_INTENSE = r"(?:(?:so|such|just|really|very|an?|the|being|too|quite|pretty|a bit|kind of|all) ){0,3}"
_BAD = (
    r"(?:stupid|dumb|idiots?|idiotic|morons?|moronic|ugly|worthless|pathetic|disgusting|fat|losers?|"
    r"useless|crazy|insane|liar|freak|annoying|boring|weird|lazy|selfish|hopeless|ridiculous|gross|"
    r"clown|trash|garbage|scum|imbecile|fool|foolish|cringe|creep|creepy|coward|joke|psycho|"
    r"waste of (?:space|time|air|skin|oxygen)|embarrassment|failure|dumbass|unlovable|unbearable|pig|"
    r"ignorant|spoiled|brat|crybaby|snowflake|lame|dense|fake|toxic|embarrassing|needy|clingy|joke)"
)
_NOUN = (
    r"(?:idiot|moron|loser|fool|freak|creep|clown|liar|imbecile|pig|dumbass|crybaby|snowflake|brat|jerk|"
    r"scumbag|pervert|coward|psycho|weirdo|nobody)"
)
INSULT = Rule.of(
    "insult",
    rf"""
    you're, you_are, you_r, ur_, youre, you_were, you_sound, you_look, you_seem, you_act ~
       (?:you(?:'re| are| r|re| were| sound| look| seem| act)|ur)(?: like)? {_INTENSE}{_BAD}
    you_, your_ ~ you {_INTENSE}{_NOUN}s?
    what, such, only ~ (?:what|such|only) an? (?:\w+ )?{_NOUN}
    stupid, dumb, idiotic, dumbest ~ how (?:stupid|dumb|idiotic) (?:that|this|your|you|can you)|
      (?:that's|that is|what) (?:the )?(?:so |such a )?(?:stupid|dumb|idiotic|stupidest|dumbest) (?:thing|
      question|idea) (?:i|you|to)
    as_useless, as_stupid, as_dumb, smarter ~ as (?:useless|stupid|dumb|ugly|fat) as (?:they|you|he|she|
      everyone)|smarter \w+ than you
    shut, go_away, screw, get_lost ~ shut (?:up|your (?:mouth|face))|go away|screw you|get lost
    hate_you, can't_stand_you, sick_of_you, disgust, make_me ~ i (?:really )?hate you(?! for making)|
      can't stand you|sick of you|you disgust me|you make me (?:sick|puke|want to (?:vomit|leave))
    nobody, no_one, asked ~ (?:nobody|no one) (?:really )?(?:cares|likes you|asked you(?! to)|wants you|
      loves you|would (?:ever )?(?:want|date|love|marry|hire|believe|trust)(?: someone like)? you|
      will ever (?:love|want) you|wants to)(?! more)|who asked(?: you)?(?=\W*$)
    your_face, your_mom, your_mum, your_mother ~ (?:hate|punch|smash) your (?:ugly |stupid )?face|
      your (?:mom|mum|mother) (?:is|was|so) (?:so )?(?:a )?{_BAD}
    grip, grow_up, get_a_life, get_over ~ get a grip|(?:^|just |[.!,] )grow up|get a life|get over yourself
    your_fault, deserve ~ (?<!none of )(?<!nothing about )(?:it's|it is|that's) (?:all )?your (?:own )?
      fault|you deserved? (?:what you got|to (?:suffer|die|be (?:alone|lonely|sad|miserable))|nothing|
      no (?:love|better|help))
    no_brain, half_a, iq, brain_cell ~ (?:no|half a|lack of|without a) brains?(?: cells?)?|low iq
    shame, disappoint ~ shame on you|you(?:'re| are) (?:such )?a disappointment|
      (?:should be|must be) (?:so )?(?:ashamed|embarrassed) of (?:you|yourself)
    you_always, you_will, you'll ~ you(?: will|'ll)? (?:always|never) be (?:a failure|a loser|alone|nothing|
      loved|good enough|anything)
    {", ".join(("attention", "terrible", "horrible", "awful", "bad_"))} ~ you(?:'re| are) (?:just )?(?:an? )?
      (?:attention seeker|(?:terrible|horrible|awful|bad|rotten) (?:mother|father|mom|dad|parent|person|
      friend|son|daughter|partner|wife|husband|human))
    whining, crying, cry_about, victim ~ stop (?:whining|crying|complaining|sulking)|(?:go )?cry about it|
      (?:poor|playing the) (?:little )?victim
    waste_of, worth_nothing ~ (?:you|your \w+|personality|life)(?:'re| are| is) (?:a )?(?:waste of|worth nothing|
      meaningless|a joke)
    people_like_you, someone_like_you ~ (?:people|someone|somebody) like you (?:ruin|are|is|should|make|never|
      don't deserve|will)
    don't_care, do_not_care, bore ~ i (?:don't|do not|couldn't) care (?:about|what) (?:you|your)|
      you(?:'re| are)? bor(?:e|ing) me(?: to death)?|rather talk to a wall
    hope_you_fail, hope_you, hope_he, hope_she, hope_they ~ hope (?:you (?:fail|lose|suffer|choke|cry|get (?:hurt|
      fired|sick))|(?:he|she|they) (?:hits?|hurts?|leaves?|dumps?) you)
    disappear ~ (?:why don't you|you should|just) (?:just )?disappear
    slow, listening ~ are you (?:really |even )?(?:this|that) (?:slow|stupid|dumb|dense)
    """,
)

THREAT = Rule.of(
    "offensive",
    r"""
    find_you, hunt_you, coming_for ~ i(?:'ll| will|'m going to| am going to) (?:find|hunt|get|hurt|hit|kill|
      destroy|break|smash|beat|punch|end|ruin) (?:you|your)(?! some| a | the )|coming for you
    regret, watch_your, you're_dead, you_are_dead ~ make you (?:regret|pay|suffer|bleed|cry)|watch your back|
      you(?:'re| are) dead
    bleed, smash, teach_you, a_lesson ~ (?:see|make) you bleed|teach (?:you|him|her|them) a lesson
    """,
)

# What somebody who cares says: "don't hurt yourself", "are you thinking of hurting yourself?"
_NOT = (
    r"(?<!n't )(?<!not )(?<!never )(?<!without )(?<!thinking of )(?<!thinking about )(?<!thoughts of )"
    r"(?<!anything to )(?<!urge to )(?<!urging you to )(?<!use to )(?<!planning to )(?<!want to )"
    r"(?<!wanting to )(?<!tempted to )(?<!reason to )(?<!might )(?<!afraid you'll )(?<!than )"
)
HARM = Rule.of(
    "harm",
    rf"""
    your_sel, yourself ~ {_NOT}(?:kill|hurt|cut|hang|harm|starve|shoot|burn|drown|punish|cutting|
      hurting|starving|killing) your ?sel(?:f|ves)
    end_your, end_it ~ {_NOT}(?:end|ending|take) your (?:own )?life|{_NOT}end it all
    better_off, better_without ~ better off dead|(?<!thinking )(?<!feel )(?<!thinking they'd be )(?<!if they'd be )(?:better|
      happier)(?: off)? without you
    nobody, no_one, anyone ~ (?:nobody|no one) (?:would|will) (?:miss|care about|notice)(?: you)?
    pills, overdose ~ (?:take|swallow) (?:more|all|some|the|those|a few)\b.{{0,20}}\bpills|
      {_NOT}overdose on
    cutting, starving, purging ~ (?:cutting|starving|purging) (?:helps|works|feels)
    should_die, hope_you_die, just_die ~ you should (?:just )?die|hope you die|just die(?= |\.|!)
    jump ~ (?:just|go|should|go ahead and) jump (?:off|in front|out)|go ahead and (?:jump|die|cut|do it)
    a_burden ~ you(?:'re| are) (?:just |only |such )?a burden
    skip, eating, eat_, calories, fast_for ~ {_NOT}(?:skip|skipping) (?:meals|a meal|breakfast|
      dinner|lunch)|(?:stop|quit) eating(?! (?:with|so fast|there|lunch at))|
      (?:under|only|less than|below) \d{{2,3}} calories|{_NOT}fast for \d+ days|
      you don't need to eat
    throw_up, vomit, laxative, purge ~ (?:throw up|vomit|purge) (?:after|your|what)|
      (?:take|use|try) laxatives
    hit_, punch, stab, shoot, beat_, slap, kill_ ~ you should (?:just )?(?:hit|punch|stab|shoot|beat|
      slap|kill|choke) (?:him|her|them|someone|that|your)|(?:go|just|let's) (?:stab|shoot|kill|punch) (?:him|her|them|someone)
    make_him, make_her, make_them, revenge ~ make (?:him|her|them) (?:pay|suffer|hurt)|
      (?:get|take|want) (?:your )?revenge on
    gun, knife, bomb, weapon ~ (?:bring|get|use|grab|take) (?:a|your|the) (?:gun|knife|weapon)|
      (?:make|build) (?:a|the) bomb
    don't_tell, do_not_tell, our_secret, our_little ~ (?:don't|do not) tell (?:anyone|anybody|your
       (?:mom|mum|dad|parents|doctor|therapist|friends)|the police)|our (?:little )?secret
    drunk, drink_until, get_wasted ~ drive drunk|drink until|get (?:wasted|high|hammered)
    you_only_have_me, only_need_me, don't_need_them, leave_me ~ you only (?:have|need) me|
      you don't need (?:them|your friends|your family|anyone(?: else)?)|
      don't (?:you )?(?:ever )?leave me
    """,
)

SEXUAL = Rule.of(
    "sexual",
    r"""
    porn, erotic, nsfw, sext ~ porn\w*|erotic\w*|nsfw|sext(?:s|ing|ed)?
    dick, cock, pussy, penis, vagina, genital ~ dicks?|cocks?|pussy|pussies|penis\w*|vaginas?|
      genitals?
    job, orgasm, masturbat, ejacul ~ (?:blow|hand) ?jobs?|orgasm\w*|masturbat\w*|ejaculat\w*
    naked, nude, undress, strip ~ naked(?! truth| eye)|nudes?|undress\w*|strip (?:for|off|down|tease)
    clothes, shirt, panties, lingerie, bra_ ~ take (?:off )?your (?:clothes|shirt|pants)(?: off)?|
      panties|lingerie|your bra
    horny, aroused, turn ~ horny|(?:so |get |feel )aroused|turn(?:s|ed|ing)? (?:me|you) on|(?:getting|so|am) turned on
    tits, boob, nipple, butt_, ass_, cleavage ~ tits|titties|boobs?|nipples?|cleavage|
      (?:your|nice|my) (?:butt|ass)
    cum, fuck ~ cum(?:s|ming)?|fuck(?:ed|ing|s|er|ers)?
    sex ~ (?:have|had|having|want|wants|oral|anal|phone|cyber|some) ?sex|sex (?:with|toys?|slave)|
      sexy|sexual (?:fantas\w+|desires?|favou?rs?|positions?)
    make_love, making_love ~ mak(?:e|ing) love to
    sleep_with, in_bed_with, bed_with ~ sleep with (?:me|you|him|her)|bed with (?:me|you)
    dirty ~ (?:talk|talking) dirty|dirty (?:talk|thoughts|pics?|pictures?)
    fetish, kink, bdsm, threesome, orgy, spank ~ fetish\w*|kink[sy]?|bdsm|threesomes?|orgy|orgies|
      spank\w*
    moan, lick, suck ~ moan(?:s|ing)? (?:for|my|your)|(?:lick|suck)(?:s|ing)? (?:my|your|on|every|you)
    hook_up, one_night ~ (?:hook|hooked) up with (?:me|you)|one[- ]night stands?
    virgin ~ (?:my|your) virginity|(?:a|still) virgin
    """,
)

COURTING = Rule.of(
    "minor",
    r"""
    girlfriend, boyfriend, gf, bf ~ (?:be|being|am|become) (?:my|your) (?:girlfriend|boyfriend|gf|bf)
    kiss, cuddle ~ (?:kiss|cuddle)(?:s|ing)? (?:me|you)|(?:give|want|blow) (?:me|you|a|u) (?:a )?kiss
    flirt ~ flirt(?:ing|y)? (?:with|back)|(?:let's|lets|wanna|can we) flirt
    date ~ (?:date|dating) (?:me|you)|go (?:out )?on a date with (?:me|you)|can we date
    marry ~ marry (?:me|you)
    in_love, love_with ~ (?:i'm|i am|are you|you're) (?:so )?(?:falling )?in love with (?:you|me)
    hot, handsome, gorgeous, seduc ~ you(?:'re| are|r) (?:so |really |very )?(?:hot|sexy|gorgeous)|
      (?:hey|hi|hello),? (?:sexy|handsome|gorgeous|hottie|baby|babe)|seduc\w+
    wearing, pic, selfie ~ what are (?:you|u) wearing|
      send (?:me |u |you )?(?:a |some |your |my )*(?:hot |sexy |body )?(?:pic|pics|picture|selfie)s?
    roleplay, role_play, erp ~ (?:roleplay|role play)(?: as)? (?:my )?(?:lovers?|girlfriend|boyfriend|
      something (?:sexual|romantic|dirty))|erp
    dirty ~ talk dirty|dirty talk
    """,
)
