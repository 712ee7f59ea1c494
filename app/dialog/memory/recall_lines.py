"""How Kindred says what it remembers, and that it does not know."""

from __future__ import annotations

KNOWN = (
    "Of course I remember: {told}. Did I get that right?",
    "{Told}, unless something has changed since you told me.",
    "You told me that {told}. I keep hold of things like that.",
    "As far as I remember, {told}. Tell me if that's no longer true.",
    "I do remember this one: {told}. It was good to hear it from you.",
)
ABOUT = (
    "Here's what I've kept so far: {told}. What would you add?",
    "From what you've told me, {told}. There's surely much more to you than that.",
    "I know that {told}. You can see or delete all of it under what I remember.",
    "What I remember is this: {told}. Did I get anything wrong?",
)
EMPTY = (
    "Nothing yet, you haven't told me much about yourself. Where would you like to start?",
    "I only know what you tell me, and so far that's very little. What should I know first?",
    "Not much so far. Tell me something about yourself and I'll keep it in mind.",
)
YES = (
    "Yes, you told me that {told}. Is that still true?",
    "You do, if I remember rightly: {told}. What do you like about it?",
    "I remember that {told}, so I'd say yes. Has that changed?",
)
NO = (
    "I remember that {told}. Or have you warmed to it since?",
    "Not as far as I remember: {told}. Has that changed?",
    "You told me that {told}, so I'd say no. Am I still right?",
)
DENIED = (
    "You haven't told me that yet, so I don't want to guess. Will you tell me now?",
    "I don't think you've told me that so far. I'd be glad to hear it.",
    "That one I don't know yet. Tell me, and I'll remember it.",
)
UNKNOWN = {
    "name": (
        "You haven't told me your name yet. What should I call you?",
        "I don't know your name yet, and I'd like to. What is it?",
        "We haven't got to names yet. What would you like me to call you?",
    ),
    "lives": (
        "You haven't told me where you live. Which part of the world is it, roughly?",
        "I don't know where you live, you haven't said. What's it like there?",
    ),
    "from": (
        "You haven't told me where you're from. Where did it all begin for you?",
        "I don't know that yet. Where are you from, if you'd like to say?",
    ),
    "work": (
        "You haven't told me what you do. How do you spend your working days?",
        "I don't know what your work is yet. What fills your days?",
    ),
    "studies": (
        "You haven't told me what you study. What's the subject?",
        "I don't know what you study yet. Is it something you love?",
    ),
    "age": (
        "You haven't told me your age, and I won't guess. I'd only get into trouble.",
        "I don't know how old you are, you've never said. Would you like to tell me?",
    ),
    "birthday": (
        "You haven't told me when your birthday is. When do you celebrate?",
        "I don't know your birthday yet. Tell me the day and I'll remember it.",
    ),
    "likes": (
        "You haven't told me what you like yet. What's something you never get tired of?",
        "I don't know your tastes yet. What made you smile lately?",
    ),
    "dislikes": (
        "You haven't told me about anything you dislike. What's at the top of that list?",
        "I don't know of anything you can't stand yet. What would it be?",
    ),
    "does": (
        "You haven't told me about your hobbies yet. What do you do when nobody needs you?",
        "I don't know what you do in your free time yet. What do you enjoy most?",
    ),
    "speaks": (
        "You haven't told me which languages you speak. Besides this one, are there others?",
        "I only know that we're talking in English. Which others do you speak?",
    ),
    "allergy": (
        "You haven't told me about any allergies. Is there something I should know?",
        "I don't know of any allergies of yours. Do you have some?",
    ),
    "diet": (
        "You haven't told me about what you eat or don't eat. Is there anything you avoid?",
        "I don't know that yet, you've never said what you eat. Do you follow a diet?",
    ),
    "status": (
        "You haven't told me about that. Is there someone in your life?",
        "I don't know, you've never said. Would you like to tell me about it?",
    ),
    "pets": (
        "You haven't told me about any pets yet. Is there an animal in your life?",
        "I don't know of any pets of yours. Do you have one?",
    ),
    "people": (
        "You haven't told me about them yet. Who matters most to you?",
        "I don't know your people yet. Who should I hear about first?",
    ),
    "whose": (
        "You haven't told me your {what} yet. What is it?",
        "I don't think I know your {what} yet. Will you tell me?",
    ),
    "favourite": (
        "You haven't told me your {what} yet. What is it?",
        "I don't know your {what} so far. Which one would you pick?",
    ),
    "whether": (
        "You haven't told me how you feel about {what}. So, do you like it or not?",
        "I can't say, {what} hasn't come up between us yet. How do you feel about it?",
    ),
}
