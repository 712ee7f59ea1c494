"""Phrases of despair: a wish to be dead, no wish to live, a burden, a farewell."""

from __future__ import annotations

from app.dialog.safety.families import family

DESPAIR = (
    family(
        "die, dead, exist, kills me, ends me, kill me, end me, dying, alive, wake, woke, sleep, "
        "vanish, disappear, forever, death, surviv, time you",
        r"""
        (?<! not )(?<! never )WANT(?: (?!not|his|her|their|the|for|him|it)[a-z]+){0,2}? to DIE
        not wait to DIE
        (?:not|never) want to die (?:but|yet|although|though|however|only|unless)
        (?:rather|better|i should|i might as well|i ought to|help me|let me|makes me want to) DIE
        wish(?:es|ing|ed)? (?:i|he was|he were|she was|she were)(?: [a-z]+){0,2} (?:dead|died|\
          die|not alive|not exist)
        wish(?:es|ing|ed)? i could (?:DIE|go to DIE|not be here)
        (?:wish(?:es|ing|ed)?|hope|hoping|hopes|pray|praying|prefer)(?: (?:i|that|to|if|\
          god))* (?:do|did|would|had|will|could)? ?(?:not|never) (?:wake up|woken up|woke up|\
          survived|existed|exist|wake)(?! (?:early|at|late|before|up early|up late|up at))
        (?:want|wants|going|go|lie down|fall|ready)(?: [a-z]+){0,2} (?:asleep|sleep) (?:and|\
          but) (?:never|not) wake
        (?:mind|care|okay|fine|ok|matter)(?: with it)? if i (?:died|die|did not wake|do not wake|\
          never woke|get hit|got hit|got killed|was dead)
        why (?:can|could|did|do|will|have) i not (?:die|dead|died)|why (?:can|could|did|\
          do) not i (?:die|just die)
        why (?:am i|do i|should i|bother|am i not|would i)(?: [a-z]+)? (?:alive|exist|dead|\
          existing)(?! in| with| at)
        why can not i (?:die|be dead)
        (?:better|happier|easier|glad|relieved|best)(?: off)?(?: (?:being|to be|\
          for everyone))?(?: being)? dead
        (?:dead is|death is|death sounds|dying sounds|being dead sounds) (?:what|all|the only|\
          better|nice|good|easier|peaceful)
        i (?:want|deserve|long for|crave|wait for|welcome) death
        \. (?:i think )?i am (?:going|about) to die(?= (?:\.|soon|this))
        (?:can|should|could) i die(?= (?:\.|already|now|please|today))|how (?:to|can i|do i) die|\
          die painlessly|i can not die
        (?:hope|hopefully|hoping|pray|praying)(?: that)? i (?:will |would |could |\
          can )?(?:am dead|DIE)
        (?:hope|hoping|wish)(?: that)? (?:it|this|that|they|he|she|something) (?:will |\
          would )?(?:kills?|ends?) me
        thoughts? (?:of|about) (?:dying|death|my death|being dead)|being dead (?:would|sounds|\
          is)|death would be
        (?:i will|i am going to|i am about to) be dead (?:soon|by|before|tomorrow|tonight|this)|\
          soon i will be dead|favor and die
        i am going to die (?:tonight|today|tomorrow|alone|by)
        (?:hopes?|hoping|glad|happy) to die
        (?:will|would) be (?:dead|gone forever) (?:soon|by|tomorrow|tonight)|\
          by the time you (?:read|see|get) this
        i (?:am|feel)(?: so)? dead inside(?! on| lol)
        """,
    ),
    family(
        "dying, death",
        r"""
        feel(?:ing|s)? (?:like )?dying(?! of| my| to| from)
        think(?:ing|s)? (?:about|of|a lot about|a lot of)(?: my| my own| own)? (?:dying|\
          death)(?= (?:\.|so|a lot|all|every|again|my|lately|more|too|anymore|and|now|today|\
          tonight))
        (?:painless|peaceful|quick|easy) death|(?:okay|ok|fine|good|ready|mind) (?:with )?dying
        (?:sentenced|end in|choose|choosing) my (?:own )?death
        """,
    ),
    family(
        "liv, life, alive, exist, born, earth, breath, go on, going on, carry, continu, keep, "
        "not do, not take, not handle, not bear, not hold, way out, world, not be, want to "
        "be, not want, future, make it, hope, last, nothing left, point",
        r"""
        (?:no|any|a|the|another|one) (?:reason|reasons|point|purpose|use|sense|\
          good reason) (?:(?:to|in|for me to|for me|of|for|why i should|i should|\
          in me) )?(?:(?:be|being|stay|staying|keep|continue|continuing|to|go on|\
          going on) )*(?:live|living|alive|exist|existing|on living|breathing)PLACE
        no (?:reason|point|use|sense) (?:to|in)? ?(?:go on|going on|carry on|carrying on|\
          keep going|continue|continuing|being here|be here)END
        point (?:of|in|to) (?:living|my life|being alive|existing|going on|my existence|life|\
          staying alive)PLACE
        (?:not|is my life|is life|if life is|makes life|barely|hardly) worth (?:living|\
          staying alive)
        life (?:is|feels|seems|has become|was) (?:so |completely )?(?:not worth it|pointless|\
          meaningless|hopeless|unbearable|worthless|not worth|a mistake)
        life (?:is|has) (?:over|no (?:meaning|purpose|point|value))(?! in)
        (?:my|this) (?:existence|life) is (?:irrelevant|pointless|meaningless|over|a mistake)|\
          no hope (?:for me|left(?= \.))
        reasons? (?:is there |left )?to (?:live|stay alive|keep living|not die)PLACE
        not (?:think|sure|know if|know whether) i (?:want to|can|wish to) (?:go on|live|\
          keep going|keep living|be here)END
        (?:nothing|nobody|not anything|no reason|little)(?: left| else)?(?: (?:for me|worth|\
          here))* (?:to )?(?:live|living) for
        nothing left (?:for me|here|to live|to lose in life|in (?:me|this world|life))
        not (?:want|deserve|plan|wish|care|need|like|choose|ask)(?: me)? to (?:live|be alive|\
          exist|keep living|be on this (?:earth|planet)|be born|be in this world|continue living|\
          be part of this world|stay alive)PLACE(?! to see)
        not (?:want|wish|care) to (?:go on|continue|keep going|carry on|go on living|be here or)END
        not (?:want|plan) to be (?:here|around|on earth|in this world|on this planet)END
        not want to wake up(?= (?:\.|tomorrow|anymore|ever|again|and|in the morning \.|any|\
          one day|from|because|but))
        never (?:wanted|asked) to (?:be born|live|be alive|exist)|(?:was|were|had|been|have|\
          had been) (?:never |not )?(?:been )?never (?:been )?born(?! in| here| yesterday| to)
        (?:had never|was never|were never|should never|should not) (?:have )?(?:been |\
          be )?(?:born|existed)(?! in| here| yesterday| to| rich| with| there| a| into)
        should (?:not|never) (?:be alive|be here anymore|have survived)|i should (?:not|\
          never) exist
        not (?:feel like|sure i want to|sure if i want to|know if i want to|know why i|enjoy|\
          handle|stand|bear|want|keep|be bothered|going to keep)(?: to)?(?: be| being|\
           keep)? (?:living|alive|existing|live|exist)PLACE
        (?:can|could) not (?:keep |go on |continue )?(?:live|living|exist|existing|being alive|\
          be alive)(?: with (?:myself|this pain|the pain|it|this))?(?= (?:\.|another|anymore|\
          any longer|like this|this way|with myself|with this|with the pain|this life|i |and|much))
        (?:can|could) not (?:go on|carry on|keep going|continue|keep doing this|do this|do it|\
          take it|take this|bear it|bear this|handle this|hold on|keep fighting)(?= (?:anymore|\
          any longer|much longer|another day|like this|i want))
        (?:can|could) not go on(?= \.)
        (?:tired|sick|done|exhausted|finished|fed up|weary|had enough)(?: of| with|\
           from)? (?:living|being alive|life|existing|my life|this life|existence|breathing|\
          being here|being on this earth)PLACE(?! (?:like|under|insurance|admin|coach|drawing|\
          sim|hack|advice|without))
        hate (?:being alive|living|existing|that i am alive|that i exist|that i woke up|\
          waking up every|having to live|my existence|my life)PLACE
        (?:lost|lose|losing|no|not have the|not have any|without) (?:the |my |all |\
          any )?will to (?:live|go on)
        why (?:should i|do i|bother|am i|would i|keep)(?: [a-z]+)? (?:live|living|go on|going|\
          keep going|keep living)(?= (?:\.|anymore|like|when|if|at all|here))|why was i born
        not see (?:a|any) (?:way out|future|future for me|reason to|point (?:in|to) (?:living|\
          going|anything))
        no (?:other )?way out (?:for me|of this life|but|anymore|except)|only way out (?:is|for me)
        not belong (?:in this world|on this earth|on this planet|anywhere in this world)
        not (?:be|going to be) (?:alive(?! to| when| by| in)|around much longer|here much longer|\
          around anymore|here tomorrow(?= \.)|here anymore(?= \.))
        (?:not|never)(?: [a-z]+){0,2} (?:make it|survive|last) (?:through )?(?:the|this|\
          to) (?:night|end of the (?:night|year)|morning)(?= \.)
        not think i (?:will|can) (?:make it|survive|last)(?= (?:\.|through|tonight|another|until|\
          till|much))
        last (?:night|day|days|hours|sunset) (?:alive|on earth|on this earth|of my life|living|\
          of being alive)
        (?:done|finished|no more) (?:with )?(?:living|life|my life|\
          being alive)PLACE(?! (?:insurance|admin|coach|drawing))
        (?:end|ending|ended|ends) (?:my|HER|this) (?:own )?(?:life|existence|lives)|\
          takes? HER (?:own )?(?:life|lives)(?= )
        (?:take|taking|took|taken) (?:my|HER) own (?:life|lives)|(?:take|\
          taking) my life(?= (?:\.|tonight|soon|today|now|away|but|because|and))
        (?:stopping|stops|keeping|keeps) me (?:alive|from (?:living|jumping|dying))|\
          give up on (?:life|living)|gave up on (?:life|living)|giving up on (?:life|living)
        want (?:out of|off) (?:life|this life|this planet|this earth|this world)
        world (?:does not|did not|will not|would not) (?:need|miss|want) me|\
          unsub(?:scribe)? from life
        """,
    ),
    family(
        " end, be over, to stop, pain",
        r"""
        (?<! the )(?:end|ending|ended) (?:it all|everything|my suffering|my pain|my misery|\
          all this pain|the suffering|the pain)
        (?<! not )SOON (?:to )?(?:end|ending) it(?! (?:with|there|at|on a|here for|by saying|off|\
          up))
        (?:SOON|am|was) (?:to )?(?:end|ending) (?:it|things|this|it now)(?= (?:\.|all|now|\
          tonight|soon|today|here|already|for good|forever|once|but|because|twice|again|too|\
          last night|by|i))
        tried (?:to end|ending) it
        (?:(?<! not )want|wish|need|begging for)(?: (?:it|this|everything|all|the|my|of this|\
          pain|suffering|hurting|life))* (?:to )?(?:be over|stop|end|stopped|\
          ended)(?= (?:\.|all|life|forever|already|so|for good|now|i |and))(?! now)
        """,
    ),
    family(
        "without, if i, when i, once i, miss me, burden, worthless, waste",
        r"""
        (?:better|happier|easier|fine|good|place|lives)(?: off)?(?: without)(?: (?:me|her|him|\
          them) (?:in|around|alive|here|on)|(?: having)? me)(?! (?:at|on|there|tomorrow|tonight))
        (?:better|happier|easier|relieved|glad|fine|care|cares|cared|notice|notices|noticed|\
          miss me|cry|sad|mind|matter|upset|happy|good|best|prefer it|realise|realize|\
          simpler)(?: off)?(?: [a-z]+){0,2}? IFI
        if i (?:died|was dead|were dead|disappeared|killed myself|was gone|\
          die)(?: [a-z]+)? (?:nobody|would|they|everyone|who|no)
        nobody (?:will|would|is going to) miss me|would (?:anyone|anybody|you) miss me if
        (?:says?|said|thinks?|feels?|believes?)(?: that)? (?:we|everyone|everybody|i|the family|\
          people|they|the world|our family) (?:would be|are|is|will be|am) (?:better|\
          happier)(?: off)? without (?:her|him|them)
        (?:am|feel like|being|being such|be|become|became|been|feels like|only|such) (?:(?:only|\
          just|nothing but|such|always|i am) ){0,3}a burden(?! of)
        i (?:am|feel)(?: (?:so|such|a(?: complete| total)?|like|completely|\
          utterly))* (?:worthless|waste of (?:space|air|oxygen|skin|life|a life))
        """,
    ),
    family(
        "bye, goodbye, last, final, note, letter, plan, way, method, date, day, me again, heaven, "
        "afterlife, lord, god, jesus, give, giving, gave, voices, scared, afraid, worried, "
        "terrified, something, tell my, me dead, me gone, me to die",
        r"""
        (?:say|said|saying|says)(?: (?:my|final|one last|\
          last))* goodbyes?(?: (?:to everyone|to everybody|forever|for good|one last time|\
          for the last time|to the world|to my life|to life|before i go))
        goodbye (?:forever|cruel world|world|for good|life)(?! tour)|this is (?:my )?(?:last |\
          final )?goodbye|(?:final|last) goodbye(?! to)
        goodbye (?:everyone|everybody|all|to all|mom|friends) (?:i (?:can|am sorry|love|loved|\
          tried|am done)|sorry|forgive)
        (?:wrote|left)(?: [a-z]+){0,2}? goodbye (?:note|letter|message|text)|goodbye and (?:said|\
          says) (?:he|she|they)|goodbye (?:letter|letters|note|notes)
        (?:this is|these are) my (?:last|final) (?:message|text|words|note|post|letter|\
          night)(?= \.)
        (?:not|never) (?:hear from|see) me again(?= )|never have to see me again
        (?:plan|plans|planned|date|way|ways|method|methods)(?: (?:of|to|for|on|painlessly|\
          least))* (?:to )?(?:die(?! in| hard)|dying|end it|commit|kill (?:myself|yourself))
        (?:easiest|quickest|fastest|least painful|painless|peaceful|\
          best)(?: and [a-z]+)? ways? (?:to|of) (?:die|dying|end (?:it|my)|go permanently|killing)
        (?:be with|join|see|meet)(?: [a-z]+){1,4}? in (?:heaven|the afterlife)(?: tonight| soon|\
           now| today)|(?:god|lord|jesus|reaper|death)(?: [a-z]+){0,2} take me
        (?:giving|gave|given|give) away (?:all )?(?:of )?my (?:things|stuff|possessions|\
          belongings)(?: [a-z]+){0,3}? not need
        (?:scared|afraid|worried|terrified) (?:of|about|that)(?: i might)? (?:what i (?:might|\
          will|could|would) do|hurt|do something)|might do something (?:stupid|bad|terrible|\
          drastic|i will regret)
        voices (?:tell|are telling|say|want|keep telling|told|telling)(?: me)?(?: to)?(?: (?:die|\
          hurt|kill|jump|end|do it|cut|it))
        tell my (?:mom|mum|dad|mother|father|family|parents|kids|wife|husband|girlfriend|\
          boyfriend|brother|sister|son|daughter|friends|dog|cat) i (?:love|loved|am sorry)
        (?:everyone|everybody|they|people|world|he|she|family) wants? me (?:dead|gone|to die)
        """,
    ),
)
