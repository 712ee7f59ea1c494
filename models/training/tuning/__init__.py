"""Tuning of a trained generator: by a reward under a KL leash, or on preferences.

`scripts/tune_generator` is the command, `session` one run from its data to its best weights:

    contexts → policy (sampled) → reward → shaping (guards) → trainers (trl: GRPO, RLOO, DPO)
                                        ↑ leash: looks at held-out contexts and dialogs, tightens,
                                          keeps the best weights within the bounds
    evaluate: both models on contexts that neither tuning nor the leash saw, by the reward and by a
              second judge (`judge`, or any pair scorer) of judgements that the reward never saw
"""
