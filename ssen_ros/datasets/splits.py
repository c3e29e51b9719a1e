"""Which of the simulator's rooms are kept apart from training, by their seeds."""

HELD_OUT_SEEDS = range(200)  # rooms for validation: never trained on; training uses seeds from 1000
VALIDATION_SEEDS = range(100)  # of them, those of `Recipe.PLAIN`, which never change
HARD_SEEDS = range(100, 200)  # and those of `Recipe.VARIED`
SMOKE_SEEDS = range(4)  # of the first, four that tests can afford
