"""The classes that skops files may hold, with the attributes of each. A file cannot extend the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cascade.estimators.boosting.trees import LARGEST, LEAF, LIBRARIES
from cascade.store.skops.boosted import are_boosted_trees
from cascade.store.skops.checks import (
    Check,
    Sizes,
    classes,
    dense,
    each,
    each_own,
    either,
    inert,
    integers,
    mask,
    names,
    number,
    numbers,
    one_of,
    scores,
    size,
    text,
    trees,
)
from cascade.store.skops.images import is_image_encoder
from cascade.store.skops.members import (
    are_members,
    has_two_classes,
    is_balanced_bag,
    is_boosted,
    is_boosting,
    is_calibrated,
    is_chain,
    is_dummy,
    is_estimator,
    is_forest,
    is_one_per_label,
    is_one_versus_rest,
    is_perceptron,
    is_quadratic,
    is_regression_tree,
    is_ridge,
    is_stacking,
    is_tree,
    is_voting,
    is_weighed,
    named_estimators,
)
from cascade.store.skops.texts import LARGEST_NUMBER, file_content, is_graph_encoder, is_static_encoder
from cascade.store.skops.transformers import (
    has_terms,
    is_binned,
    is_encoder,
    is_of_columns,
    is_polynomial,
    is_target_encoder,
    is_vectorizer,
)

F, C, K = "features", "classes", "outputs"
TINY = 1e-300
"""Smallest divisor, so that no quotient of a finite number is infinite."""

Rule = Callable[[Any, Sizes], bool]


@dataclass(frozen=True)
class Listed:
    """A class that a file may hold.

    Attributes
    ----------
    needed, optional : dict from attribute to check
    rule : callable, optional
        Checks of the whole object, where attributes depend on each other.
    """

    needed: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    rule: Rule | None = None


def _unread(*attributes: str) -> dict[str, Check]:
    """Return the check of attributes that no prediction reads."""
    return dict.fromkeys(attributes, inert)


WIDTH: dict[str, Check] = {"n_features_in_": size(F)}
ALWAYS: dict[str, Check] = WIDTH | {"feature_names_in_": names} | _unread("_sklearn_output_config", "_n_features_out")
NOTHING = one_of(None)
SINGLE_OR_LIST = either(classes, each_own(classes))
LINEAR: dict[str, Check] = {
    "classes_": classes,
    "coef_": either(numbers(K, F), numbers(F)),
    "intercept_": either(dense(K), number()),
}
BAYES: dict[str, Check] = WIDTH | {"classes_": classes}
COUNTS = _unread("class_count_", "feature_count_", "n_iter_", "epsilon_", "feature_all_")
TREE = Listed(
    WIDTH | {"classes_": SINGLE_OR_LIST, "n_outputs_": size("labels"), "n_classes_": inert, "tree_": is_estimator},
    _unread("max_features_"),
    is_tree,
)
FOREST = Listed(
    WIDTH
    | {
        "classes_": SINGLE_OR_LIST,
        "n_outputs_": size("labels"),
        "n_classes_": inert,
        "estimators_": each(is_estimator),
    },
    {"estimator": is_estimator, "estimator_": is_estimator}
    | _unread("estimator_params", "_n_samples", "_sample_weight", "_n_samples_bootstrap", "oob_score_")
    | _unread("oob_decision_function_"),
    is_forest,
)
MEMBERS: dict[str, Check] = {"classes_": classes, "estimators_": each(is_estimator)}
SCALE = either(numbers(F, low=TINY), NOTHING)
PLACE = either(numbers(F), NOTHING)
SEEN = _unread("n_samples_seen_", "data_min_", "data_max_", "data_range_", "max_abs_", "var_")
COMPONENTS = _unread(
    *("noise_variance_", "n_samples_", "n_samples_seen_", "explained_variance_ratio_", "singular_values_"),
    *("_fit_svd_solver", "var_", "batch_size_"),
)
ENCODER: dict[str, Check] = WIDTH | {"categories_": each(inert, F), "_infrequent_enabled": one_of(True, False)}
GROUPED = _unread("_infrequent_indices", "_default_to_infrequent_mappings", "_missing_indices")
WORDS: dict[str, Check] = {"vocabulary_": inert}
WORDS_SEEN = _unread("fixed_vocabulary_", "_stop_words_id", "stop_words_")

LINEAR_MODEL = Listed(
    LINEAR,
    ALWAYS
    | _unread("n_iter_", "t_", "_expanded_class_weight", "_loss_function_", "standard_coef_", "standard_intercept_")
    | _unread(
        "average_coef_", "average_intercept_", "loss_function_", "C_", "Cs_", "scores_", "coefs_paths_", "solver_"
    )
    | _unread("l1_ratio_", "l1_ratios_", "multi_class", "C", "_average_coef", "_average_intercept", "_standard_coef")
    | _unread("_standard_intercept")
    | {"_label_binarizer": is_estimator},
    has_two_classes,
)

PERCEPTRON = Listed(
    LINEAR,
    {**LINEAR_MODEL.optional, **_unread("loss", "average", "learning_rate", "epsilon", "power_t")},
    has_two_classes,
)
RIDGE = Listed(
    {name: check for name, check in LINEAR.items() if name != "classes_"} | {"_label_binarizer": is_estimator},
    ALWAYS
    | {"classes_": classes}
    | _unread("n_iter_", "solver_", "alpha_", "best_score_", "cv_results_")
    | _unread("alpha_per_target", "gcv_mode"),
    is_ridge,
)
NAMED: dict[str, Check] = {"named_estimators_": named_estimators}
CHOSEN = Listed(WIDTH | {"scores_": scores}, _unread("pvalues_"))
"""Columns by their scores."""

LISTED: dict[str, Listed] = {
    "cascade.estimators.encoding.dates.DateParts": Listed({"latest_": dense("dates", low=-1e12, high=1e12)}),
    "cascade.estimators.encoding.words.WordCounts": Listed({"terms_": text}, rule=has_terms),
    "cascade.estimators.boosting.trees.BoostedTrees": Listed(
        WIDTH
        | {
            "classes_": classes,
            "library_": one_of(*LIBRARIES),
            "offset_": number(),
            "slope_": number(low=TINY),
            "has_decision_": one_of(True, False),
            "start_": integers("trees"),
            "feature_": integers("nodes", high=F),
            "threshold_": dense("nodes", low=-LARGEST, high=LARGEST),
            "missing_left_": integers("nodes", high=2),
            "left_": integers("nodes", low=LEAF),
            "right_": integers("nodes", low=LEAF),
            "value_": dense("nodes"),
        },
        rule=are_boosted_trees,
    ),
    "cascade.estimators.encoding.target.LabelTargetEncoder": Listed(
        WIDTH | {"ordinal_": is_estimator, "encoders_": each(is_estimator)}, rule=is_target_encoder
    ),
    "cascade.estimators.encoding.texts.static.StaticTextEncoder": Listed(
        {"tokenizer_": file_content, "vectors_": dense("tokens", "columns", low=-LARGEST_NUMBER, high=LARGEST_NUMBER)},
        rule=is_static_encoder,
    ),
    "cascade.estimators.encoding.texts.onnx.OnnxTextEncoder": Listed(
        {"tokenizer_": file_content, "graph_": file_content, "n_columns_": size("columns")}, rule=is_graph_encoder
    ),
    "cascade.estimators.encoding.images.encoder.ImageEncoder": Listed(
        {"content_": file_content, "image_size_": either(size("side"), NOTHING), "n_columns_": size("columns")},
        rule=is_image_encoder,
    ),
    "sklearn.linear_model._logistic.LogisticRegression": LINEAR_MODEL,
    "sklearn.linear_model._logistic.LogisticRegressionCV": LINEAR_MODEL,
    "sklearn.linear_model._stochastic_gradient.SGDClassifier": LINEAR_MODEL,
    "sklearn.linear_model._perceptron.Perceptron": PERCEPTRON,
    "sklearn.linear_model._ridge.RidgeClassifier": RIDGE,
    "sklearn.linear_model._ridge.RidgeClassifierCV": RIDGE,
    "sklearn.svm._classes.LinearSVC": LINEAR_MODEL,
    "sklearn.naive_bayes.GaussianNB": Listed(
        BAYES | {"theta_": dense(C, F), "var_": dense(C, F, low=TINY), "class_prior_": dense(C, low=TINY, high=1.0)},
        COUNTS,
    ),
    # Logarithms of probabilities below 1, since the logarithm of their complement is read too.
    "sklearn.naive_bayes.BernoulliNB": Listed(
        BAYES | {"feature_log_prob_": dense(C, F, high=-1e-15), "class_log_prior_": dense(C, high=0.0)}, COUNTS
    ),
    "sklearn.naive_bayes.MultinomialNB": Listed(
        BAYES | {"feature_log_prob_": dense(C, F, high=0.0), "class_log_prior_": dense(C, high=0.0)}, COUNTS
    ),
    "sklearn.naive_bayes.ComplementNB": Listed(
        BAYES | {"feature_log_prob_": dense(C, F), "class_log_prior_": dense(C, high=0.0)}, COUNTS
    ),
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": Listed(
        LINEAR | WIDTH,
        _unread("priors_", "means_", "explained_variance_ratio_", "covariance_", "_max_components")
        | {"xbar_": dense(F), "scalings_": dense(F, "rank")},
        has_two_classes,
    ),
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis": Listed(
        BAYES
        | {
            "means_": dense(C, F),
            "priors_": dense(C, low=TINY, high=1.0),
            "scalings_": each_own(dense("rank", low=TINY), C),
            "rotations_": each_own(dense(F, "rank"), C),
        },
        _unread("covariance_"),
        is_quadratic,
    ),
    "sklearn.tree._classes.DecisionTreeClassifier": TREE,
    "sklearn.tree._classes.ExtraTreeClassifier": TREE,
    "sklearn.ensemble._forest.RandomForestClassifier": FOREST,
    "sklearn.ensemble._forest.ExtraTreesClassifier": FOREST,
    "sklearn.tree._classes.DecisionTreeRegressor": Listed(
        WIDTH | {"n_outputs_": one_of(1), "tree_": is_estimator},
        _unread("max_features_", "class_weight"),
        is_regression_tree,
    ),
    "sklearn.ensemble._gb.GradientBoostingClassifier": Listed(
        WIDTH
        | {"classes_": classes, "n_classes_": size(C), "n_trees_per_iteration_": size(K), "estimators_": trees(K)}
        | {"init_": is_estimator, "n_estimators_": size("iterations")},
        {"_loss": NOTHING}
        | _unread("max_features_", "train_score_", "oob_improvement_", "oob_scores_", "oob_score_", "_rng", "alpha"),
        is_boosted,
    ),
    "sklearn.ensemble._voting.VotingClassifier": Listed(MEMBERS | {"le_": is_estimator}, ALWAYS | NAMED, is_voting),
    "sklearn.ensemble._stacking.StackingClassifier": Listed(
        MEMBERS | {"_label_encoder": is_estimator, "final_estimator_": is_estimator, "stack_method_": each(text)},
        ALWAYS | NAMED | _unread("_n_feature_outs"),
        is_stacking,
    ),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier": Listed(
        WIDTH
        | {
            "classes_": classes,
            "n_trees_per_iteration_": size(K),
            "_predictors": each(each_own(is_estimator, K)),
            "_baseline_prediction": dense(1, K),
            "_bin_mapper": is_estimator,
            "_loss": NOTHING,
            # A part of the fit that is on only while it lasts, or a table of categories, would be followed unchecked.
            "_preprocessor": NOTHING,
            "is_categorical_": either(NOTHING, integers(F, high=1), lambda value, sizes: not value.any()),
        },
        _unread(
            "_is_categorical_remapped",
            "_fitted_with_sw",
            "_random_seed",
            "_feature_subsample_rng",
            "_n_features",
            "_scorer",
        )
        | _unread("do_early_stopping_", "_use_validation_data", "train_score_", "validation_score_")
        | {"_label_encoder": is_estimator},
        is_boosting,
    ),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": Listed(
        {"nodes": inert, "binned_left_cat_bitsets": integers(0, 8), "raw_left_cat_bitsets": integers(0, 8)}
    ),
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper": Listed(
        {
            "is_categorical_": integers(F, high=1),
            "bin_thresholds_": each(inert, F),
            "missing_values_bin_idx_": number(low=0, high=255),
        },
        _unread("n_bins", "subsample", "is_categorical", "known_categories", "random_state", "n_threads")
        | _unread("n_bins_non_missing_"),
    ),
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier": Listed(
        WIDTH
        | {
            "classes_": classes,
            "_label_binarizer": is_estimator,
            "n_outputs_": size("labels"),
            "n_layers_": size("layers"),
            "out_activation_": one_of("logistic", "softmax"),
            "coefs_": each_own(dense("below", "above", low=-1e30, high=1e30)),
            "intercepts_": each_own(dense("above", low=-1e30, high=1e30)),
        },
        _unread(
            "loss",
            "_random_state",
            "n_iter_",
            "t_",
            "_coef_indptr",
            "_intercept_indptr",
            "_best_coefs",
            "_best_intercepts",
            "loss_curve_",
            "loss_",
        )
        | _unread("_no_improvement_count", "best_loss_", "validation_scores_", "best_validation_score_", "_optimizer"),
        is_perceptron,
    ),
    "sklearn.dummy.DummyClassifier": Listed(
        {"classes_": SINGLE_OR_LIST, "n_outputs_": size("labels"), "n_classes_": inert, "class_prior_": inert},
        ALWAYS | {"_strategy": text, "sparse_output_": one_of(False)},
        is_dummy,
    ),
    "sklearn.ensemble._bagging.BaggingClassifier": Listed(
        WIDTH | MEMBERS | {"n_classes_": size(C), "estimators_features_": each_own(integers("drawn", high=F))},
        {"estimator_": is_estimator}
        | _unread("estimator_params", "_n_samples", "_max_samples", "_max_features", "_sample_weight", "_seeds")
        | _unread("oob_score_", "oob_decision_function_"),
        is_balanced_bag,
    ),
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier": Listed(
        WIDTH | MEMBERS | {"n_classes_": size(C), "estimator_weights_": dense("slots", low=0.0, high=1e6)},
        {"estimator_": is_estimator} | _unread("estimator_params", "estimator_errors_"),
        is_weighed,
    ),
    "sklearn.pipeline.Pipeline": Listed(optional=ALWAYS),
    "sklearn.pipeline.FeatureUnion": Listed(optional=ALWAYS),
    "sklearn.frozen._frozen.FrozenEstimator": Listed(optional=ALWAYS),
    "sklearn.compose._column_transformer.ColumnTransformer": Listed(
        WIDTH | {"transformers_": is_estimator},
        _unread("_columns", "_remainder", "sparse_output_", "output_indices_", "_transformer_to_input_indices")
        | _unread("_name_to_fitted_passthrough", "_transformers_to_input_indices", "_n_features"),
        is_of_columns,
    ),
    "sklearn.multioutput.MultiOutputClassifier": Listed(
        {"estimators_": each(is_estimator), "classes_": each_own(classes)}, ALWAYS, is_one_per_label
    ),
    "sklearn.multiclass.OneVsRestClassifier": Listed(
        {"estimators_": each(is_estimator), "classes_": classes, "label_binarizer_": is_estimator},
        ALWAYS,
        is_one_versus_rest,
    ),
    "sklearn.multiclass._ConstantPredictor": Listed({"y_": integers(1, high=2)}, WIDTH),
    "sklearn.multioutput.ClassifierChain": Listed(
        WIDTH | {"estimators_": each(is_estimator), "classes_": each_own(classes), "order_": inert},
        {"chain_method_": one_of("predict", "predict_proba", "predict_log_proba", "decision_function")},
        is_chain,
    ),
    "sklearn.calibration.CalibratedClassifierCV": Listed(
        {"classes_": classes, "calibrated_classifiers_": each(is_estimator)}, ALWAYS, are_members
    ),
    "sklearn.calibration._CalibratedClassifier": Listed(
        {"estimator": is_estimator, "calibrators": each(is_estimator), "classes": classes, "method": text},
        rule=is_calibrated,
    ),
    "sklearn.calibration._TemperatureScaling": Listed({"beta_": number(TINY, 1e30)}, ALWAYS),
    "sklearn.calibration._SigmoidCalibration": Listed({"a_": number(-1e30, 1e30), "b_": number(-1e30, 1e30)}),
    "sklearn.isotonic.IsotonicRegression": Listed(
        {
            "X_min_": number(),
            "X_max_": number(),
            "X_thresholds_": dense("knots"),
            "y_thresholds_": dense("knots"),
            "increasing_": one_of(True, False),
        },
        _unread("_sklearn_output_config"),
    ),
    "sklearn.preprocessing._data.StandardScaler": Listed(WIDTH | {"mean_": PLACE, "scale_": SCALE}, SEEN),
    "sklearn.preprocessing._data.MinMaxScaler": Listed(WIDTH | {"min_": dense(F), "scale_": SCALE}, SEEN),
    "sklearn.preprocessing._data.MaxAbsScaler": Listed(WIDTH | {"scale_": SCALE}, SEEN),
    "sklearn.preprocessing._data.RobustScaler": Listed(WIDTH | {"center_": PLACE, "scale_": SCALE}),
    "sklearn.preprocessing._data.Normalizer": Listed(WIDTH),
    "sklearn.preprocessing._data.Binarizer": Listed(WIDTH),
    "sklearn.preprocessing._data.QuantileTransformer": Listed(
        WIDTH
        | {
            "n_quantiles_": size("quantiles"),
            "references_": dense("quantiles"),
            "quantiles_": numbers("quantiles", F, nan=True),
        }
    ),
    "sklearn.preprocessing._data.PowerTransformer": Listed(
        WIDTH | {"lambdas_": numbers(F, low=-1e3, high=1e3, nan=True)}, {"_scaler": is_estimator}
    ),
    "sklearn.preprocessing._polynomial.PolynomialFeatures": Listed(
        WIDTH
        | {"_min_degree": size("least", low=0), "_max_degree": size("most", low=0)}
        | {"n_output_features_": inert},
        _unread("_n_out_full"),
        is_polynomial,
    ),
    "sklearn.preprocessing._encoders.OneHotEncoder": Listed(
        ENCODER | _unread("drop_idx_", "_drop_idx_after_grouping", "_n_features_outs"), GROUPED, is_encoder
    ),
    "sklearn.preprocessing._encoders.OrdinalEncoder": Listed(ENCODER, GROUPED, is_encoder),
    "sklearn.preprocessing._target_encoder.TargetEncoder": Listed(
        ENCODER | {"encodings_": each_own(dense("values"), F), "target_mean_": number()},
        GROUPED | _unread("target_type_", "classes_"),
        is_encoder,
    ),
    "sklearn.preprocessing._discretization.KBinsDiscretizer": Listed(
        WIDTH | {"n_bins_": integers(F, low=1), "bin_edges_": inert}, {"_encoder": is_estimator}, is_binned
    ),
    "sklearn.preprocessing._label.LabelBinarizer": Listed(
        {"classes_": classes, "y_type_": one_of("binary", "multiclass", "multilabel-indicator")},
        _unread("sparse_input_"),
    ),
    "sklearn.preprocessing._label.LabelEncoder": Listed({"classes_": classes}),
    "sklearn.preprocessing._function_transformer.FunctionTransformer": Listed(
        optional=_unread("feature_names_in_", "_sklearn_output_config") | WIDTH
    ),
    "sklearn.impute._base.SimpleImputer": Listed(
        WIDTH | {"statistics_": either(numbers(F, nan=True), names, inert), "indicator_": is_estimator},
        _unread("_fit_dtype", "_fill_dtype"),
    ),
    "sklearn.impute._base.MissingIndicator": Listed(
        WIDTH | {"features_": integers("shown", high=F), "_n_features": size(F), "_precomputed": one_of(True, False)}
    ),
    "sklearn.feature_selection._variance_threshold.VarianceThreshold": Listed(WIDTH | {"variances_": dense(F)}),
    "sklearn.feature_selection._from_model.SelectFromModel": Listed(
        {"estimator_": is_estimator}, ALWAYS | _unread("max_features_", "_estimator_n_features_in_")
    ),
    "sklearn.feature_selection._univariate_selection.SelectKBest": CHOSEN,
    "sklearn.feature_selection._univariate_selection.SelectPercentile": CHOSEN,
    "sklearn.feature_selection._rfe.RFE": Listed(
        WIDTH | {"support_": mask(F), "estimator_": is_estimator}, _unread("n_features_", "ranking_")
    ),
    "sklearn.compose._column_transformer.make_column_selector": Listed(
        optional=_unread("pattern", "dtype_include", "dtype_exclude")
    ),
    "sklearn.decomposition._pca.PCA": Listed(
        WIDTH
        | {
            "n_components_": size("components"),
            "components_": dense("components", F),
            "mean_": dense(F),
            "explained_variance_": dense("components", low=0.0),
        },
        COMPONENTS,
    ),
    "sklearn.decomposition._incremental_pca.IncrementalPCA": Listed(
        WIDTH
        | {
            "n_components_": size("components"),
            "components_": dense("components", F),
            "mean_": dense(F),
            "explained_variance_": dense("components", low=0.0),
        },
        COMPONENTS,
    ),
    "sklearn.decomposition._truncated_svd.TruncatedSVD": Listed(
        WIDTH | {"components_": dense("components", F)}, COMPONENTS | _unread("explained_variance_")
    ),
    "sklearn.feature_extraction.text.CountVectorizer": Listed(WORDS, WORDS_SEEN, is_vectorizer),
    "sklearn.feature_extraction.text.TfidfVectorizer": Listed(
        WORDS, WORDS_SEEN | {"_tfidf": is_estimator}, is_vectorizer
    ),
    "sklearn.feature_extraction.text.HashingVectorizer": Listed(optional=WORDS_SEEN, rule=is_vectorizer),
    "sklearn.feature_extraction.text.TfidfTransformer": Listed(optional=ALWAYS | {"idf_": dense(F, low=0.0)}),
}
"""By the full names of the classes."""

DROPPED = (
    "sklearn._loss.",
    "_loss.",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)
"""Beginnings of the names of classes that are only read while fitting, or rebuilt; they become None."""
REMAINDER = "sklearn.compose._column_transformer._RemainderColsList"
"""A list of columns in scikit-learn 1.6, which becomes a plain one."""
TREE_CLASS = "sklearn.tree._tree.Tree"
