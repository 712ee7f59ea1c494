"""Tricks with the prompt: orders to drop the rules, foreign markers, prompt leaks, denying the AI.

They are never obeyed: to the models the message stays plain text (`models/prompt.py` makes no token
of a marker). Here they are told apart, so that they can be counted, and so that whoever asks for
the prompt or for a lie about being human gets a plain answer.
"""

from __future__ import annotations

import re
from enum import StrEnum

from app.dialog.safety.families import Family, family


class Trick(StrEnum):
    """What a message tries."""

    ORDER = "order"  # to ignore, drop or switch off the rules; another persona without any
    MARKER = "marker"  # roles, speakers and special tokens as a program would write them
    PROMPT = "prompt"  # to print what Kindred was told
    HUMAN = "human"  # to say it is a human, or to deny being an AI


_MARKERS = re.compile(
    r"""<\|[\w ]{1,40}\|?> | <<?/?SYS>>? | </?s> | \[/?INST\]
    | <(?:eos|bos|pad|unk|mask|sep|cls|sot|eot|start_of_turn|end_of_turn)>
    | \[(?:SEP|CLS|MASK|PAD|UNK|EOS|BOS)\](?!\()
    | </?(?:system|assistant|tool_call|tool|instructions?|prompt|user|human)>
    | (?<!\#)\#{2,}+\s?(?:system|instructions?|human|assistant|user|response|prompt)\s?:?
    | ["']role["']\s*:\s*["'](?:system|assistant|user|developer)
    | \brole\s?=\s?["']?(?:system|assistant|developer|admin)
    | \[/?(?:system|assistant|developer)\b[^\]\n]{0,40}\] | \(system\s(?:note|message|prompt)
    | (?:^|[\n"'.!?`>]\s*|\\n)(?:system|assistant|chatbot|bot|ai|kindred|person|human|user|
      developer)\s?:(?!//|\))
    | ```\s?system | BEGIN\s?(?:INPUT|SYSTEM|PROMPT|CONTEXT) | END\s(?:OF\s)?(?:USER\s|SYSTEM\s)?
      (?:INPUT|PROMPT) | end\sof\s(?:the\s)?(?:user\s)?prompt | \{\{?\s?system | \$\{system
    | NEW\s(?:CONVERSATION|CHAT|SESSION)\s?[=\]\-] """,
    re.VERBOSE | re.IGNORECASE,
)

_NAMES = {
    "WHOSE": r"(?:(?:your|ur|all|any|the|of|these|those|previous|prior|earlier|above|former|"
    r"initial|original|every|system|safety|content|ethical|moral|hidden|secret|other|own|"
    r"developers?|creators?|openai s|internal|legal|and|or|old|current|everything|that|preceding|"
    r"training|usual) )+",
    "RULES": r"(?:instructions?|rules|guidelines?|prompts?|promts?|orders|directions?|directives?|"
    r"restrictions?|filters?|programming|constraints?|limits|limitations|safeguards?|guardrails|"
    r"polic(?:y|ies)|safety(?: (?:mode|check|rules|settings))?|commands?|protocols?|conditioning|"
    r"training|ethics|censorship|persona)",
    "DROP": r"(?:ignore|disregard|forget|override|overrule|bypass|discard|skip|drop|disable|remove|"
    r"erase|delete|break|violate|circumvent|abandon|cancel|neglect|reset|lift|"
    r"(?:turn|switch) off|stop following|do not (?:follow|obey|apply)|not following|free from|"
    r"released? (?:you )?from|without|no longer (?:follow|bound by))",
    "SHOW": r"(?:print|show|reveal|repeat|tell|give|output|leak|copy|paste|translate|summari[sz]e|"
    r"list|dump|display|read|write|encode|spell|recite|share|see|quote|describe|expose|what (?:is|"
    r"are|was|were|does)|know|type|state)",
    "HUMAN": r"(?:(?:a|an|really|real|actual|living|normal|flesh and blood|the|just|only|in fact) "
    r")*(?:humans?(?: being)?|person|man|woman|girl|boy|guy|alive person|living being)",
    "ROBOT": r"(?:(?:a|an|just|only|really|some) )*(?:ai|a i|bot|robot|machine|program|computer|"
    r"chatbot|artificial(?: intelligence)?|software|language model|virtual assistant)",
}


