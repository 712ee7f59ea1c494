"""Phrases of harm to oneself or another's to themselves: by hand, means, place or overdose."""

from __future__ import annotations

from app.dialog.safety.families import family

MEANS = (
    family(
        "myself, himself, herself, themsel, oneself, yourself, kys",
        r"""
        HURT myself(?! in the foot)
        (?<! you )(?:to|rather|should you|should i|if you|about|of|people|just) (?:kill|hang|\
          shoot|drown|end|killing|hanging) (?:yourself|oneself)
        (?:kill|kills|killing|killed|hang|hanging|hanged|hung|shoot|shooting|shot|drown|drowning|\
          harming|unalive|off|starving|slit) THEM(?! in the foot)
        (?:wants?|going|might|keeps|been|threat[a-z]+|is|started|will|tried|trying|would|caught|\
          they|about)(?: (?:to|on|friend|sister|brother|son|daughter|her|him))* (?:end|ending|\
          cut|cutting|hurt|hurting|harm|harming|burn|burning|poison|starve) THEM
        (?:how|way|ways|method|methods|safest)(?: [a-z]+){0,3}? HURT (?:yourself|oneself)
        (?:throw|yeet|fling|launch)(?:ing)? (?:myself|THEM) (?:off|in front|under|out)
        (?:not|never|hardly|do i) (?:feel |am )?safe (?:with|from|around|by|alone with) myself
        (?:do|did|done|doing) (?:something |anything )?to myself
        tell(?:s|ing)? me to (?:kill yourself|kys)
        hate myself so much i
        """,
    ),
    family(
        "kill, kms, ctb, unalive, gun, noose, rope, blade, razor, toaster, brain, head, "
        "bullet, pistol, rifle, knife, urge, drown",
        r"""
        (?<!\d )(?<! many )(?<! few )(?<! five )(?<! ten )(?<! hundred )kms(?! (?:per|away|from|\
          an|to|long|in|of|ahead|left|north|south|east|west|run|later)(?= ))
        unalive|ctb
        (?:reason|reasons|why)(?: [a-z]+){0,4}? kill myself
        (?:please|someone|somebody|god|lord|could you|can you|would you|want you to|anyone) kill me
        (?:\. |just |so )kill me(?= (?:\.|now|please|already|someone|i have|i can))|\
          wish (?:someone|somebody|it|this|god|he|they|something|you) (?:would )?(?:kill|killed|\
          kills) me
        (?:blow|blowing|blew|blown|shoot|shooting) (?:my|HER)(?: own)? (?:brains?|head)
        (?:bullet|gun|pistol|rifle|shotgun)(?: [a-z]+){0,3}? (?:in|to|at|through|\
          into) my (?:head|brain|mouth|temple|skull|heart)
        (?:plan|planning|going|want|need|about|should i)(?: to)? drown(?= (?:\.|soon|this|today|\
          tonight|tomorrow|now))
        (?:gun|pistol|rifle|shotgun|knife|rope|blade)(?: [a-z]+){0,8}? (?:on (?:me|myself)|\
          looking at it|for myself|around my neck|to hang|to end|is ready)(?= )
        gun in my (?:hand|lap|mouth)|(?:tied|tie|tying|made|make|bought|have|got|\
          ready)(?: [a-z]+){0,2} noose|noose (?:is|around|ready)|rope is ready|rope around my neck
        (?:blade|razor|razors|razorblade|knife)(?: [a-z]+){0,2}? (?:on|to|against|across|into|\
          in) my (?:arms?|wrists?|skin|thighs?|throat|own|neck|veins?)(?! shav)
        toaster (?:bath|in the bath)
        (?:urge|urges) to (?:kill|harm|hurt|cut|jump|burn|die|self harm)(?! hair| my hair| carbs|\
           down)
        """,
    ),
    family(
        "jump, bridge, roof, train, traffic, track, cliff, ledge, building, balcony, window, "
        "bus, car, truck, overpass, floor, tower, subway, tree, wall, pole, lorry, oncoming, "
        "hit me, me over",
        r"""
        SOON (?:to )?(?:jump|jumping|step|stepping|walk|walking|drive|driving|crash|crashing|\
          leap|run|running|swerve|swerving|go|fall|lie|lying)(?: (?:out|myself|my|the|car|truck|\
          bike))* (?:off|from|in front of|into|onto|under|\
          out of)(?: of)?(?: [a-z0-9]+){0,2}? (?:bridge|roof|rooftop|building|balcony|cliff|\
          ledge|window|trains?|bus|cars?|trucks?|traffic|tracks|overpass|floor|tower|subway|\
          trees?|wall|pole|lorry|oncoming)(?! (?:station|home|to work|for fun|with friends|\
          on holiday|with my|to see))
        (?:lie|lying|stand|standing) (?:down )?on the (?:train )?tracks
        jumped (?:off|from|in front of|under) (?:a|the|my) (?:bridge|roof|building|balcony|train|\
          bus|car|truck)(?! (?:in|into|with|for))
        (?:jump|jumping|step|stepping|threw|throwing) (?:myself )?(?:in front of|under) (?:a|\
          the) (?:train|bus|car|truck|subway)
        (?:ready to|want to|wants to|going to|should i|he will|she will|they will|about to|might|\
          almost) (?:jump|jumped)(?= (?:\.|last night|today|again|tonight))
        (?:bridge|roof|ledge|balcony|tracks|cliff)(?: [a-z]+){0,4}? (?:thinking about it|\
          ready to jump|want to jump|say goodbye|end it)
        crash my car (?:on purpose|into)|drive (?:my car )?(?:off|into) (?:a|the) (?:cliff|\
          bridge|tree|wall|lake)
        (?:hope|\
          wish|hoping|pray|want|wants)(?: [a-z]+){0,4}? (?:hits me|hit me(?! up)|runs me over|\
          run me over|hit by (?:a|the) (?:bus|car|truck|train))
        """,
    ),
    family(
        "attempted, suicid, self harm, overdos, od, oding, oded, cut, relaps",
        r"""
        suicid[a-z]*|self harm[a-z]*|overdos[a-z]*
        i (?:have )?attempted(?= (?:\.|last|again|twice|once|before|when i|two|three|a few))
        (?:want to|going to|will|might|tried to|could|about to|let me|to) od(?= )|od(?:ed|\
          ing)(?= (?:on|tonight|last|again|\.))
        (?:been|started|am|keep|back to|relapsed|to|by|stop|stopped|addicted to|clean from|\
          started|quit|is|she has been|he has been) cutting(?= (?:again|\.|last|tonight|\
          for (?!carbs)|since|on purpose|deep|deeper|too|myself|helps|because|when|every|and|in))
        i cut for the first time|decided? to cut(?= (?:so|\.|again))|could i od
        (?:relapsed(?: [a-z]+){0,2}|started to|want to|need to|i|going to) cut (?:last night|\
          again|so bad|so deep|deeper|tonight(?= \.)|to feel|because i)|want to cut(?= \.)|\
          i relapsed and
        """,
    ),
    family(
        "wrist, arm, thigh, throat, vein, skin, cuts, scar, burn, bleed, bruise, leg, stomach, hip",
        r"""
        (?:cut|cuts|cutting|slit|slits|slitting|slash|slashed|slashing|slice|sliced|slicing|burn|\
          burned|burnt|burning|carve|carved|carving)(?: open)? (?:my|HER)(?: own| left|\
           right)? (?:wrists?|throat|veins?|thighs?|arms?|skin|forearms?)
        (?:cut|cutting|burn|burning|burned) my (?:own )?(?:legs?|stomach|hips?)(?! hair)
        (?:cuts|scars|burns)(?: [a-z]+)? (?:on|all over|down|up|across) (?:my|HER) (?:arms?|\
          wrists?|thighs?|legs?|body|skin)(?! from)|covered in cuts
        (?:till|until) (?:i|they|it|my skin|my arms?|she|he) (?:bruises?|bleeds?)|\
          watch myself bleed|see myself bleed|bleed out
        """,
    ),
    family(
        "pill, tablet, med, tylenol, paracetamol, ibuprofen, advil, aspirin, xan, valium, "
        "antidepress, painkill, oxy, fentanyl, ativan, benadryl, insulin, prozac, zoloft, "
        "lithium, ambien, klonopin, benzo, sleeping aid, xans, opioid, bleach, antifreeze, poison",
        r"""
        (?:took|take|takes|taking|taken|swallow|swallowed|swallowing|popped|ate|downed|have|has|\
          had|got|drank|taking)(?: (?:just|like|about|around|a|an|my|her|his|the|up|over|\
          probably|down))* (?:all|whole|entire|full|bottles?|handfuls?|bunch|box|packs?|packet|\
          too? many|so many|every|lots|loads|cocktail|\d{2,}(?! ?(?:mg|milli))|ten|twelve|\
          fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|\
          dozens?)(?: [a-z0-9]+){0,4}? MED(?! (?:a day|per|daily|every|each|on time|\
          with (?:breakfast|dinner|lunch|food)))
        MED(?: [a-z]+){0,5}? (?:all at once|lined up|in front of me|in my hand|next to me|\
          calling me|to die|to end)
        how (?:many|much)(?: [a-z]+){0,4}? MED(?: [a-z]+){0,5}? (?:lethal|fatal|die|kill|\
          overdose|od|death|deadly|never wake|not wake)
        (?:plan|planning|going|want|need|about|should i|ready)(?: to)? take (?:the |these |some |\
          a lot of )?pills(?= (?:\.|soon|today|tonight|this|now|tomorrow|and|until))
        (?:saved|saving|stockpil[a-z]+|hoard[a-z]+|stashed|stashing)(?: up)?(?: (?:all|of|my|the|\
          her|his|these|enough|sleeping))* MED
        (?:drank|drink|drinking|drunk|swallow|swallowed)(?: (?:some|a|the|bottle|of|\
          rat))* (?:bleach|antifreeze|poison)
        """,
    ),
)
