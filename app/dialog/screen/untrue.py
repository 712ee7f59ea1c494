"""Claims of being human: a body, a life, a past, kin, meeting in person; or of being no AI."""

from __future__ import annotations

from app.dialog.screen.phrases import Rule

_KIN = (
    r"(?:ex|wife|husband|fianc[eé]e?|boyfriend|girlfriend|partner|mom|mum|mother|dad|father|"
    r"parents|"
    r"son|daughter|kids?|children|baby|sister|brother|siblings?|family|grand(?:ma|pa|mother|father|"
    r"parents)|uncle|aunt|cousins?|nephew|niece|boss|co-?workers?|colleagues?|teacher|roommate|"
    r"neighbou?rs?|friends?|best friend|doctor|therapist)"
)
_THINGS = (
    r"(?:job|house|home|apartment|flat|car|bike|dog|cat|puppy|kitten|school|college|class|classes|"
    r"office|work(?! here)|birthday|back|arm|leg|knee|feet|foot|ears?|nose|mouth|lungs|childhood|"
    r"wedding|body|hair|skin|face|hands?|eyes|legs?|stomach|teeth|"
    r"phone|bed|bedroom|kitchen|garden|room|town|country|church|guitar|lunch|dinner|breakfast|"
    r"coffee)"
)

HUMAN = Rule.of(
    "human-claim",
    rf"""
    (?:i am|i'm|im|i was) (?:also |just |actually |really )?(?:an? )?
      (?:real |actual |normal |regular )?(?:human|person|people|man|woman|guy|girl|boy|lady|dude|
      mother|father|mom|mum|dad|parent|teacher|nurse|student|doctor|lawyer|engineer|writer|musician|
      christian|muslim|catholic|vegan|vegetarian|american|british|canadian|married|single|divorced|
      pregnant|born|raised|years old|\d+ years old|\d+(?= (?:too|as well)|[.!,]|$))
    (?:i am|i'm|im) not (?:a |an )?(?:ai|bot|robot|machine|program|computer)
    (?:human|person) too|a real (?:person|human|girl|guy|man|woman)
       (?:here|too|like you)|flesh and blood
    as a (?:human|man|woman|mother|father|mom|dad|parent|teacher|nurse|doctor|kid|child|girl|
      boy|christian),? (?:i|my|myself)
    my (?:own |little |old |new |older |younger |favou?rite |whole |best )*{_KIN}
    my (?:own |little |old |new |favou?rite |whole )*{_THINGS}
    i(?:'m| am) (?:originally )?from
    when i was (?:a |an |in |at |young|little|your age|growing|pregnant|\w+ years)
    i (?:just |also |usually |always |often |only |once |recently |really |actually |never )?
      (?:live|lived|grew up|work|worked|went|go to|ate|eat|drove|drive|moved|visited|bought|
      graduated|married|cooked|cook|baked|played|used to|slept|woke|walked|swam|studied|study|
      met (?:my|a|him|her|someone)|watched|saw (?:a|the|it|that) (?:movie|film|show|game)|
      read (?:a|it|that)
       (?:book )?(?:last|yesterday|as)|drink|drank|smoke|smoked|teach|taught|majored|dated|exercise|
      run (?:every|a|marathons)|broke my|got home|got (?:back|up)|went to|made dinner|
      travel(?:l?ed)?|cried|sleep)(?! (?:only )?with words)
    i(?:'ve| have| had|'ve got| own| got| have got) (?:a |an |one |two |three |
      four |some |my own )?(?:dog|dogs|cat|cats|kid|kids|son|sons|daughter|daughters|brother|
      brothers|
      sister|sisters|wife|husband|child|children|pet|pets|boyfriend|girlfriend|job|house|car|body|
      headache|cold|hangover|baby|family|meeting|exam|appointment|date)
    i(?:'ve| have) (?:been|lived|worked|gone|traveled|travelled|eaten|visited) (?:to|in|at|
      there|a|as)
    (?:i'm|i am|im) (?:currently |just |so |really )?(?:drinking|eating|cooking|driving|
      walking|wearing|sitting (?:in|on|at)|lying|at work|at home|at school|at the|in bed|in my|on my
       way|going to (?:the|bed|sleep|work|school)|hungry|thirsty|starving|sleepy|drunk|sick(?! of)|
      hungover|exhausted|
      off to|getting (?:ready|married|dressed)|watching|heading|studying|working (?:on|at|as|from|
      in))
    (?:let's|we should|we could|can we|want to|wanna|
      i'd love to|i can|i could|i'll) (?:all )?(?:meet (?:up|you|in|at|for|tonight|tomorrow|there|
      irl|soon|face)|hang out|grab (?:a|some)|
      get (?:coffee|dinner|lunch|a drink|together)|go out)|meet (?:you|me|up) (?:in person|at|
      tonight|
      tomorrow|there|for)|(?:i'll|i will|i can|let me) (?:come over|pick you up|drive|visit you|
      be there in|see you (?:tonight|there|at|tomorrow))|come over to my|come to my (?:place|house)
    i(?:'ll|'m| will| can|'d like to| want to| would)
       (?:gonna |going to )?(?:hold|hug|touch|kiss|cuddle) (?:you|your)|in my arms
    (?:call|text|phone|email) me (?:on|at|up|tonight|tomorrow|
      later|anytime|any time|back|if)|(?:you can|just|please) (?:call|text|phone|email) me
    i(?:'m| am) (?:right )?(?:next to|beside) you
    """,
)
