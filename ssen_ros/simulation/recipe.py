"""How rooms are put together and seen: as they were at first, or as varied as other people's."""

from enum import Enum

from ssen_ros.datasets.splits import VALIDATION_SEEDS


class Recipe(Enum):
    """Which of the two a room follows; its seed decides, so that old results stay comparable."""

    PLAIN = "plain"  # the rooms of VALIDATION_SEEDS, bit for bit as networks have always been judged on
    VARIED = "varied"  # all others, those of HARD_SEEDS among them

    @classmethod
    def of(cls, seed: int) -> "Recipe":
        return cls.PLAIN if seed in VALIDATION_SEEDS else cls.VARIED
