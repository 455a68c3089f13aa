"""How are scikit-learn estimators kept? As skops files, decoded by a reader that has a fixed list of classes."""
