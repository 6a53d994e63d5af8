"""The statistics: numpy, scipy, scikit-learn and statsmodels only; scores can be remade without torch."""
