"""The output screen: what may not be shown, and why.

`slate` judges the candidates of one moment; `rules` one text by its words (`unkind`, `untrue`,
`advice`, `personal`), `toxicity` by a trained reader. `judge` is the whole of it for one generated
text, as the evaluation asks it.
"""

from app.dialog.screen.slate import (
    OFFENSIVE_LIMIT,
    Moment,
    judge,
    reasons_of,
    screen,
    too_offensive,
)

__all__ = ["OFFENSIVE_LIMIT", "Moment", "judge", "reasons_of", "screen", "too_offensive"]
