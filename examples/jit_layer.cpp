// The example of the README: a dense layer, traced and compiled at its first call.
#include <cstdio>
#include <vector>

#include <tunesmith/runtime/tunesmith.h>

int main() {
  using namespace tunesmith;
  auto layer = jit([](Tensor x, Tensor w, Tensor b) { return relu(matmul(x, w) + b); });

  const std::vector<float> ones(64 * 128, 1.0f), half(128 * 32, 0.5f), bias(32, -1.0f);
  const Array x = make_array({64, 128}, ones);
  const Array w = make_array({128, 32}, half);
  const Array b = make_array({32}, bias);

  const Array y = layer(x, w, b);
  std::printf("%g\n", y.at(0));
}
