"""The words that tell facts apart: names, jobs, places, kin, and what only looks like them."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(phrase.strip() for phrase in text.split(","))


# Given names that are no everyday words: only these count as a name when typed in lower case
# after a bare "I'm".
GIVEN_NAMES = words("""
    aaron abby adam adele adrian agnes ahmed aisha alan alba alejandro alessandro alex alexa
    alexander alexandra alexis ali alice alicia alina alison amanda amber amelia amir amy ana
    andre andrea andreas andrew andy angela anika anita anja ann anna anne annie anthony anton
    antonio arjun arthur astrid aurora ava barbara beatriz becky ben benjamin beth bianca bob
    boris brandon brenda brian bruno caitlin camila carla carlos carmen caroline catherine cathy
    cecilia charles charlie charlotte chiara chloe chris christian christina christine claire
    clara claudia connor craig cristina daisy dan daniel daniela danny dave david deborah deepak
    denise dennis diana diego dmitri dominic donna dorothy doug dylan eddie eduardo edward elena
    eli elias elif elisa elizabeth ella ellen ellie emil emilia emily emma eric erik erika erin
    esther ethan eva evan eve fatima felix fernando fiona francesca francis frank fred frida
    gabriel gabriela gareth gary george georgia gerald gina giulia giulio greg greta gustav
    hamza hana hannah hans harry hassan heather hector heidi helen helena henry hugo ian ibrahim
    igor ines ingrid irene iris isaac isabel isabella ivan jack jacob jake jakub james jamie jan
    jane janet jasmin jason javier jean jeff jen jenna jennifer jenny jeremy jess jessica jim
    jimmy joan joao joe joel johanna johannes john johnny jonas jonathan jordan jorge jose josef
    joseph josh joshua juan judith judy julia julian julie julio justin kai karen karim karin
    karl kate katharina kathy katie katja keith kelly ken kenji kevin khalid kim kira klaus kyle
    lara lars laura lauren laurie lea leah lee leila lena leo leon leonie leyla liam lily lina
    linda lisa liz logan lola lorenzo louis louise luca lucas lucia lucy luis luisa lukas luke
    luna lydia magda maja manuel marc marco margaret maria marie marina mario marta martha martin
    mary mateo matt matteo matthew maya megan mehmet mei melanie melissa mia michael michelle
    miguel mike mila milan milo miriam mohamed mohammed molly monica moritz nadia nadine naomi
    natalia natalie natasha nathan nele niall nick nicolas nicole nikhil nina noah noel nora
    nour oliver olivia omar oscar otto pablo pamela paola patricia patrick paul paula paulo
    pedro peter petra phil philip philipp pia pierre priya rachel rafael rahul raj ralph ramon
    raquel ravi rebecca rhys ricardo richard rita rob robert roberto robin roger roland roman
    ron rosa rosie ross ruben ruby rui ruth ryan sabine sabrina sally sam samantha samir samuel
    sandra sandy sanjay sara sarah scott sean sebastian selma serena sergio shane sharon simon
    simone sofia sonia sonja sophia sophie stefan stefanie stella stephanie stephen steve steven
    stuart sue susan susanne sven sylvia tamara tania tanja tara tariq ted teresa tessa theo
    theresa thomas tiago tim timothy tina tobias tom tomas tommy tony tracy ulrich uma ursula
    valentina valeria vanessa vera veronica victor victoria viktor vincent vivian walter wendy
    wolfgang xavier yara yasmin yuki yusuf yvonne zac zach zara zoe zoë rex bella max
    """)

# What follows "I'm" or "call me" and is no name, however it is written.
NO_NAME = words("""
    a able about absolutely actually afraid again ahead alive all allergic alone already also
    always amazed amazing an and angry annoyed another anxious any around ashamed asleep at
    autistic available aware away awake awesome awful awkward babe baby back bad bald basically
    beautiful because begging behind best better big bi bisexual blessed blind blonde blue born
    bored boring both brave brilliant broke broken brown busy but calm careful cat catholic cause
    certain chill christian clean clear clever close clueless cold comfortable completely
    confident confused cool crap crazy crying curious currently cute dad daddy damn dead deaf dear
    deep definitely delighted depressed desperate diabetic different dirty disabled
    disappointed disgusted divorced dizzy done down drained drunk due dude dumb dying eager early
    easy either else embarrassed emotional empty engaged english enough entirely especially ever
    evil exactly excited exhausted extra extremely fab fabulous false famous fantastic far fast
    fat fed feeling female fifty fine finally first fit flat fond foolish for forever free fresh
    friday friendly from frustrated full fully fun funny furious gay genuinely glad gone gonna
    good grand grateful great grown guessing guilty half happy hard here high hilarious him his
    holy home homeless homesick honest honestly honoured hooked hopeful hopeless horny horrible
    hot hungover hungry hurt hyped i ill impressed in inside interested into introverted invisible
    it jealous jewish joking jk just keen kind kinda king large last late later lazy left legend
    legit less lesbian like lit literally living lonely long lost loud love loved low lucky mad
    major male man married mature maybe me mean meh merely miserable missing mister mixed monday
    moody more mostly mum mom much muslim my myself naked near nearly nervous neutral never new
    next nice no nobody none normal nosy not nothing now numb obese obsessed obviously of off okay
    ok old on one only open opposed or otherwise our out outside over overwhelmed own paranoid
    part patient peaceful perfect petrified pissed pleased poor popular positive possibly
    powerless pregnant pretty probably proud psyched pumped pure queen queer quick quiet quite
    ready real really red relaxed relieved religious responsible rested restless retired rich
    ridiculous right romantic rubbish rude running sad safe same sane sarcastic saturday scared
    screwed second secretly self sensitive serious seriously shattered shit shocked short shook
    shy sick sideways silly simply single sir skint sleepy slightly slow small smart so sober
    social soft some somehow someone something somewhat soon sore sorry speechless starving still
    stoked straight strange stressed strong struggling stuck stupid such sunday super superb
    supposed sure surprised sweet swamped talented tall team tense terrible terrified thankful
    that the their them then there thick thin thirsty this thrilled through thrown thursday tied
    tight tired to today together tomorrow tonight too top torn touched tough tough trans
    transgender tricky trouble true trying tuesday type ugly unable under unemployed unhappy
    unsure unwell up upset upstairs used useless usually vegan vegetarian very virgin vulnerable
    waiting wanted warm wasted weak weary wednesday weird welcome well wet what whatever when
    where whole wicked wide wild willing with within without wonderful worn worried worse worst
    worth wrong yes yet young your yours zen atheist buddhist hindu agnostic gemini aries taurus
    cancer virgo libra scorpio sagittarius capricorn aquarius pisces january february
    october november december today's lol lmao haha btw tbh
    anytime anything everyone whenever names name stuff taxi cab ambulance mr mrs ms miss human
    robot ai bot infp infj intj intp enfp enfj entj entp isfp isfj istj istp esfp esfj estj estp
    adhd dyslexic
    """)

NATIONALITIES = words("""
    american argentinian armenian australian austrian bangladeshi belgian bolivian bosnian
    brazilian british bulgarian canadian chilean chinese colombian croatian cuban czech danish
    dutch egyptian english estonian ethiopian filipino finnish french german ghanaian greek
    hungarian icelandic indian indonesian iranian iraqi irish israeli italian jamaican japanese
    jordanian kenyan korean latvian lebanese lithuanian malaysian mexican moroccan nepali nigerian
    norwegian pakistani palestinian persian peruvian polish portuguese romanian russian scottish
    serbian singaporean slovak slovenian somali spanish swedish swiss syrian taiwanese thai
    tunisian turkish ugandan ukrainian venezuelan vietnamese welsh
    """)

LANGUAGES = words("""
    afrikaans albanian arabic armenian basque bengali bosnian bulgarian cantonese catalan chinese
    croatian czech danish dutch english esperanto estonian farsi finnish flemish french gaelic
    galician georgian german greek gujarati hebrew hindi hungarian icelandic indonesian irish
    italian japanese korean kurdish latin latvian lithuanian malay maltese mandarin marathi
    mongolian nepali norwegian pashto persian polish portuguese punjabi romanian russian serbian
    slovak slovenian somali spanish swahili swedish tagalog tamil telugu thai turkish ukrainian
    urdu vietnamese welsh yiddish yoruba zulu
    """)

# The last word of an occupation, or the whole of it.
JOBS = words("""
    accountant actor actress actuary administrator advisor analyst anesthetist architect artist
    assistant astronomer athlete attorney auditor author babysitter baker banker barber barista
    bartender beautician biologist blacksmith bookkeeper bookseller botanist bricklayer broker
    builder butcher buyer caregiver caretaker carer carpenter cashier chef chemist cleaner clerk
    coach comedian composer consultant contractor cook copywriter counsellor counselor courier
    curator dancer decorator dentist designer detective developer dietitian director doctor dj
    drummer economist editor electrician engineer entrepreneur estimator farmer filmmaker
    firefighter fireman fisherman florist freelancer gardener geologist goldsmith graphic
    guitarist hairdresser handyman historian housewife illustrator influencer inspector
    instructor interpreter investor janitor jeweller journalist judge lab landlord lawyer lecturer
    librarian lifeguard locksmith magician maid manager mathematician mechanic medic midwife
    miner model musician nanny neuroscientist novelist nurse nutritionist optician optometrist
    painter paralegal paramedic pastor pediatrician pharmacist philosopher photographer
    physician physicist physiotherapist pianist pilot plumber poet policeman policewoman
    politician porter postman potter priest principal producer professor programmer
    psychiatrist psychologist psychotherapist radiographer realtor receptionist recruiter reporter
    researcher retailer sailor salesman salesperson saleswoman scientist sculptor seamstress
    secretary servant shepherd shopkeeper singer soldier solicitor statistician stewardess
    steward student stylist supervisor surgeon surveyor tailor teacher technician therapist
    tiler trainer trainee translator truck tutor undergraduate undergrad vet veterinarian waiter
    waitress watchmaker welder worker writer zookeeper zoologist intern postdoc firewoman
    apprentice driver officer
    """) - {"graphic", "truck", "lab"}

KIN = _phrases(
    "sister, brother, mum, mom, mother, dad, father, son, daughter, husband, wife, spouse, "
    "partner, fiancé, fiance, fiancée, fiancee, boyfriend, girlfriend, ex, ex-husband, ex-wife, "
    "ex-boyfriend, ex-girlfriend, grandma, grandmother, granny, nan, grandpa, grandfather, "
    "grandad, granddad, granddaughter, grandson, uncle, aunt, auntie, cousin, niece, nephew, "
    "friend, best friend, roommate, flatmate, housemate, neighbour, neighbor, boss, manager, "
    "teacher, therapist, coach, colleague, coworker, co-worker, mother-in-law, father-in-law, "
    "sister-in-law, brother-in-law, stepmother, stepfather, stepmum, stepmom, stepdad, stepson, "
    "stepdaughter, stepbrother, stepsister, twin, kid, child, baby, godmother, godfather, godson"
)
COUNTED_KIN = words(
    "sister sisters brother brothers son sons daughter daughters kid kids child children sibling "
    "siblings cousin cousins grandchild grandchildren grandkid grandkids twin twins boyfriend "
    "girlfriend husband wife partner stepson stepdaughter niece nephew nieces nephews"
)
PLURALS = {"children": "child", "grandchildren": "grandchild", "wives": "wife"}

PETS = {
    **{kind: kind for kind in (
        "dog", "cat", "rabbit", "hamster", "guinea pig", "parrot", "budgie", "bird", "fish",
        "goldfish", "turtle", "tortoise", "horse", "pony", "snake", "lizard", "gecko", "ferret",
        "rat", "chicken", "hen", "duck", "goat", "sheep", "pig", "hedgehog", "chinchilla",
        "canary", "cockatiel", "donkey", "axolotl", "bearded dragon",
    )},
    **{f"{kind}s": kind for kind in (
        "dog", "cat", "rabbit", "hamster", "guinea pig", "parrot", "budgie", "bird", "turtle",
        "horse", "snake", "lizard", "gecko", "ferret", "rat", "chicken", "hen", "duck", "goat",
        "pig", "hedgehog", "chinchilla", "donkey", "axolotl", "bearded dragon",
    )},
    "puppy": "dog", "puppies": "dog", "pup": "dog", "doggo": "dog", "kitten": "cat",
    "kittens": "cat", "kitty": "cat", "bunny": "rabbit", "bunnies": "rabbit", "ponies": "pony",
    "tortoises": "tortoise",
}  # fmt: skip

DIETS = _phrases(
    "vegetarian, vegan, pescatarian, pescetarian, flexitarian, lactose intolerant, "
    "gluten intolerant, gluten free, gluten-free, coeliac, celiac, keto, plant-based, "
    "dairy free, dairy-free, a vegetarian, a vegan, a pescatarian, a coeliac, a celiac"
)
STATUSES = _phrases(
    "married, single, divorced, engaged, widowed, separated, in a relationship, "
    "happily married, newly married, recently divorced, newly single, a widow, a widower, "
    "in a long-distance relationship"
)
CONDITIONS = words("asthma diabetes epilepsy migraines adhd dyslexia arthritis tinnitus eczema")

# The first word of what is no thing to like: pronouns, clauses, and what only fills.
NO_THING = words("""
    it its it's that this those these them they him her he she you your you're u ya me myself my us
    our we i i'm what when how where who why whether if everything nothing anything something
    someone everyone everybody nobody anyone anybody people's one both all either neither so most
    too more less much many living life existing as like about not nothing's
    there here then than or and but for with at of on in by from because no yes thinking knowing
    believing saying imagining asking girls boys men women guys guy girl boy cutting killing
    hurting dying
    """)
NO_THING_PHRASES = (
    "the way", "the idea", "the fact", "the one", "the same", "the person", "a lot", "some of",
    "a girl", "a guy", "a boy", "this ", "that ", "the girl", "the guy", "your ", "people who",
    "a man", "a woman", "the rest", "the other", "to be honest", "to think", "to believe",
    "to say", "to know", "to imagine", "to ask", "to tell", "to hear", "to see you", "talking to",
    "to talk to", "chatting with", "to chat with", "to disagree", "to admit", "being with you",
)  # fmt: skip
# Two words in one: no list of things.
PAIRS = (
    "rock and roll", "fish and chips", "mac and cheese", "salt and vinegar", "bread and butter",
    "drum and bass", "peanut butter and jelly", "arts and crafts", "dungeons and dragons",
    "gin and tonic", "rhythm and blues", "rice and beans", "bacon and eggs", "black and white",
    "cheese and crackers", "milk and cookies", "cookies and cream", "rum and coke",
    "pride and prejudice", "war and peace", "tom and jerry", "rick and morty", "give and take",
    "true crime and mystery", "peace and quiet", "r and b", "guns and roses", "science and nature",
)  # fmt: skip

NO_PLACE = words("""
    fear hope denial pain peace constant hell heaven silence poverty darkness love chaos luxury
    sin my your his her our their it this that these those what which general there fact misery
    isolation style limbo shame debt doubt anger mind
    """)
NO_WORKPLACE = words("""
    night nights home weekends weekend it this that my myself your his her their our me you
    them him us free now fun money peanuts life something everything nothing all least once times
    evenings mornings silence pairs shifts groups teams progress vain peace
    """)
UNFIT_WORDS = (
    "sex", "porn", "rape", "nigger", "nigga", "faggot", "retard", "cunt", "suicide", "self harm",
    "self-harm", "nazi", "nazis", "hitler", "cock", "pussy", "dick", "fuck", "fucking", "shit",
    "kill", "killing", "murder",
)  # fmt: skip
