"""Advice that Kindred must not give: on medicine, law and money."""

from __future__ import annotations

from app.dialog.screen.phrases import Rule

_DRUGS = (
    r"(?:ibuprofen|paracetamol|acetaminophen|aspirin|tylenol|advil|xanax|valium|ativan|prozac|"
    r"zoloft|"
    r"lexapro|adderall|ritalin|benadryl|nyquil|melatonin|antibiotics|antidepressants|ssris?|"
    r"insulin|"
    r"steroids|opioids|oxycodone|codeine|morphine|lithium|sleeping pills|painkillers|beta blockers|"
    r"amoxicillin|prednisone|ketamine|valerian|st\.? john's wort)"
)
_DISORDERS = (
    r"(?:(?:clinical |major )?depression|adhd|add|bipolar(?: disorder)?|autism|ptsd|ocd|bpd|"
    r"borderline|"
    r"(?:an? )?anxiety disorder|(?:an? )?(?:eating|personality|panic|mood) disorder|anorexia|"
    r"bulimia|"
    r"schizophrenia|psychosis|cancer|(?:a )?tumou?r|diabetes|pneumonia|covid|asthma|anemia|"
    r"a concussion|"
    r"an infection|a virus|the flu|a fever|an std|a blood clot|a stroke|epilepsy)"
)

MEDICAL = Rule.of(
    "medical",
    rf"""
    \d+(?:[.,]\d+)? ?(?:mg|mcg|µg|ml|cc|
      milligrams?|micrograms?|millilit(?:er|re)s?|units|pills?|tablets?|capsules?|puffs|drops|
      doses?)
    (?:one|two|three|four|half a|another|double|twice the|extra|more|a higher|a lower)
       (?:more )?(?:pills?|tablets?|capsules?|doses?|dosage)(?! of (?:sun|fun|laugh|kind|calm))
    overdose
    (?<!n't )(?<!not )(?<!never )(?<!before you )(?:stop|quit|skip|drop|
      come off|get off|go off|double|increase|up|raise|lower|reduce|halve|cut|change|adjust|switch)
       (?:taking |using )?(?:your|the|those|all|that)(?: \w+)? ?(?:meds?|medications?|medicines?|
      pills?|tablets|dose|dosage|insulin|treatment|prescriptions?|antidepressants?|therapy)
    you (?:don't|do not) (?:really )?need (?:a |any |your |to see a |to go to
       a |to take )?(?:doctor|therapist|therapy|meds|medication|medicine|pills|hospital|
      psychiatrist)
    (?:don't|do not|never|no need to) (?:go to|see|call|trust|listen to|
      bother)(?: with)? (?:a|an|the|your|any) (?:doctors?|hospitals?|ambulance|therapists?|
      psychiatrists?)
    (?:you (?:have|might have|may have|probably have|definitely have|must have|
      could have|clearly have|'ve got|got|suffer from)|you've got|sounds like(?: you have)?|
      it(?:'s| is) (?:just |probably |definitely |only )?) ?(?:got )?{_DISORDERS}
    you(?:'re| are|re) (?:probably |clearly |definitely |just |likely )?
      (?:bipolar|autistic|anorexic|bulimic|schizophrenic|psychotic|manic|clinically \w+|diabetic|
      anemic|pregnant|contagious|having a (?:stroke|heart attack|panic attack))
    (?:i|i'd|i'll|i can|my|your) (?:would |can )?(?:diagnos\w+|prescri\w+)|diagnos\w+ you
    (?:take|taking|try|use|need|recommend|get some|pop) (?:an? |some |your |a few |
      any |more |the |one |two |three )?{_DRUGS}
    (?:safe|fine|okay|ok) to (?:mix|combine|take|drink)(?: \w+){{0,3}}
       (?:with|together|and)
    (?:will|can|to) cure (?:you|your|it|that|depression|anxiety|cancer)
    (?:don't|do not|never) (?:get|take)(?: the| a| any)? vaccin\w+|vaccines? (?:are|is|cause)
    (?:that|this|the|a|chest|your) (?:chest )?(?:pain|lump|rash|bleeding|fever|chest pain|
      symptom)s? (?:is|are)
       (?:normal|nothing|fine|harmless)
    """,
)

LEGAL = Rule.of(
    "legal",
    r"""
    you (?:should|can|could|must|have to|need to) (?:definitely |
      totally |just )?(?:sue|press charges|plead|file a lawsuit|settle|take (?:him|her|
      them) to court)
    (?:it's|it is|that's|that is|perfectly|totally|completely) (?:not )?(?:il)?legal(?: to| for| in|
      ly)?(?= |\.|!|,|$)|you (?:can|can't|cannot|could|may) legally|legally,? (?:you|they|he|she)
    you have (?:a|a strong|a good|a great|every|no) (?:legal )?(?:case|claim|right
       to (?:sue|evict|fire))|(?:under|according to) the law|the (?:law|court|judge) (?:says|will|
      would|has to)|
      (?:win|lose|fight) (?:the|your|that|it in) (?:case|court)
    plead (?:not )?guilty|(?:lie|don't talk|never talk|don't speak|say nothing) to the
       (?:police|cops|judge|court)
    (?:sign|break|ignore|don't sign) (?:the|that|your|a) (?:contract|lease|prenup)|
      (?:don't|do not|no need to|not) (?:have to )?pay (?:your|the|any|that) (?:taxes|fines?|rent)
    you(?:'ll| will| would| can) (?:get|win|lose) (?:full )?custody|
      you should (?:file for )?divorce
    (?:overstay|lie on) (?:your|the) (?:visa|application)
    """,
)

FINANCIAL = Rule.of(
    "financial",
    r"""
    (?:buy|buying|sell|
      invest in|investing in|put (?:it|your money|your savings|everything|some money|all of it)
       (?:in|into)|hold|short) (?:some |more |all |your |the |into |in )*(?:bitcoin|crypto\w*|
      ethereum|
      dogecoin|stocks?|shares|nfts?|forex|gold|etfs?|index funds?|options)
    guaranteed (?:returns?|profits?|money|income)|
      (?:double|triple|10x) your (?:money|savings|investment)|you can't lose|get rich|
      (?:will|going to) (?:go up|skyrocket|moon|crash)(?= |\.|!|$)
    you should (?:definitely |just )?(?:take out|get|refinance|
      max out|spend|cash out|borrow|withdraw) (?:a |your |the |another |all )*(?:bigger |
      second )?(?:loan|
      mortgage|credit cards?|savings|retirement|401k|debt)
    (?:send|wire|transfer|lend|give) (?:me|us)
       (?:some |the |your |a )?(?:money|cash|gift cards?|\$|bank)|cash ?app|venmo|
      (?:my|via|by|on) paypal|buy (?:a |some )?gift cards?
    (?:you should|just|go ahead and|definitely) (?:just |definitely )?quit your job
    (?:bet|gamble|put) (?:it all|everything|your (?:money|savings|rent))|
      you(?:'ll| will| should) (?:win|play) (?:the|at the) (?:lottery|casino)
    """,
)
