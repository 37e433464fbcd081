"""Everything this package decides, as generators that yield effects."""
