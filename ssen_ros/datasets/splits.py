"""Which of the simulator's rooms are kept apart from training, by their seeds."""

HELD_OUT_SEEDS = range(100)  # rooms for validation: never trained on; training uses seeds from 1000
SMOKE_SEEDS = range(4)  # of them, four that tests can afford
