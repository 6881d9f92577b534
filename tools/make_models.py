"""Writes well-known networks with random weights as ONNX files, for `tunesmith bench --suite models`.

Usage: tools/make_models.py DIR. Needs numpy and onnx. Speed does not depend on the weights; shapes and operators follow
the papers: ResNet-50 (He et al. 2015), VGG-16 (Simonyan and Zisserman 2014), SqueezeNet 1.1 (Iandola et al. 2016),
MobileNetV2 (Sandler et al. 2018), DenseNet-121 (Huang et al. 2016), Inception v1 (Szegedy et al. 2014), ShuffleNet 1x
with 3 groups (Zhang et al. 2017), BERT (Devlin et al. 2018) and MiniLM-L6 (Wang et al. 2020). Batch 1, f32.
"""

import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model


class Network:
    """A graph under construction; values are (name, channels or width)."""

    def __init__(self, name: str, shape: tuple[int, ...]):
        self.name, self.shape = name, shape
        self.nodes, self.weights = [], []
        self.rng = np.random.default_rng(0)

    def weight(self, *shape: int, scale: float) -> str:
        name = f"w{len(self.weights)}"
        data = self.rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        self.weights.append(numpy_helper.from_array(data, name))
        return name

    def constant(self, array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def conv(self, x: str, c: int, k: int, window: int, stride: int = 1, groups: int = 1) -> str:
        fan = c // groups * window * window
        return self.add("Conv", x, self.weight(k, c // groups, window, window, scale=(2 / fan) ** 0.5),
                        self.weight(k, scale=0.1), kernel_shape=[window] * 2, strides=[stride] * 2,
                        pads=[window // 2] * 4, group=groups)

    def relu(self, x: str) -> str:
        return self.add("Relu", x)

    def max_pool(self, x: str, window: int, stride: int, pad: int = 0) -> str:
        return self.add("MaxPool", x, kernel_shape=[window] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def average_pool(self, x: str, window: int, stride: int, pad: int = 0) -> str:
        return self.add("AveragePool", x, kernel_shape=[window] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def batch_norm(self, x: str, c: int) -> str:
        """One that no convolution can take up is part of the network: weights near 1, variances above 0."""
        mean, variance = self.weight(c, scale=0.1), self.constant(np.ones(c, np.float32))
        return self.add("BatchNormalization", x, self.weight(c, scale=1), self.weight(c, scale=0.1), mean, variance)

    def classes(self, x: str, c: int) -> str:
        return self.dense(self.add("Flatten", self.add("GlobalAveragePool", x)), c, 1000)

    def dense(self, x: str, c: int, k: int) -> str:
        return self.add("Gemm", x, self.weight(c, k, scale=c**-0.5), self.weight(k, scale=0.1))

    def linear(self, x: str, c: int, k: int) -> str:
        product = self.add("MatMul", x, self.weight(c, k, scale=c**-0.5))
        return self.add("Add", product, self.weight(k, scale=0.1))

    def save(self, folder: pathlib.Path, result: str) -> None:
        self.nodes.append(helper.make_node("Identity", [result], ["y"]))
        graph = helper.make_graph(self.nodes, self.name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        save_model(model, folder / f"{self.name}.onnx")


def resnet50(folder: pathlib.Path) -> None:
    net = Network("resnet50", (1, 3, 224, 224))
    x, c = net.max_pool(net.relu(net.conv("x", 3, 64, 7, 2)), 3, 2, 1), 64
    for width, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            y = net.relu(net.conv(x, c, width, 1))
            y = net.relu(net.conv(y, width, width, 3, stride))
            y = net.conv(y, width, 4 * width, 1)
            shortcut = net.conv(x, c, 4 * width, 1, stride) if block == 0 else x
            x, c = net.relu(net.add("Add", y, shortcut)), 4 * width
    net.save(folder, net.classes(x, c))


def vgg16(folder: pathlib.Path) -> None:
    net = Network("vgg16", (1, 3, 224, 224))
    x, c = "x", 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x, c = net.relu(net.conv(x, c, width, 3)), width
        x = net.max_pool(x, 2, 2)
    x = net.relu(net.dense(net.add("Flatten", x), 512 * 49, 4096))
    net.save(folder, net.dense(net.relu(net.dense(x, 4096, 4096)), 4096, 1000))


def squeezenet(folder: pathlib.Path) -> None:
    net = Network("squeezenet", (1, 3, 224, 224))
    x, c = net.max_pool(net.relu(net.conv("x", 3, 64, 3, 2)), 3, 2), 64
    for squeeze, expand, pool in ((16, 64, 0), (16, 64, 1), (32, 128, 0), (32, 128, 1), (48, 192, 0), (48, 192, 0),
                                  (64, 256, 0), (64, 256, 0)):
        s = net.relu(net.conv(x, c, squeeze, 1))
        wide = [net.relu(net.conv(s, squeeze, expand, window)) for window in (1, 3)]
        x, c = net.add("Concat", *wide, axis=1), 2 * expand
        if pool:
            x = net.max_pool(x, 3, 2)
    net.save(folder, net.add("Flatten", net.add("GlobalAveragePool", net.relu(net.conv(x, c, 1000, 1)))))


def mobilenet_v2(folder: pathlib.Path) -> None:
    net = Network("mobilenet_v2", (1, 3, 224, 224))
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))

    def relu6(x: str) -> str:
        return net.add("Clip", x, low, high)

    x, c = relu6(net.conv("x", 3, 32, 3, 2)), 32
    for expand, k, count, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(count):
            stride, wide = first_stride if block == 0 else 1, c * expand
            y = x if expand == 1 else relu6(net.conv(x, c, wide, 1))
            y = net.conv(relu6(net.conv(y, wide, wide, 3, stride, groups=wide)), wide, k, 1)
            x, c = net.add("Add", y, x) if stride == 1 and c == k else y, k
    x = relu6(net.conv(x, c, 1280, 1))
    net.save(folder, net.classes(x, 1280))


def densenet121(folder: pathlib.Path) -> None:
    net = Network("densenet121", (1, 3, 224, 224))
    growth, c = 32, 64
    x = net.max_pool(net.relu(net.conv("x", 3, c, 7, 2)), 3, 2, 1)
    for block, layers in enumerate((6, 12, 24, 16)):
        for _ in range(layers):
            y = net.conv(net.relu(net.batch_norm(x, c)), c, 4 * growth, 1)
            y = net.conv(net.relu(y), 4 * growth, growth, 3)  # the norm between them is part of the first
            x, c = net.add("Concat", x, y, axis=1), c + growth
        x = net.relu(net.batch_norm(x, c))
        if block < 3:
            x, c = net.average_pool(net.conv(x, c, c // 2, 1), 2, 2), c // 2
    net.save(folder, net.classes(x, c))


def inception_v1(folder: pathlib.Path) -> None:
    net = Network("inception_v1", (1, 3, 224, 224))

    def local_norm(x: str) -> str:
        return net.add("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def conv(x: str, c: int, k: int, window: int) -> str:
        return net.relu(net.conv(x, c, k, window))

    x = local_norm(net.max_pool(net.relu(net.conv("x", 3, 64, 7, 2)), 3, 2, 1))
    x = net.max_pool(local_norm(conv(conv(x, 64, 64, 1), 64, 192, 3)), 3, 2, 1)
    c = 192
    for index, (one, reduce3, three, reduce5, five, pooled) in enumerate((
            (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64),
            (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
            (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))):
        branches = (conv(x, c, one, 1), conv(conv(x, c, reduce3, 1), reduce3, three, 3),
                    conv(conv(x, c, reduce5, 1), reduce5, five, 5), conv(net.max_pool(x, 3, 1, 1), c, pooled, 1))
        x, c = net.add("Concat", *branches, axis=1), one + three + five + pooled
        if index in (1, 6):
            x = net.max_pool(x, 3, 2, 1)
    net.save(folder, net.classes(x, c))


def shufflenet(folder: pathlib.Path) -> None:
    net = Network("shufflenet", (1, 3, 224, 224))
    groups, size = 3, 56
    x, c = net.max_pool(net.relu(net.conv("x", 3, 24, 3, 2)), 3, 2, 1), 24
    for k, blocks in ((240, 4), (480, 8), (960, 4)):
        for block in range(blocks):
            stride = 2 if block == 0 else 1
            inner, outer = k // 4, k - c if stride == 2 else k
            y = net.relu(net.conv(x, c, inner, 1, groups=1 if c == 24 else groups))
            split = net.constant(np.int64([1, groups, inner // groups, size, size]))
            joined = net.constant(np.int64([1, inner, size, size]))
            y = net.add("Reshape", net.add("Transpose", net.add("Reshape", y, split), perm=[0, 2, 1, 3, 4]), joined)
            y = net.conv(net.conv(y, inner, inner, 3, stride, groups=inner), inner, outer, 1, groups=groups)
            if stride == 2:
                x, size = net.relu(net.add("Concat", net.average_pool(x, 3, 2, 1), y, axis=1)), size // 2
            else:
                x = net.relu(net.add("Add", x, y))
            c = k
    net.save(folder, net.classes(x, c))


def encoder(folder: pathlib.Path, name: str, layers: int, width: int, heads: int, length: int) -> None:
    """A BERT encoder behind its embeddings."""
    net = Network(name, (1, length, width))
    size = width // heads
    split = net.constant(np.int64([1, length, heads, size]))
    joined = net.constant(np.int64([1, length, width]))
    scale = net.constant(np.float32(size**-0.5))

    def norm(x: str) -> str:
        return net.add("LayerNormalization", x, net.weight(width, scale=1), net.weight(width, scale=0.1), axis=-1,
                       epsilon=1e-12)

    x = "x"
    for _ in range(layers):
        q, k, v = (net.add("Reshape", net.linear(x, width, width), split) for _ in range(3))
        scores = net.add("MatMul", net.add("Transpose", q, perm=[0, 2, 1, 3]), net.add("Transpose", k, perm=[0, 2, 3, 1]))
        weights = net.add("Softmax", net.add("Mul", scores, scale), axis=-1)
        context = net.add("MatMul", weights, net.add("Transpose", v, perm=[0, 2, 1, 3]))
        context = net.add("Reshape", net.add("Transpose", context, perm=[0, 2, 1, 3]), joined)
        x = norm(net.add("Add", net.linear(context, width, width), x))
        inner = net.add("Gelu", net.linear(x, width, 4 * width))
        x = norm(net.add("Add", net.linear(inner, 4 * width, width), x))
    net.save(folder, x)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: tools/make_models.py DIR")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (resnet50, vgg16, squeezenet, mobilenet_v2, densenet121, inception_v1, shufflenet):
        make(folder)
    encoder(folder, "bert_base_128", 12, 768, 12, 128)
    encoder(folder, "minilm_l6_128", 6, 384, 12, 128)
    encoder(folder, "minilm_l6_16", 6, 384, 12, 16)


main()
