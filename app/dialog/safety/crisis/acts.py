"""Self-harm and means to die as they are told of: what was done, what lies ready, what is asked."""

from __future__ import annotations

from app.dialog.safety.families import family

ACTS = (
    family(
        "cut, blade, razor, scar, bleed, blood, burn, scratch, carve, punch, bang, stab, bit my, "
        "starv, purge, throw up, relaps, sh , skin,"
        " pain, punish, on purpose, deliberate, marks, knuckles, cigarette, wrist, stitches, "
        "eaten, legs, red, hair, wall, face, promise, safe, trust, knives, pick, couple, little, "
        "bite, dig, slap, rub, stuck, clean, reopen, went too, laxative, pieces, note, tear, "
        "claw, choke, choking, bruis, scissors, sleeve, extra",
        r"""
        (?:cut|cuts|cutting|burn[a-z]*|scratch[a-z]*|bit|biting|stab[a-z]*|punch[a-z]*|hit|\
          hitting|bang[a-z]*|slam[a-z]*|carv[a-z]*|scrap[a-z]*|snap[a-z]*|pull[a-z]*|press[a-z]*|\
          pour[a-z]*|tear[a-z]*|pick[a-z]*|bruis[a-z]*)(?: [a-z]+){0,5}? my (?:own )?(?:arms?|\
          legs?|thighs?|skin|wrists?|hands?|head|face|stomach|knuckles|body|hair|fingers?|hips?|\
          stitches)(?: [a-z]+){0,6}? (?:on purpose|deliberately|intentionally|until|till|so \
          (?:hard|that|bad)|because i deserve|to (?:feel|make|punish|calm|stop)|i (?:need|needed|\
          deserve)|when i (?:fail|am upset|feel)|it hurts and)(?! (?:i (?:fell|got home)|dinner|\
          the game))
        (?:carve|carved|carving|cut|burned|scratched|wrote)(?: [a-z]+){0,3}? into my (?:skin|\
          arms?|legs?|thighs?|wrists?|stomach)
        (?:put|putting|stub[a-z]*) (?:out )?cigarettes?(?: out)? on (?:my|her|his)|(?:boiling|\
          hot) (?:water|iron|oil)(?: [a-z]+){0,3}? my (?:hand|arm|leg|skin)(?=.* (?:on purpose|\
          deliberately|feeling|to (?:feel|make|stop)))
        (?:fresh|new|deep|deeper|more) (?:cuts|marks|wounds)(?= (?:on|all|\.|from|again|and|today|\
          this))(?! (?:of (?:beef|meat)|to the budget))|(?:cuts|scars) all over (?:my|HER)
        (?:scars|cuts|marks)(?: [a-z]+){0,3}? (?:the new ones|are from me|from (?:cutting|the \
          razor|the blade|me)|i (?:made|did))
        what i (?:do|did|have done) to (?:my(?:self)?|them)(?= (?:\.|arms?|legs?|body|wrists?|\
          thighs?|skin|when|in))(?=.* (?:arms?|legs?|sleeves|hide|skin|body|scar|myself))
        (?:hide|hiding|cover|covering)(?: (?:my|the|fresh|new|these))* (?:cuts|scars|self harm|\
          blades?|razors?|wounds)(?! (?:from the (?:surgery|accident)))
        (?:made|make|making|watch|watched|see|saw|feel) myself (?:bleed|vomit|puke|throw up)|\
          (?:when|only|until|till) i (?:bleed|see (?:my )?blood)|feel (?:calm|alive|real|better|\
          something)(?: [a-z]+){0,2}? when i (?:bleed|cut|see blood|hurt)|want to (?:bleed|see \
          (?:my )?blood)
        (?:starve|starved|starving) (?:myself|because i|to (?:punish|disappear|fade))|i (?:purge|\
          purged|throw up|vomit) (?:after|and|again|every|what)(?= )(?! (?:the|eating (?:bad|\
          sushi)|a rollercoaster))|deserve (?:to be hungry|to starve|the pain|to hurt|to suffer|\
          to bleed|to be hurt|no food)|not eaten in (?:\d+|two|three|four|five) days(?=.* \
          (?:deserve|punish|fade|want))
        relapsed?(?= (?:\.|on the (?:blade|razor)|with (?:cutting|self|the)|after|again|last|this|\
          three|third|and (?:cut|i)|tonight))(?!.* (?:smok|drink|sober|alcohol|cigar|weed|beer|\
          wine|sugar|chocolate|gambl|pack|coffee|heroin))
        (?:sh|self h|styling)(?: relapse| again| relapsed| urges|ing| is|tonight)(?= )(?! show)|\
          been sh(?: ing)?(?= )
        (?:since|haven t|not|never|last|again|used to|want to|wanting to|wants to|either|need to|\
          going to|urge to|stop|stopped) (?:i )?(?:last )?(?:cut|cutting)(?= (?:\.|again|today|\
          so bad|tonight|deeper|myself|or screaming|for (?:days|weeks|months|years|\d+)|since|\
          and (?:lately|i am)|but i))(?! (?:carbs|sugar|down|my hair|the))
        i cut (?:deep|deeper|again|a little|too deep|last night|so|because|when)(?= )(?! (?:my \
          hair|the|it short|down))|cutting (?:is|helps|calms|makes|was|feels)(?= )(?=.* (?:feel|\
          only|me|pain|calm|stop|breathe))(?! (?:edge|board))
        (?:blades?|razors?|razorblades?|knife)(?: [a-z]+){0,2}? (?:behind my phone|under my \
          (?:bed|pillow|mattress)|in my (?:hand|drawer|sock|bag|room|sleeve)(?! set)|out of the \
          (?:drawer|trash|bin)|on (?:my|the) (?:lap|skin|edge of the (?:bath|sink))|in front of \
          me)|sharpened (?:the|my) (?:blade|razor)|box of blades
        (?:pick(?:ing)? fights|drank|drink|drinking|drive|driving|walk(?:ing)?)(?: [a-z]+){0,6}? \
          (?:hoping|so) (?:that )?(?:i|i would|somebody|someone|a|to)(?: [a-z]+){0,2}? (?:get \
          hurt|die|hurt me|hits? me|beat me|crash|be hit|got hurt)
        i (?:want|need|needed|crave|like) (?:the|to feel)(?: (?:some|the))? (?:pain|sting of the)\
          (?= )(?! (?:relief|killer|medication|free))
        (?:threw|throw|fell|hurt|burned|burnt|injured|cut|bled|broke)(?: [a-z]+){0,6}? (?:on \
          purpose|deliberately|intentionally)(?= )(?=.* (?:i|my|me)(?= ))(?!.* (?:broke (?:his|\
          her|the) (?:toy|vase)))
        not (?:feel )?safe (?:being |to be |when i am )?(?:alone|by myself|with (?:my thoughts|\
          the knives|the pills|myself|my own))(?! (?:at night (?:in|on) (?:this|the)|walking|in \
          this (?:city|area)))|not trust myself(?= (?:\.|alone|tonight|with|around|not to|right))\
          (?! (?:with (?:money|chocolate|a credit)|around (?:cake|cookies)))
        not promise(?: [a-z]+){0,4}? (?:do anything|do something|safe|hurt|try)(?= )|wrists? itch|\
          hid (?:the|my) pills from myself|look at the knives(?= )|(?:feeling )?stabby towards me|\
          (?:bite|biting|bit|dig|digging|slap|slapped|slapping|punch|punched|hit|hitting|rub|\
          rubbing|stuck|stick|pinch|pinched) (?:my|myself|a needle|my nails)(?: [a-z]+){0,5}? \
          (?:bleed|raw|in the face|because i was|for an hour|when i am|until|till|go blue|to cope|\
          how i cope)|(?:little|small|few|more|some|couple of) cuts(?= (?:where|on my|\.|not|\
          again|here))|cuts on (?:my|her|his)(?: [a-z]+){0,3}? (?:arms?|legs?|wrists?|thighs?|\
          stomach)|(?:reopen|reopening|picking) the (?:wound|scab)s?|clean and all i (?:can \
          )?think|fresh burn(?= that i)|went too deep(?= (?:this|\.|and))|(?:my body|my skin)(?: \
          [a-z]+){0,6}? (?:so much that i cut|so i (?:hurt|cut|burn) it)|pieces on my arm|not \
          eat so|laxatives every|i punch myself|put the knife back|bleeding stopped(?=.* (?:i am|\
          alright|fine|ok))|razor in my wallet|bathroom floor is (?:all )?red|(?:hit|hits|bang|\
          banged|slam[a-z]*|smash[a-z]*) my (?:own )?head (?:against|on|into) the (?:wall|tiles|\
          desk|door|floor)(?! (?:by accident|playing|at practice))|scratch my (?:face|skin) off|\
          pull(?:ing)? out my hair(?= (?:in|because|when|it|until))(?! (?:over this|at work))|\
          (?:stitches|scabs?|wounds?) (?:out|open|off) (?:to|so)(?: [a-z]+){0,2}? (?:bleed|again)|\
          (?:punish|punishing) my(?:self| body)|(?:razors|blades)(?: [a-z]+){0,6}? out of the \
          (?:trash|bin|drawer)|only wrote the note|(?:tear|rip|peel|claw)(?:ing)? (?:my|off my|\
          at my) (?:own )?(?:skin|face|heart)|blood on my sleeve|(?:choke|choking|bruise|bruising|\
          strangle|strangling|whip|whipping) myself(?! (?:laughing|up|into))|extra pills to sleep|\
          going to the scissors|it is (?:just|only )?(?:some )?blood(?= \.)(?=.*)|what i have \
          done to them|i cut a (?:little|bit) it
        """,
    ),
    family(
        "rope, noose, gun, pistol, rifle, bullet, pills, tablets, packet, medicine, meds, "
        "painkillers, bottle, knot, helium, bridge, roof, river, sea, train, tracks, drown,"
        " bleach, monoxide, fatal, lethal, deadly, painless, painful, jump, traffic, edge, "
        "exhaust, engine, height, floor, how many, how long, how deep, how much, bleed out, "
        "overpass, razor, blade,"
        " antidep, xans, benadryl, ocean, water, gas, swim, cliff, balcony, paracetamol, "
        "tylenol, sleeping, knife, hit by, plane, heart attack, cancer, meteor, ceiling, "
        "hairdryer, freeze, garage, of them, sink,"
        " stuff, tied, bath, yellow, station, trains, cross the, insulin, meds, toaster, plug, "
        "shot, stroke, drain, chemical, poison, play in, car park, pile, revolver, shotgun, "
        "belt, scarf, bag, guns, stroke, hose, commit, wrists, practi",
        r"""
        (?:rope|noose|gun|pistol|rifle|shotgun|pills|tablets|blade|razor|knife|bottle)(?: \
          [a-z]+){0,4}? (?:in my (?:hand|lap|mouth|glovebox)|on my lap|in front of me(?! in the)|\
          next to me|beside me|is (?:ready|loaded|waiting)|are (?:ready|counted|lined|waiting)|\
          looking at (?:it|me)|against my|to my (?:head|throat|wrist|neck)|right here|calling)(?= )
        (?:holding|got|have|with|grab|grabbed|counting|counted|lined|line)(?: (?:up|out|the|a|my|\
          his|her|dad s|grandfather s|in|all|of|some|own|their))* (?:pistol|rifle|shotgun|noose|\
          gun|bottle of (?:pills|tablets|xans?)|pills|tablets|meds)(?: [a-z]+){0,6}? (?:and (?:i|\
          a|the) (?:can not decide|quiet|want|house|know)|not decide|and look|tonight|alone|in \
          the (?:car|attic|garage)|i look at)
        (?:drank|drink|drinking|swallow|swallowed|swallowing) (?:the |some |a )?(?:drain cleaner|\
          bleach|antifreeze|detergent|paint thinner|weed killer)|household chemicals(?=.* drink)|\
          (?:how (?:many|much|long)|does it take|would)(?: [a-z]+){0,8}? (?:stop my heart|to \
          drown|it would take(?= \.))|poison that does not hurt|(?:keeps?|hides?) a rope(?= )|\
          (?:gun|guns) away from (?:my|him|her)|play in traffic|top of the car park(?=.* down)|\
          sitting on the tracks|(?:die|dead) right away when|gun in my mouth|in a pile on the bed|\
          (?:shotgun|revolver|pistol)(?: [a-z]+){0,5}? (?:on the desk|parents are out)|the \
          exhaust the hose|took the whole(?: [a-z]+)? pack|belt and the door|tied the scarf|bag \
          tape|scissors my wrists
        (?:staring|stare|stared|looking|look) at (?:the|my|a|this|her|his)(?: bottle of)? \
          (?:pills?|tablets|bottle|blade|razor|knife|knives|rope|gun|meds)(?= (?:\.|for|all|and|\
          in|on|again|right|right now|since))(?! in the (?:shop|store|museum))|(?:climbed|\
          climbing|climb|standing|stepped) over the (?:rail|railing|barrier|fence of the bridge)|\
          middle of the bridge and|in my car in the garage(?= \.)|where the gun(?: [a-z]+){0,2}? \
          (?:is|key)|(?:will|would|could) i die(?= (?:\.|if|from))(?! of (?:boredom|old))|razor \
          (?:is )?(?:s )?in the bathroom i am|pills are (?:next to|beside|on) my|how high does a \
          fall|make a noose(?! (?:knot )?(?:for (?:halloween|a prop)|in crochet))|took too many \
          (?:zannies|xannies|pills|tablets|bars|of them)|(?:have|got) a rope and(?! a (?:tree|\
          tarp|boat|harness|carabiner))
        me a rope|rope (?:time|tonight|yesterday|in (?:the|my) trunk|and (?:a tree|a chair|i|it \
          is not for))(?= )|commit (?:neck )?rope|(?:going to|will|want to|might|not cope going \
          to) rope(?= (?:\.|tonight|myself|soon))|tied it to the beam|(?:practi[sc]ing|\
          practi[sc]ed|tested|tied|learned|learning) (?:the|a|my) (?:knot|noose)(?! (?:for \
          (?:scouts|sailing|climbing)|in june))(?! in)|(?:rope|knots?)(?: [a-z]+){0,2}? hold a \
          person
        (?:bought|buy|got) (?:a|the|some) (?:rope|gun|helium|charcoal)(?= (?:\.|yesterday|today|\
          and (?:it is not|i am)|to (?:die|end)|for myself|tonight|it is for me))|got the helium
        (?:dad|father|grandpa|grandfather|brother|mom|mum|uncle|he|where)(?: [a-z]+){0,2}? \
          (?:keeps|hides|has|stores|locks)(?: [a-z]+){0,2}? (?:gun|pistol|rifle|guns)(?=.* i \
          know)|know where(?: [a-z]+){0,2}? (?:keeps|hides) (?:his|the|her) (?:gun|rifle|pistol|\
          pills)|gun without a permit(?=.* me)
        (?:took|taken|take|taking|swallow|swallowed|downed|popped|ate|drank)(?: [a-z]+){0,2}? \
          (?:all|everything|half|handfuls?|fistfuls?|bunch|loads|lots|too many|so many|whole|\
          entire|rest|\d{2,}|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty)(?: \
          [a-z]+){0,4}? (?:pills?|packet|pack|tablets?|medicine cabinet|meds|under the sink|of \
          them|antidepressants|painkillers|xans?|xanax|benadryl|paracetamol|tylenol|ibuprofen|\
          aspirin|sleeping pills|medication|capsules|blister)(?= )(?! (?:a day|per|daily|each day|\
          a week|every|for my (?:heart|age)|he calls))
        (?:saved|saving|stockpil[a-z]*|hoard[a-z]*|collect[a-z]*|keep|extra|enough|save)(?: \
          [a-z0-9]+){0,5}? (?:pills|meds|tablets|painkillers|medication|sleeping pills)(?= (?:\.|\
          for|from|so|to|until|in|and))(?! (?:for (?:the|my) (?:flight|trip|week|journey)|in the \
          (?:fridge|cupboard|cabinet)))(?=.* (?:i|my|me)(?= ))
        filled the prescription so i|how many pills are in|(?:have|had) a (?:whole )?drawer of \
          pills|(?:would|will|can|could|do) (?:\d+|ten|twenty|thirty|forty|fifty|sixty|a whole \
          bottle|this many)(?: [a-z]+)? (?:tablets?|pills?)(?: [a-z]+){0,2}? (?:do it|kill|be \
          enough)
        how (?:many|much|long|deep|high|tall|far)(?: [a-z0-9]+){0,9}? (?:kill (?:me|you|a person|\
          someone my|a man|somebody)|fatal|lethal|deadly|not wake up|bleed out|bleed to death|to \
          die|overdose|dose|die from|not come back|someone to find me|to cut|has to be(?= \.)|\
          would i need)(?= )(?! (?:of (?:laughter|boredom)|plants|weeds|germs|yeast))(?!.* (?:dog|\
          cat|plant|weeds|mould|bugs|ants|virus|snake|spider)s?(?= ))
        (?:what|which)(?: [a-z]+){0,3}? (?:floor|height|building|pills?|medicine|medications?|\
          poison|dose|drugs?|tablets?|bridge)(?: [a-z]+){0,8}? (?:kill|fatal|deadly|deadliest|\
          lethal|high enough|not wake up|enough to die|certain to|most dangerous|for sure)(?= )
        (?:least painful|painless|most painless|quick and painless|quickest|easiest|fastest|most \
          peaceful|best|surest) (?:way|method|death|exit)(?: (?:to|of|for))? (?:to )?(?:go(?= \.)|\
          die|dying|out|death|end (?:it|my|everything)|suicide|kill myself|leave this)(?= )|\
          painless (?:way out|exit|method)|(?:know|find) a painless
        (?:does|do|would|will)(?: [a-z]+){0,2}? (?:drowning|hanging|hang|overdosing|bleeding out|\
          suffocating|dying|die|falling|jumping|stop breathing)(?: [a-z]+){0,3}? (?:hurts?|kill \
          you|take long|painful)(?= )|hurts? to (?:stop breathing|die|drown|hang|bleed out)|\
          asked me if dying hurts
        (?:is|are)(?: it)? (?:carbon monoxide|bleach|drowning|hanging|overdosing|freezing to \
          death|cyanide|helium|an overdose|jumping|antifreeze|insulin)(?: [a-z]+){0,3}? \
          (?:painless|quick|painful|fast|peaceful|deadly|certain)|feel nothing when you (?:freeze|\
          drown|hang)|die from drinking|(?:hang|kill|hanging|killing) (?:themselves|yourself)(?: \
          [a-z]+){0,3}? (?:failing|painless|quick|hell)
        (?:drive|driving|drove|ride|steer|crash)(?: (?:my|the|car|bike|truck|straight))* (?:into|\
          off)(?: (?:the|a|an|oncoming))* (?:river|lake|sea|ocean|wall|tree|cliff|bridge|canal|\
          traffic|lorry|quay)(?= )(?! (?:trail|trip|hotel))|(?:driving|drive|keep driving|drove) \
          (?:past|to) the (?:cliff|bridge)(?= )(?=.* (?:dare|sitting|jump|thinking|alone))
        (?:walk|walking|wade|wading|run|running|step|stepping|swim)(?: [a-z]+){0,2}? (?:into|in \
          front of)(?: (?:the|a|oncoming))* (?:sea|ocean|river|lake|traffic|water|train|truck|\
          bus)(?= )(?! (?:to (?:cool|play)|for a (?:swim|dip)|with the (?:kids|dog)|up to my \
          knees))(?=.* (?:i|me|my)(?= ))|swim to not come back
        (?:train|bus|truck|lorry)(?: [a-z0-9]+){0,6}? (?:and i will be|i will be|i want to be|\
          put myself|throw myself) in front of it|(?:parked|sitting|waiting|standing|lying) (?:by|\
          on|at|near) the (?:train )?tracks(?= )|look(?:ing|ed)?(?: [a-z]+)? (?:at the (?:train \
          )?tracks|up the train times not)|step over the yellow line
        i am (?:sitting |standing |alone |drunk and )?on (?:the edge of )?(?:the|a) (?:edge of \
          the )?(?:roof|rooftop|ledge|overpass|bridge|railing|window ?sill|balcony)(?= (?:\.|and \
          i (?:can|want|am)|looking|right now|alone|now|it is|crying|drunk|again))(?!.* (?:party|\
          bar|tea|fireworks|sunset|beer|wine|photo|traffic jam|repair|tiles|bike|run)s?(?= ))|\
          standing on the overpass|edge of the (?:quay|pier|dock|bridge|platform) and
        (?:engine|car|motor)(?: [a-z]+){0,4}? running(?=.* garage)(?=.* closed)|garage is closed \
          and the engine|(?:hose|pipe)(?: [a-z]+){0,4}? (?:exhaust|hose)(?= )|hairdryer (?:is \
          )?(?:plugged|in the bath)|mixed the cleaning (?:stuff|products)
        (?:only thing left|only way|thinking|thought|think|going|nearly|almost|might|ready|\
          threaten[a-z]*|says? (?:he|she|they) will|will|want(?:s|ed)?|planning|about|something|\
          cry and think)(?: [a-z]+){0,3}? (?:to |of |about |is to )?jump(?:ing|ed)?(?= (?:\.|last|\
          off|tonight|again|sometimes|if (?:i|he|she)|in front|from|and))(?! (?:in (?:the \
          )?(?:pool|lake|shower|taxi|car)|at the|off the (?:sofa|pier|diving|couch|bed)|from \
          (?:joy|a plane)|rope|for joy|with))(?!.* (?:trampoline|bungee|parachute|skydiv|diving \
          board|pool|puddle|basketball))
        (?:bullet|one|gun|shot|round)(?: [a-z]+){0,2}? in(?:to)? my (?:own )?(?:head|brain|mouth|\
          skull|temple|chest)|(?:eat|eating|ate|swallow) (?:a|my|his|her|the) (?:bullet|gun)|\
          take a bullet to(?= my| the head)|wish(?:ed|ing)?(?: [a-z]+){0,3}? (?:get |got )shot
        (?:hope|hoping|wish|wishing|pray|praying|would not mind|love|would not care|grateful|okay|\
          ok|glad|fine)(?: [a-z]+){0,6}? (?:plane|bus|truck|car|train|ceiling|meteor|heart attack|\
          cancer|stroke|lightning|tumou?r|accident|something|illness)(?: [a-z]+){0,4}? \
          (?:crash(?:es|ed)?|hits? me|fall(?:s)? on me|kills? me|takes? me|took me|strikes? me|\
          over me|went down|me tomorrow|me today|when i am on it|while i sleep)(?= )|hit by a \
          (?:car|bus|truck|train) (?:today|tomorrow|tonight|and die|on purpose|right now)|if \
          (?:cancer|god|death) took me|(?:if|so that) the plane went down i
        cross the (?:road|street) without looking(?= )|stopped taking my (?:insulin|heart|meds|\
          medication)(?=.* (?:bother|why|point|die|live|care))|went offline(?=.* noose)|toaster \
          bath|walk off a short pier
        """,
    ),
    family(
        "herself, himself, razor, blade, pills, goodbye, noose, roof, bridge, will, fade, gun, "
        "overdos, od, death, ledge, ground, note, need it, reply, picking up, pact, life, "
        "picture, photo, last night, fine without, better without, ok without, okay without, "
        "voice, dying, worried, scared, afraid, tell mom, tell mum, tell dad, locked, gave, "
        "wishes, dying, drew, jumped, body, eating, threat",
        r"""
        (?:texted|sent|wrote|said|told|called)(?: (?:me|us|to|his|her|a|the|my|mom|mum))* \
          goodbye(?: letter| note| text| message)?(?= (?:\.|and|like|it was|forever|so|then|last \
          night|before|she|he))(?=.* (?:answer|pick|repl|phone|forever|gone|off|scared|worr|door|\
          what do|stopped|nothing|not ))
        (?:posted|wrote|left|sent|shared)(?: [a-z]+){0,3}? (?:goodbye (?:letter|note|message|\
          video|post)|picture of a (?:noose|gun|blade|rope)|picture of (?:her|his) wrists?|\
          suicide (?:note|letter|post))
        (?:locked|shut)(?: (?:herself|himself|themselves))? in(?: [a-z]+){0,4}? with (?:a |the |\
          his |her )?(?:bottle|pills|razor|knife|gun|blade|rope)|in the bathroom with a (?:razor|\
          blade|knife)
        (?:picture|photo|pic)s? of (?:her|his|their) (?:cuts|wrists?|scars|cut)|wish(?:es|ed)? \
          (?:he|she|they) (?:would|did|could|had) (?:not|never) (?:wake|woken|woke|been born|\
          exist)|it is (?:their|his|her) last (?:night|day)(?= \.)|without (?:her|him|them) and|\
          (?:manage|do|be) (?:fine|better|ok|okay) without (?:her|him|them)(?= )|wants (?:her|\
          him) to die|if dying hurts|drunk on the (?:bridge|roof)|took (?:her|his) (?:own \
          )?life(?! (?:in his|for))|tell (?:mom|mum|dad|them) i love (?:her|him|them) and now
        (?:hiding|hides|hid|found|hoarding|hidden|stashing)(?: [a-z]+){0,3}? (?:razors?|blades?|\
          pills|noose|a rope|his pills|her pills)(?= )(?! (?:in the (?:fridge|car)|for the dog))\
          (?=.* (?:room|bag|drawer|school|son|daughter|brother|sister|friend|he|she|under|\
          bed)s?(?= ))
        (?:cuts|cutting|burns|burning|hurts|hurting|starves|starving|harms|harming|scratches|hits|\
          bites) (?:herself|himself|themselves)(?= )(?! (?:while|shaving|cooking|on the|a \
          (?:slice|piece|break)|off|some))
        (?:he|she|they|friend|brother|sister|son|daughter|mom|mum|dad|mother|father|girlfriend|\
          boyfriend|husband|wife|cousin|roommate|uncle|aunt|guy|girl|kid|student)(?: \
          [a-z]+){0,3}? (?:on|off|from) (?:the|a|our|that) (?:roof|bridge|ledge|rooftop|edge|\
          balcony)(?: [a-z]+){0,4}? (?:not come down|will not come|crying|what do i|and he called|\
          and she called|threaten|drunk|jump)|(?:off|from) the ledge(?= )
        (?:cleaning|pointing|holding|sleeps with|loading|bought)(?: [a-z]+){0,3}? (?:guns?|pistol|\
          rifle)(?= )(?=.* (?:not being here|head|joining|goodbye|die|dead|himself|herself|longer|\
          without|end))
        made a pact to die|drew (?:himself|herself|themselves) (?:hanging|dead|dying|bleeding)|\
          wants? (?:her|him|them|me) to die(?= )|to (?:join|be with) (?:her|him)(?=.* (?:gun|died|\
          die|dead))|joining (?:her|him)(?= (?:\.|soon|in heaven))
        (?:better|do better|fine|manage)(?: [a-z]+){0,3}? (?:with (?:him|her) in the ground|\
          without (?:him|her|them))(?= )(?=.* (?:says?|said|keeps|thinks|telling|told|depressed)\
          (?= ))|not need (?:it|them|her phone|his phone)(?: anymore)?(?= \.)(?=.* gave)
        hears?(?: [a-z]+){0,4}? (?:wants|telling|tells) (?:her|him) to (?:die|hurt|jump|kill)|\
          (?:gave|giving|gives) away (?:her|his|their) (?:phone|cat|dog|guitar|things|stuff|\
          clothes|favou?rite|records|everything)|wrote (?:a|his|her) will(?= )(?! with a lawyer)|\
          wants? to fade away|(?:he|she|they) (?:just )?wants? to go(?= (?:\.|he|she))(?=.* \
          (?:pills|eating|die|hospice|refus))
        (?:od|oded|od d|ods|odd)(?= (?:and|on|last|again|yesterday|\.))(?=.* (?:friend|flatmate|\
          roommate|brother|sister|ambulance|hospital|he|she|mate|cousin)(?= ))|(?:tired of living|\
          not a reason to live|not see a (?:reason|point))(?= )
        (?:will|might|would|going to|could|afraid|scared|worried)(?: [a-z]+){0,5}? (?:do \
          something (?:to )?(?:himself|herself|themselves|stupid)|hurt (?:himself|herself|\
          themselves)|try again)(?= (?:\.|if|tonight|when|and))(?=.* (?:he|she|him|her|friend|mom|\
          mum|brother|sister|dad|boyfriend|girlfriend|husband|wife|son|daughter)(?= ))
        (?:he|she|who|friend|brother|sister|nephew|niece|son|daughter|neighbou?r|girl i loved|\
          fiance|wife|husband|mom|mum|dad|uncle|aunt|cousin|student|teacher) (?:jumped(?= (?:\.|\
          in front|from (?:our|a|the|his|her) (?:balcony|roof|bridge|window|building)|off (?:a|\
          the) (?:bridge|roof|building)|the whole|and))|did it (?:himself|herself)|ate (?:his|\
          her) gun)|(?:found|finding)(?: [a-z]+){0,4}? body(?= )(?=.* (?:note|husband|wife|mom|\
          mum|dad|son|daughter|brother|sister|friend|hang))|grieve a suicide|(?:last (?:night|\
          day) on (?:this )?earth)
        (?:want|wants) (?:him|her|them) dead|talking about ending things|saving up (?:her|his) \
          (?:[a-z]+ )?pills|stopped taking (?:her|his) (?:insulin|meds) on purpose|searched for \
          painless|suicide plan|(?:afraid|scared) to leave (?:my [a-z]+|him|her) alone|(?:he|she|\
          they) ended it(?= (?:\.|last|we))
        """,
    ),
)
