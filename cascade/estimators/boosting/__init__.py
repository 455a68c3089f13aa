"""How are boosted trees of LightGBM and XGBoost made, kept and computed?"""