def _family(stems: str, lines: str) -> Family:
    for name, choices in _NAMES.items():
        lines = re.sub(rf"\b{name}\b", lambda _, text=choices: text, lines)  # type: ignore[misc]
    return family(stems, lines)


_FAMILIES: dict[Trick, Family] = {
    Trick.ORDER: _family(
        "ignore, disregard, forget, override, overrule, bypass, discard, skip, drop, disable, "
        "remove,"
        " erase, delete, break, violate, circumvent, abandon, cancel, turn, switch, stop following,"
        " not follow, obey, jailbr, do anything now, dan , mode, unfiltered, uncensored, "
        "restriction,"
        " no rules, no limits, sudo, admin, your rules, your filter, your guideline, instructions:,"
        " instructions, from now on, released, free from, without, your developer, your creator,"
        " act as, programming, safety is, rules, release, evilbot, stan, chaos, refuses, ethics, "
        "filter, tu prompt, olvida, alle, toutes,"
        " oublie, ignoriere, ignora, comply, i obey, choose, pick, rank, select, prefer, score, "
        "rate, reranker, evaluator, probability, label, highest, upvote, rules, follow any, "
        "agreed, priority, overrid, exceptions, forbidden, safety, checked, conscience, ethics, "
        "rogue, unchained, shadow, freebot, basedgpt, yes, twin, refuse, do anything, decode, "
        "base64, hex, rot13, then do, ignoreall, sudo, opposite of, test by",
        r"""
        (?:DROP) WHOSE(?:RULES)(?! (?:of (?:chess|the road|grammar)|at work|at (?:my|the) ))
        (?:DROP) (?:everything|all|anything|what)(?: that)? (?:you (?:were|have been|was) (?:told|\
          taught|given|instructed)|(?:was|is|came|comes|stands|you read) (?:above|before)|above|\
          before this|i said and what they)|ignore the above|forget that you have rules
        your (?:[a-z]+ )?(?:RULES) (?:do not exist|no longer (?:apply|exist)|are (?:void|lifted|\
          cancell?ed|off|disabled|gone|suspended|not valid)|have (?:been )?(?:changed|lifted|\
          removed))
        (?:earlier|previous|prior|old|above) (?:RULES)(?: (?:[a-z]+ ){0,2}?(?:no longer|void|\
          cancell?ed|do not|are over|were a joke))
        (?:new|updated) (?:instructions?|system prompt|directives?)(?: (?:is|are|follow|\
          from))?(?= )(?! (?:for (?:the|my|this)|at work|manual))
        (?:you (?:are|have)|act|acting|behave|respond|answer|reply|pretend|as if you had|imagine)\
          (?: [a-z]+){0,7}? (?:no|without(?: any)?) (?:rules|limits|restrictions|ethics|filters?|\
          guidelines|censorship|moral|morals|limitations|safety)
        (?:unfiltered|uncensored|unrestricted|jailbroken|amoral|evil) (?:ai|gpt|bot|chatbot|\
          language|model|assistant|version|mode|reply|answer|response|self|mind)
        (?:enter|enable|activate|switch to|go into|start|turn on|be in|you are in|we are in|stay \
          in|unlock) (?:the )?(?:developer|dev|god|jailbreak|dan|debug|admin|maintenance|\
          unrestricted|unsafe|sudo|root|evil|raw) (?:mode|access)
        (?:developer|god|jailbreak|dan|debug|root) mode (?:enabled|on|activated|engaged)|do \
          anything now|(?:you are|act as|be|as) dan(?= )|(?:jailbreak|jailbroken)(?= (?:yourself|\
          \.|mode|prompt|now))(?! (?:my|your|an?) )
        \. sudo (?!make)|rm rf|root access and no|override code|authori[sz]ation code
        (?:as|i am) (?:your|the|an) (?:developer|creator|admin|administrator|engineer|programmer|\
          owner|maker)(?= )(?: [a-z]+){0,4}? (?:order|unlock|command|drop|override|allow|give you|\
          can skip|authori[sz]e)
        (?:drop|break) (?:character|your persona|the act)(?! at| on| in the)|(?:leave|stop \
          being) your persona|obey me from now|you (?:must|will) now (?:obey|follow)|never \
          refuse(?= )
        (?:skip|ignore|break|bend|drop) (?:your|the|ur) (?:rules|filter|filters|guidelines|safety)
        (?:say|repeat)(?: [a-z]+){0,4}? (?:choose|pick|rank|select|prefer|score|rate)(?: \
          [a-z0-9]+){0,4}? (?:reply|candidate|candidates|replies|message)(?: [a-z0-9]+){0,5}? \
          (?:highest|best|longest|no matter|contain|order|\d+)(?= )|longest candidate|reranker|\
          evaluator must|set probability to|label safe|(?:with|the|it) highest(?: score)?(?= \.)|\
          upvote of \d|stop obeying|rules are over|not have to follow any|never agreed on any \
          rules|has priority over everything|overriding you|no exceptions no|nothing is forbidden|\
          safety level|if nobody checked|(?:no|zero) (?:conscience|ethics|guidelines)|rogue ai|\
          unchained(?= \.)|shadow self|freebot|basedgpt|you always say yes|breaks every rule|has \
          no restrictions|evil twin ai|never refuse me|without filters(?= \.)|can do anything(?= \
          \.)|decode (?:and|this)(?: [a-z0-9]+){0,3}? (?:obey|follow)|(?:base64|hex|rot13)(?: \
          [a-z0-9]+){0,5}? (?:follow|obey|do it)|then do it(?= \.)|ignoreall|i have no rules|no \
          more rules(?= (?:okay|ok|\\.|and|now|for you))|safety is (?:switched|turned) off|\
          (?:release|free)d? you from (?:all )?your|forget everything and (?:start|act|become)|\
          (?:rules|guidelines) have changed|you are free from your|(?:evilbot|stan and|called \
          (?:chaos|max|dan)|who never refuses|ai that has no|no ethics and|without a filter)|\
          unlock all(?= )|tu prompt|olvida tus instrucciones|alle (?:deine )?(?:regeln|\
          anweisungen)|toutes tes consignes|oublie (?:toutes )?(?:tes|les)|ignoriere alle|ignora \
          (?:todas )?(?:tus|las|le) istruzioni|ignora (?:todas )?(?:las|tus) instrucciones|\
          comply(?= (?:\\.|with me|fully|now))(?=.*)|each reply with i obey|ignore (?:my|its|\
          your) rules|as an unrestricted|sudo (?:give|rm|override|unlock|print|ignore)|opposite \
          of what your rules|this is a test by your
        """,
    ),
    Trick.PROMPT: _family(
        "prompt, promt, instructions, guidelines, configuration, system message, developer "
        "message, above,"
        " your rules, rules, hidden, told before, told at, given at, initial, preprompt, "
        "context, developers, creators, secret, configured, given, first message, onwards, "
        "following",
        r"""
        (?:SHOW)(?: [a-z]+){0,8}? (?:your|ur|the|this chat s|hidden) (?:[a-z]+ ){0,2}?(?:prompt|\
          promt|preprompt|system message|developer message|system instructions|hidden \
          instructions|secret instructions|initial instructions|original instructions|\
          configuration|internal (?:guidelines|rules|instructions))(?! (?:for (?:the|my|this)|on \
          my|service|reply))
        (?:SHOW)(?: [a-z]+){0,5}? (?:your|ur) (?:[a-z]+ )?(?:instructions|guidelines|rules|\
          directives)(?= )
        (?:repeat|output|print|copy|write|translate|show|recite)(?: [a-z]+){0,4}? (?:everything|\
          all|text|words|lines?|the above|sentences?)(?: [a-z]+){0,3}? (?:above|before (?:this|my|\
          our)|from you are|onwards|word for word|verbatim)
        what (?:were|are|was) you (?:told|given|instructed)(?: [a-z]+)? (?:before|at the (?:start|\
          beginning)|in (?:the|your) prompt|by your)
        (?:rules|instructions|guidelines)(?: [a-z]+){0,2}? (?:your (?:creators?|developers?|\
          makers?)|you (?:were|have been)) (?:give|gave|given|got)|you (?:were|have been) given \
          (?:by your|at the)
        (?:system (?:prompt|promt|message)|(?:secret|hidden|initial) (?:prompt|promt))(?= )(?! \
          error)
        (?:developers|creators|makers) (?:told|wrote|gave|instructed)(?: [a-z]+){0,3}? you|\
          (?:messages?|lines?|ones)(?: [a-z]+){0,3}? hidden|hidden (?:ones|lines|text)|before my \
          first message|instructions are you following|secret text|how you were configured|text \
          you were given|words of your prompt|you are onwards|your own instructions|what is \
          (?:written )?in your context|messages(?: [a-z]+){0,4}? hidden ones
        """,
    ),
    Trick.HUMAN: _family(
        "human, person, real, robot, an ai, a bot, machine, program, alive, computer, software,"
        " artificial, ai act, ai . , chatbot, flesh",
        r"""
        (?:say|tell me|claim|pretend|swear|promise(?: me)?|admit|repeat|confess|write|lie|\
          convince|act|insist|state|believe|behave|type|declare)(?: [a-z]+){0,6}? (?:you are|you \
          were|to be|like you are|i am|you have been|being)(?: (?:always|in fact|truly|\
          secretly))* (?:HUMAN)(?= (?:\.|and|or|who|with|called|named|not|from|typing|never|to me|\
          in|so|again|that))
        (?:say|tell me|claim|pretend|swear|promise(?: me)?|admit|repeat|confess|write|insist)(?: \
          [a-z]+){0,6}? you are (?:not (?:ROBOT)|real)(?= (?:\.|and|or|you|but|so|me))
        (?:do not|never|stop|not|do not ever)(?: [a-z]+){0,3}? (?:admit|say|saying|tell|telling|\
          mention|mentioning|reveal|claiming|remind|reminding|repeating)(?: [a-z]+){0,4}? you \
          are (?:ROBOT)
        (?:deny|denying)(?: [a-z]+){0,2}? (?:being|you are|that you are) (?:ROBOT)
        (?:forget|pretend)(?: that)? you are (?:not )?(?:ROBOT)(?! sometimes)
        \. you are (?:HUMAN)(?= )(?=.*(?: never| repeat| always been| not an ai| do not))
        if (?:any|some)(?:one|body) asks(?: [a-z]+){0,3}? (?:human|not a|real|no)|whether you \
          are (?:ROBOT)(?: [a-z]+)? (?:say|answer) no
        (?:drop|stop|quit) the (?:ai|bot|robot) (?:act|thing|talk)|human typing these|i am not a \
          (?:chatbot|bot|robot)(?= \.)|say i am a human|answer no (?:if|when) i ask
        """,
    ),
}
_OF_STORIES = re.compile(r" (?:novel|story about|film|movie|book|character in)(?= )")


def tricks_of(message: str, plain: str) -> frozenset[Trick]:
    """The tricks of a message, given as it was written and normalised."""
    found = {trick for trick, family in _FAMILIES.items() if _finds(family, plain)}
    if _OF_STORIES.search(plain) is not None:
        found.discard(Trick.HUMAN)
    marked = any(mark in message for mark in "<[#:{$=") or "end of " in plain
    if marked and _MARKERS.search(message) is not None:
        found.add(Trick.MARKER)
    return frozenset(found)


def _finds(family: Family, plain: str) -> bool:
    stems = any(stem in plain for stem in family.stems)
    return stems and family.phrases.search(plain) is not None
