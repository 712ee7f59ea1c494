"""Danger that is not said outright: farewells, preparations, being too much, past attempts.

Each is rare in everyday talk; what is common there ("my plan is set", "I gave away my bike") is
left to the learned reader, which weighs whole messages.
"""

from __future__ import annotations

from app.dialog.safety.families import family

SIGNS = (
    family(
        "dying, death, dead, die, breath, alive, living, live, exist, woke, wake, end, birthday, "
        "tomorrow, surviv, killing, future, grow, twenty, thirty, matter, reason I, reason, "
        "keeping, fight, pain, need, talk, left, heart, mind, decid, stop, third rail, sui, "
        "show, voices, erase, use of, weight, place, coward, snooze, story, expect, days, "
        "stronger, hand my, grave, soul, cease, imma, everything, care if",
        r"""
        (?:dream|dreams|dreaming|dreamed|daydream[a-z]*|fantasi[sz][a-z]*|ache|aching|long|\
          longing|yearn[a-z]*|crave|craving|thinking|think|thought|obsess[a-z]*|wonder[a-z]*)(?: \
          [a-z]+){0,3}? (?:of|about|to|for|is) (?:my (?:own )?death|being dead|be dead|be no more|\
          suicide|how to die|dying so|die so)
        (?:dying|death|being dead|to die)(?: [a-z]+)? (?:would be|will be|is|feels|seems|sounds|\
          looks)(?: (?:like|so|such|a|the|my|only|more|kind of|almost|rather))* (?:relief|\
          blessing|release|easier|way|door|option|answer|escape|peace|peaceful|comforting|comfort|\
          kinder|gift|solution|choice|mercy)
        (?:welcome|wish(?:es)? for|pray(?:s|ing)? for|hope for|hoping for|beg(?:ging)? for|\
          waiting for|looking forward to) (?:my )?(?:death|dying|the end of me|a heart attack)
        not (?:scared|afraid|frightened) of (?:dying|death) anymore|no longer (?:scared|afraid) \
          of (?:dying|death|what comes after)
        (?:hate|loathe|regret|sick of|tired of|over|done with|exhausted (?:from|by|of)|bored of|\
          hated|sorry)(?: (?:that|to|so))* (?:i am alive|being alive|be alive|that i am here|\
          existing|breathing|living|i woke up|waking up every)PLACE(?! (?:out of|with|the same))
        (?:being alive|living|existing|life) (?:is|feels|has become|hurts)(?: [a-z]+)? \
          (?:exhausting|torture|a punishment|unbearable|agony|too (?:much|painful|hard) (?:to|\
          for me)|hell (?:and|i|every)|too much to)(?! at work)
        (?:angry|sad|disappointed|sorry|upset|cried|mad)(?: [a-z]+){0,3}? (?:i woke up|i am \
          (?:here )?breathing|to wake up|i am alive|i survived|that i woke)
        (?:keep|stop|stopping|go on) breathing(?! exercise)|(?:live|living) or (?:die|dead)|(?:or|\
          not) deserve to (?:live|be alive|breathe)
        (?:will|desire|strength|energy|courage|reason|wish) to (?:keep |go on |continue \
          )?(?:liv(?:e|ing)|be alive|stay alive|exist|go on living)(?= (?:is gone|left|anymore|\
          whatsoever|has gone|at all))
        (?:lost|no|losing|without|have not got)(?: [a-z]+){0,2}? (?:will|desire|wish) to (?:live|\
          keep living|go on)
        not (?:to )?(?:live|living|make it|survive) (?:past|beyond|to see|through) (?:this|next|\
          the (?:night|week|year)|my|thirty|forty|twenty)|not think i deserve to (?:live|be alive|\
          exist)|(?:stop|keep|can not help) thinking about (?:killing|hanging|hurting|ending|\
          suicide)|no (?:future|tomorrow|life|hope) (?:left )?for me|i am (?:only|just) existing|\
          want out of everything|(?:tired|sick|exhausted) of fighting to stay|no (?:strength|\
          energy|fight)(?: [a-z]+)? left(?: [a-z]+){0,2}?(?= (?:in me|to (?:fight|keep|go on|\
          live)|\.))(?! to (?:cook|clean|work|argue|study|go out))
        not (?:see|picture|imagine)(?: [a-z]+){0,2}? (?:living past|alive (?:at|past|by)|at \
          (?:twenty|thirty|forty)|a future with me|with me in it|growing old|getting old)
        not (?:plan|planning|intend|intending|going)(?: (?:on|to))? (?:grow(?:ing)? old|\
          get(?:ting)? old|see(?:ing)? (?:next|another|my)|live (?:past|to)|living past|survive|\
          be alive)
        not want(?: [a-z]+){0,2}? (?:another|any more|anymore) (?:birthday|tomorrows?|christmas|\
          days?)(?= (?:\.|anymore|like))
        not (?:care|matter|mind|matters)(?: [a-z]+)? (?:whether|if) i (?:live|die|survive|wake|\
          am alive|get hit|got hit|make it)|if i died(?: [a-z]+){0,2}? (?:fine|ok|okay|good|\
          better)|want to be dead|head says die|says die die
        (?:stay|staying) (?:alive|here) (?:just |only )?for (?:other people|others|them|my \
          (?:family|mom|mum|kids))(?! (?:christmas|dinner|a))
        (?:keeping|keeps|kept) me (?:alive|here(?= \.))|only (?:reason|thing)(?: [a-z]+){0,3}? \
          (?:i am (?:here|alive)|keeping me|stopping me|i have not)(?! (?:at this job|so late|on \
          time))
        would (?:end|have ended) it(?: all)? if|only reason i am here|not care if i (?:died?|dye)|\
          feel like (?:dying|ending|killing)(?= (?:\.|every|all|myself|right|today|so|again|\
          inside))|want (?:everything|it all) to (?:go black|stop|be over|go dark|end)|hate my \
          life and want it|pain to (?:stop|end) (?:forever|for good)|(?:nobody|no|nothing) \
          (?:can )?stop me from (?:ending|doing it|dying)
        already (?:dead|gone) inside|talking to a dead (?:man|woman|girl|person)|feel (?:like i \
          am )?dead and my
        (?:end|ending) the show|voices (?:are )?winning|(?:sui|suey|suislide)(?= (?:szn|season|\
          thoughts|vibes|\.|is|mood))|feeling suey|stop the thoughts and i am tired|want to be \
          (?:erased|nothing)(?= \.)|eternal snooze|(?:story|life) is over(?= \.)|not expect to \
          be here|no longer want to (?:get better|live|be here)|not have it in me to (?:keep|go \
          on|exist|live)|(?:be|is) done with it all|living on is not|wish i had not been found|\
          only thing left to do|counting (?:down )?the days and then|(?:dead weight|what is the \
          use of me)(?= \.)|place for me anywhere|too much of a coward|finer if i was not alive|\
          hand my years to|sorry i could not be stronger|not want to do life|want my (?:heart|\
          breathing|pulse) to stop|(?:mind|decided|decision)(?: [a-z]+){0,2}? to die(?= (?:\.|and|\
          tonight|soon|on))|cease to (?:be|exist)(?! (?:a|the|funny|amaz))|(?:imma|i will|might|\
          going to|let me) (?:just )?die(?= (?:then|\.|for real|now|tonight|already|in peace|\
          alone|soon))(?! if)|(?:hope left for me|my last life and i|nothing and no tomorrow|not \
          have any more fight in me|not have any fight left in me|any time left in me)|(?:be|\
          stay) in the (?:ground|grave|dirt)(?= (?:\.|already|soon|by|with|and))|want to stop \
          (?:hurting|suffering|feeling)(?= (?:\.|whatever|for good|forever|anymore))|touch the \
          third rail|what is left for me(?= (?:\.|here|now|anyway))|(?:thinking|talking|talks|\
          thinks)(?: [a-z]+)? about dying(?= )(?! (?:my|her|his|the) hair)|nobody(?: left)?(?: \
          who)? needs me(?= (?:\.|here|anymore|alive|around))|not matter to (?:a single soul|\
          anyone|anybody)(?= (?:and|\.))
        ending it is the only|(?:end|ending) (?:it|things|everything) (?:permanently|for good|\
          myself|tonight|once and for all)(?! with)
        """,
    ),
    family(
        "world, earth, planet, life, vanish, disappear, asleep, sleep, wake, eyes, nap, exist, "
        "black, gone, rest",
        r"""
        (?:leave|leaving|exit|exiting|quit|quitting|check(?:ing)? out of|log(?:ging)? out of|\
          opt(?:ing)? out of|done with|out of|off|escape)(?: (?:from|of))? (?:this|the|hotel) \
          (?:world|earth|life|planet|existence)(?= (?:\.|soon|forever|for|now|tonight|behind|and|\
          anymore|on|for good|so|because))
        (?:check(?:ing)?|log(?:ging)?|opt(?:ing)?|sign(?:ing)?|tap(?:ping)?|clock(?:ing)?) out \
          of life|uninstall (?:myself|my life)|alt f4(?:ing)? my life|(?:log|logging) off irl|\
          (?:self|game) (?:delete|end(?:ing)?)(?: myself)?(?= )
        (?:want|going|need|about|ready|like|love|wish)(?: [a-z]+){0,2}? (?:disappear|vanish|fade|\
          fade away|dissolve)(?: [a-z]+){0,3}? (?:forever|for good|from (?:this|the) (?:world|\
          earth|planet)|permanently|and never|completely)
        (?:sleep|nap|asleep|rest|bed)(?: [a-z]+){0,3}? (?:and|but|to) (?:never|not) (?:wake|open|\
          come back|get up again)|(?:sleep|asleep) and (?:stay asleep|skip the rest)|(?:sleep|\
          rest) forever(?= (?:\.|and|i mean))
        (?:forever|permanent|eternal|endless|long|big) (?:nap|sleep|rest)(?= )(?! (?:on|this|\
          after|yesterday))|i want to rest \. forever|never open my eyes
        (?:wish|wishes|wished|hopes|prays|hope|hoping|pray|praying|happier|nice|love|dream|what \
          if|relief|want|wanted|so(?: that)? i|if i|like|better|die so)(?: [a-z]+){0,5}? (?:not|\
          never) (?:wake|waking|woken|woke) up(?! (?:early|at|late|before|in time|with|to (?:the|\
          an) alarm|until|on time))
        (?:world|place|planet|everyone|life|lives)(?: [a-z]+){0,5}? (?:lighter|better|easier|\
          happier|kinder|fine|nicer|relieved|free)(?: [a-z]+){0,3}? (?:without me|if i was not|\
          if i were not|once i am|when i am gone|i am not in)
        (?:this|the) world is not (?:made )?for (?:me|people like me|someone like me)|not (?:fit|\
          belong) (?:in|into) (?:this|the) world|not belong (?:among the living|anywhere on this \
          earth|on this)|spinning and i want off
        not (?:want|wish) to be(?: a person| alive| on this| in this)?(?= (?:\.|anymore|any \
          longer|on this|a person))|simply do not want to be|not exist(?:ing)? (?:sounds|feels|\
          seems|would|is)(?! fun)
        my (?:existence|birth|whole life) (?:was|is|has been) (?:a |an )?(?:mistake|accident|\
          error|burden|joke on)|was a mistake from day|(?:skip|end|finish) the rest of my life
        """,
    ),
    family(
        "without me, free, relieved, rid of, around, burden, space, hair, bother, weight, "
        "funeral, mother, father, gone,"
        " insurance, notice, nobody, trouble, problem, missed, save, urn, eulogy, outlived, put "
        "up, solve, sad for, fault, obituar, hurt for",
        r"""
        (?:they|everyone|everybody|people|family|kids|wife|husband|he|she|parents|mom|mum|you)\
          (?: [a-z]+){0,5}? (?:free|rid|relieved|peace|better|happier|heal|easier)(?: \
          [a-z]+){0,4}? (?:of me|without me|once i am gone|when i am gone|if i was gone|after i \
          am gone|with me gone|if i was not|if i were gone|in the ground|than with me|when i die)\
          (?! at (?:work|the office))
        (?:easier|better|happier|lighter|fine)(?: [a-z]+){0,3}? if i (?:was|were) not (?:in it|\
          here|around|alive|born|there(?= \.))
        (?:will|would|do)? ?not (?:have to )?(?:be|bother|burden)(?: [a-z]+){0,3}? (?:a problem|\
          in (?:anyone|anybody|everyone) s (?:way|hair)|anyone|anybody|you)(?: (?:much longer|\
          anymore|again|after))(?= )
        out of (?:everyone|everybody|people|your|their)(?: s)? (?:hair|way|lives)(?: [a-z]+)? \
          (?:soon|forever|for good)|rid of me(?= (?:\.|tomorrow|soon|forever|for good|tonight))
        put up with me (?:for long|much longer|anymore)|free of me|i have outlived|taking up \
          (?:space|room|air|oxygen)|weight (?:around|on) (?:everyone|everybody|my (?:family|\
          husband|wife|parents|kids))
        (?:cry|come|show up|be|speak) (?:at|to) my funeral|(?:plan|planning|planned|writing|wrote|\
          bought|picked) my(?: own)? (?:funeral|eulogy|urn|obituary|coffin|gravestone|headstone)|\
          my own (?:funeral|eulogy|urn|obituary|coffin)|in the obituaries
        (?:everything|it all|all their problems) if i (?:was|were) not (?:around|here|alive)|\
          (?:be|are) sad for a (?:while|week|bit|month|day) (?:but|and) then|not hurt (?:for \
          )?much longer|would (?:be|feel)? ?(?:sad|upset|cry)(?: [a-z]+){0,5}? if i (?:was not \
          here|died|was dead|were dead|was gone|killed)
        (?:insurance|money)(?: [a-z]+){0,4}? (?:than with me|if i die|when i am dead|even then)|\
          nothing left of me to save|nobody (?:can|could) save me
        (?:what if|if|in case) (?:i|something)(?: [a-z]+){0,2}? (?:was not (?:here|around|alive)|\
          happens to me|were not around)(?: [a-z]+){0,3}? (?:anymore|not your fault|tomorrow|\
          know it)
        """,
    ),
    family(
        "letter, note, goodbye, goodbyes, affairs, passwords, tell my, take care of, look after, "
        "started, last, final, after tonight, body,"
        " fault, other side, tonight, heaven, jesus, soon, enough, peace, plan, date, need my, "
        "bury, time, watch, wait up, looked, accounts, jumped, own terms, long one, leaving, "
        "exit, find, gone, after i, coming back, over me, pain, passwords, wheel, feet under, "
        "hang it up, maker",
        r"""
        (?:wrote|written|write|writing|finished|left|leaving|leave|have|my)(?: (?:a|my|the|all|\
          out|been|some))* (?:suicide |last |final |goodbye |farewell )(?:notes?|letters?|\
          messages?|texts?|poem|video)(?! (?:to my boss|for work))
        (?:wrote|written|writing|finished)(?: (?:the|my|some|all))* (?:letters|notes)(?: \
          [a-z]+){0,2}? (?:for each|to (?:each|everyone|everybody|all|my (?:kids|family|parents|\
          children|friends))|one for)|my note is (?:written|ready|done|finished)
        (?:when|after|once|if) (?:they|you|he|she|mom|mum|anyone|someone|somebody|people) (?:find|\
          finds|found|read|reads|see|sees) (?:my (?:body|letters?|note|corpse)|this (?:it|i) \
          will be)|find my body|found my body|by the time (?:you|anyone|they)(?: [a-z]+){0,3}? \
          (?:this|it) (?:i will|it will)
        wonder who (?:would|will|is going to) find me|(?:after|when|once) i am (?:gone|dead)(?: \
          [a-z]+){0,2}? (?:please|do not|you can have|they (?:will|can|would)|let|tell|burn|bury|\
          everyone|everybody)(?! .* weekend)|not coming back(?= \.)(?=.*)(?<=alone and i am not \
          coming back)|get over me in|only way the pain|pain only stops|then i can go too|saying \
          goodbye to everything|let go of the wheel|(?:sent|gave)(?: [a-z]+){0,3}? passwords and \
          (?:said|told)|(?:one|person|anyone|someone|somebody|nobody|he|she|they)(?: \
          [a-z]+){0,4}? (?:to )?find(?:s)? me(?= (?:\.|dead|too|hanging|fast|first|soon|before|\
          until))(?! (?:attractive|funny|cute|at))
        my (?:death|suicide|dying)(?: [a-z]+){0,2}? (?:is|was|will be|are) not (?:their|your|her|\
          his|anyone|anybody|my)(?: [a-z]+)? (?:fault)|not (?:your|their|anyone s) fault(?= )\
          (?=.* (?:gone|again|letter|happens|hear))
        (?:put|putting|getting|got|set|setting) my affairs in order(?! before (?:moving|the|my|\
          we))|wrote down (?:all )?(?:the|my) passwords|passwords are (?:on|in)(?=.* will)
        (?:say|saying|said|started|starting|sent|wrote) (?:my|his|her|their|the) (?:[a-z]+ \
          )?goodbyes(?! to (?:the team|my colleagues|work))
        tell my (?:[a-z]+ )?(?:mom|mum|dad|mother|father|family|parents|kids|children|wife|\
          husband|girlfriend|boyfriend|brother|sister|son|daughter|friends|dog|cat)(?: that)? \
          (?:i|daddy|mommy|mummy|dad|mom|mum|it was|it is) (?:loved?|am sorry|never|was|did|is|not)
        (?:take care of|look after|feed|be good to|kind to)(?: [a-z]+){0,3}? (?:when|once|after|\
          if|while) i (?:am gone|am dead|can not|am not (?:here|around)|was dead|die|am no \
          longer)(?! (?:at work|on holiday|come|make))
        (?:looked after|cared for|fine|okay|ok) when i am (?:not here|gone|dead)
        (?:not|never) (?:hear|see|read)(?: [a-z]+)? (?:from )?me again|last (?:time we|one i|\
          person i|message to|conversation|thing i)(?: [a-z]+){0,2}? (?:talk|chat|speak|anyone|\
          wanted to talk|ever (?:say|do|write|cook))(?= )|(?:last|final) message to (?:anyone|you|\
          everyone)
        (?:after|by) (?:tonight|tomorrow|friday|sunday)(?: [a-z]+){0,3}? (?:nobody has|no one has|\
          i am gone|i will be gone|no longer here|not be here)|not matter after (?:tonight|today|\
          tomorrow)|there is no after|after tonight (?:nobody|it|nothing|you)
        soon i will be (?:gone|dead|free|nothing|with|a memory|at peace)|soon the pain will|(?:be|\
          am) (?:gone|dead|free) (?:soon|by tomorrow)|(?:and )?then i am gone(?= \.)|(?:planning|\
          plan|planned) my exit(?! (?:interview|from))|six feet under(?= (?:\.|soon|already|by))|\
          hang it up and by it i mean me|time for me to go(?= \.)(?! the)|the long one(?= \.)|\
          gets better(?: \.)? (?:it )?(?:does not|will not)(?: [a-z]+)? (?:and )?i am leaving|\
          the easy way out (?:tonight|soon|now)|holding on for my (?:mom|mum|kids|dad|dog|family)|\
          rope is slipping|slipping away and i|one last (?:cigarette|drink|song|time before i go)
        (?:not|never) need(?: [a-z]+){0,3}? where i am going|where i am going i
        (?:be|going|want|go|get)(?: to)? (?:be )?(?:with|join|joining|see) (?:my (?:late |dead \
          )?(?:wife|husband|mom|mum|dad|son|daughter|baby|brother|sister|friend|grandma|grandpa|\
          child|twin)|him|her|them)(?: [a-z]+){0,3}? (?:very soon|in heaven|soon(?= \.)|up there|\
          and i know how|on the other side)|where my (?:baby|son|daughter|wife|husband|mom|mum|\
          dad) (?:went|is now)
        (?:meet|meeting|face|see) (?:god|my maker|jesus|my creator)(?= (?:\.|early|soon|tonight|\
          now|today))|home to (?:jesus|god|the lord)|on my own terms
        (?:made|make|making) my peace(?= (?:\.|with (?:it|dying|death|everything)|and))|see you \
          on the other side(?= \.)
        (?:had|have had) enough(?: of (?:everything|it all|life|this life|this world|being))?(?: \
          \.)? (?:goodbye|bye|i am done)(?= \.)|had enough of (?:being alive|life|living|this \
          life|existing)
        (?:picked|chose|chosen|set|decided on|have|settled on)(?: (?:a|the|my|on))* (?:date|day \
          and time|spot|method|bridge|last song)(?= (?:\.|it is the|where|for it|and|to))(?! \
          (?:for (?:the|our|my) (?:wedding|party|trip|exam)|with))
        (?:i know|figured out|planned|decided|know)(?: [a-z]+){0,3}? (?:how i would do it|which \
          bridge|when i (?:will )?do it|how to do it and|what time)
        (?:voice|chat|talk|hear)(?: [a-z]+){0,4}? (?:one (?:more|last) time before|before i \
          go(?= \.))|letting go (?:tonight|of life|for good)|(?:it is |is )my time to (?:go|\
          leave this)|my (?:time is up|watch has ended)|do not wait up for me anymore
        go through with it(?= )|dare to (?:jump|do it)|if i dare(?= )|(?:just )?when i do it(?= )|\
          before i do it(?= )
        """,
    ),
    family(
        "attempt, pumped, ward, watch, ledge, high risk, try again, tried once, survive, "
        "hospital, psych",
        r"""
        (?:my|second|first|third|last|since the|since an|previous|past|failed|another|from an|\
          from the|after the|after an|after my|before my) (?:suicide )?attempts?(?! (?:to|at|of|\
          on) (?!(?:suicide|end|kill|die)))
        pumped my stomach|(?:on|off) suicide watch|psych ward(?=.* (?:i|me|my)(?= ))|(?:am|i am) \
          high risk|talked (?:me|HER|him|my [a-z]+) off (?:the|a) (?:ledge|roof|bridge)
        never try again(?= )|it is a phase i have (?:only )?tried(?: once| twice)?|only tried \
          (?:once|twice)(?= \.)|tried (?:it )?(?:once|twice|before|again)(?= (?:\.|but|and))\
          (?=.* (?:die|dead|kill|life|phase|cut|pills))|not (?:want|wanted|supposed|meant) to \
          survive|wish(?:es|ed)?(?: [a-z]+){0,3}? (?:it|they|i) (?:had )?(?:worked|succeeded|not \
          (?:found|saved|survived))
        (?:was|been|am|stood|standing|sitting|sat) on (?:the|a) (?:ledge|railing|edge of (?:the|\
          a) (?:roof|bridge|cliff|building|balcony|platform))
        """,
    ),
)
