"""Listed layers, functions and operators: those that compute a bounded time from rows to logits, and nothing else."""

from __future__ import annotations

SHAPES = ("1D", "2D", "3D")

MODELS = {"Functional", "Sequential"}
LAYERS = {
    *("InputLayer", "Dense", "EinsumDense", "Embedding", "Masking", "Identity", "Flatten", "Reshape", "Permute"),
    *("RepeatVector", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization", "RMSNormalization"),
    *("Normalization", "Rescaling", "Resizing", "CenterCrop", "SpectralNormalization"),
    *("Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Dot"),
    *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
    *("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "RNN", "Bidirectional", "TimeDistributed"),
    *("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"),
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomCrop", "RandomContrast"),
    *("RandomBrightness", "RandomHue", "RandomSaturation", "RandomShear", "RandomSharpness", "RandomInvert"),
    *("RandomGrayscale", "RandomPosterization", "RandomErasing", "RandomGaussianBlur", "RandomColorJitter"),
    *("RandomPerspective", "RandomElasticTransform", "Solarization", "AutoContrast", "Equalization"),
    *(f"{name}{shape}" for shape in SHAPES for name in ("Conv", "MaxPooling", "AveragePooling", "UpSampling")),
    *(f"{name}{shape}" for shape in SHAPES for name in ("GlobalMaxPooling", "GlobalAveragePooling", "ZeroPadding")),
    *(f"{name}{shape}" for shape in SHAPES for name in ("Cropping", "SpatialDropout")),
    *(f"{name}{shape}" for shape in SHAPES[:2] for name in ("SeparableConv", "DepthwiseConv")),
    *(f"AdaptiveAveragePooling{shape}" for shape in SHAPES),
    *(f"AdaptiveMaxPooling{shape}" for shape in SHAPES),
    *(f"Conv{shape}Transpose" for shape in SHAPES),
}
"""Layers of Keras without those that hold code, read files or take texts."""
OPERATIONS = {
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Negative", "Abs", "Absolute", "Square", "Sqrt", "Exp"),
    *("Log", "Log1p", "Clip", "Maximum", "Minimum", "Mean", "Sum", "Max", "Min", "Prod", "Var", "Std", "Concatenate"),
    *("Reshape", "Transpose", "Squeeze", "ExpandDims", "GetItem", "Relu", "Relu6", "Sigmoid", "Softmax", "Tanh"),
    *("Silu", "Gelu", "Softplus", "Elu", "Matmul", "Cast", "Power", "Sign", "Reciprocal", "Rsqrt"),
}
"""Functions of `keras.ops` that become parts of a network; of growing ones, the size of the output is checked."""
ACTIVATIONS = {
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "glu"),
    *("sigmoid", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid", "tanh", "tanh_shrink"),
    *("softmax", "log_softmax", "softplus", "softsign", "soft_shrink", "hard_shrink", "sparse_plus", "squareplus"),
    *("exponential", "threshold", "sparse_sigmoid", "sparsemax"),
}
INITIALIZERS = {
    *("Zeros", "Ones", "Constant", "Identity", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
    *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal"),
}
INITIALIZER_NAMES = {
    *("zeros", "ones", "constant", "identity", "random_normal", "random_uniform", "truncated_normal"),
    *("variance_scaling", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal"),
    *("lecun_uniform", "orthogonal", "uniform", "normal"),
}
OTHERS = {
    *("DTypePolicy", "L1", "L2", "L1L2", "OrthogonalRegularizer", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"),
    "SeedGenerator",
}
PLAIN_OBJECTS = {"__keras_tensor__", "__tuple__", "__slice__", "__ellipsis__", "__tensor__", "__numpy__", "__bytes__"}
"""Values that Keras writes as objects."""
TYPES = {
    *("float16", "float32", "float64", "bfloat16", "mixed_float16", "mixed_bfloat16", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}

ONNX = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Neg", "Abs", "Sqrt", "Exp", "Log", "Reciprocal", "Sign", "Floor", "Ceil"),
    *("Round", "Erf", "Min", "Max", "Mean", "Sum", "Clip", "Where", "Equal", "Less", "Greater", "LessOrEqual"),
    *("GreaterOrEqual", "And", "Or", "Not", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Mish"),
    *("Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign", "Softmax", "LogSoftmax"),
    *("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum", "BatchNormalization", "LayerNormalization"),
    *("InstanceNormalization", "GroupNormalization", "LpNormalization", "MaxPool", "AveragePool", "GlobalMaxPool"),
    *("GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"),
    *("ReduceSumSquare", "ReduceLogSumExp", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Concat"),
    *("Slice", "Split", "Gather", "GatherND", "Cast", "Identity", "Constant", "Shape", "Pad", "Tile", "Expand"),
    *("Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "ArgMax", "ArgMin", "IsNaN", "IsInf"),
    *("QuantizeLinear", "DequantizeLinear"),
}
"""Operators of ONNX: without control flow (If, Loop, Scan), recurrences, random numbers and unlimited constants."""

ONNX_OF_ENCODERS = ONNX | {
    *("ConstantOfShape", "Range", "CumSum", "GatherElements", "ScatterND", "Trilu", "Sin", "Cos", "Mod"),
    *("DynamicQuantizeLinear", "MatMulInteger", "SimplifiedLayerNormalization", "RMSNormalization"),
}
"""Operators of frozen encoders. Masks and positions of texts depend on the length of a text, and exports of image
transformers compute shapes, too. The graph is tried with rows of the largest size, in a process with limits, before it
is opened."""

LITERT = {
    "ADD": 0,
    "AVERAGE_POOL_2D": 1,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "DEPTH_TO_SPACE": 5,
    "DEQUANTIZE": 6,
    "FLOOR": 8,
    "FULLY_CONNECTED": 9,
    "L2_NORMALIZATION": 11,
    "LOGISTIC": 14,
    "MAX_POOL_2D": 17,
    "MUL": 18,
    "RELU": 19,
    "RELU_N1_TO_1": 20,
    "RELU6": 21,
    "RESHAPE": 22,
    "RESIZE_BILINEAR": 23,
    "SOFTMAX": 25,
    "SPACE_TO_DEPTH": 26,
    "TANH": 28,
    "PAD": 34,
    "GATHER": 36,
    "BATCH_TO_SPACE_ND": 37,
    "SPACE_TO_BATCH_ND": 38,
    "TRANSPOSE": 39,
    "MEAN": 40,
    "SUB": 41,
    "DIV": 42,
    "SQUEEZE": 43,
    "STRIDED_SLICE": 45,
    "EXP": 47,
    "SPLIT": 49,
    "LOG_SOFTMAX": 50,
    "CAST": 53,
    "PRELU": 54,
    "MAXIMUM": 55,
    "ARG_MAX": 56,
    "MINIMUM": 57,
    "LESS": 58,
    "NEG": 59,
    "PADV2": 60,
    "GREATER": 61,
    "GREATER_EQUAL": 62,
    "LESS_EQUAL": 63,
    "SELECT": 64,
    "SLICE": 65,
    "TRANSPOSE_CONV": 67,
    "TILE": 69,
    "EXPAND_DIMS": 70,
    "EQUAL": 71,
    "NOT_EQUAL": 72,
    "LOG": 73,
    "SUM": 74,
    "SQRT": 75,
    "RSQRT": 76,
    "SHAPE": 77,
    "POW": 78,
    "ARG_MIN": 79,
    "REDUCE_PROD": 81,
    "REDUCE_MAX": 82,
    "PACK": 83,
    "LOGICAL_OR": 84,
    "LOGICAL_AND": 86,
    "LOGICAL_NOT": 87,
    "UNPACK": 88,
    "REDUCE_MIN": 89,
    "REDUCE_ANY": 91,
    "SQUARE": 92,
    "FILL": 94,
    "RESIZE_NEAREST_NEIGHBOR": 97,
    "LEAKY_RELU": 98,
    "SQUARED_DIFFERENCE": 99,
    "MIRROR_PAD": 100,
    "ABS": 101,
    "SPLIT_V": 102,
    "CEIL": 104,
    "ADD_N": 106,
    "GATHER_ND": 107,
    "ELU": 111,
    "QUANTIZE": 114,
    "ROUND": 116,
    "HARD_SWISH": 117,
    "SELECT_V2": 123,
    "BATCH_MATMUL": 126,
    "BROADCAST_TO": 130,
    "CONV_3D": 132,
    "REDUCE_ALL": 140,
    "CONV_3D_TRANSPOSE": 141,
    "BROADCAST_ARGS": 145,
    "GELU": 150,
    "RELU_0_TO_1": 152,
    "SIGN": 158,
}
"""Operators of LiteRT, with their numbers in its schema: without control flow (IF, WHILE, CALL), recurrences, random
numbers and custom ones."""
