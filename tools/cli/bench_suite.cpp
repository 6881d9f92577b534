#include "tools/cli/bench_suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ir/support/error.h"
#include "ir/support/rng.h"

namespace tunesmith::tools {
namespace {

using Texts = std::vector<std::string>;

/// A whole number between low and high, evenly on a logarithmic scale: sizes are ratios.
std::int64_t draw(Rng& rng, double low, double high) {
  return std::llround(low * std::pow(high / low, rng.unit()));
}

template <class Make>
void repeat(std::size_t times, Texts& texts, Make&& make) {
  for (std::size_t i = 0; i < times; ++i) texts.push_back(make());
}

Texts gemm(Rng& rng) {
  Texts texts = {"matmul:m=512,n=512,k=512", "matmul:m=1024,n=1024,k=1024", "matmul:m=2048,n=2048,k=2048",
                 "matmul:m=128,n=768,k=768", "matmul:m=128,n=3072,k=768",   "matmul:m=197,n=768,k=3072",
                 "matmul:m=3136,n=64,k=576", "matmul:m=1000,n=1000,k=1000"};
  repeat(texts.size(), texts, [&] {
    const std::int64_t m = draw(rng, 150, 2000), n = draw(rng, 150, 2000), k = draw(rng, 150, 2000);
    return fmt::format("matmul:m={},n={},k={}", m, n, k);
  });
  return texts;
}

Texts small(Rng& rng) {
  Texts texts = {"matmul:m=64,n=64,k=64",    "matmul:m=100,n=100,k=100",  "matmul:m=127,n=129,k=131",
                 "matmul:m=33,n=65,k=129",   "matmul:m=1000,n=10,k=1000", "matmul:m=4096,n=16,k=256",
                 "matmul:m=8,n=1024,k=1024", "matmul:m=1,n=4096,k=4096",  "matmul:m=4,n=4096,k=4096"};
  repeat(texts.size(), texts, [&] {
    const std::int64_t m = draw(rng, 1, 200), n = draw(rng, 4, 300), k = draw(rng, 8, 600);
    return fmt::format("matmul:m={},n={},k={}", m, n, k);
  });
  return texts;
}

Texts conv(Rng& rng) {
  const char* shapes[] = {"c=64,h=56,w=56,k=256",
                          "c=256,h=56,w=56,k=64",
                          "c=512,h=28,w=28,k=128",
                          "c=1024,h=14,w=14,k=256",
                          "c=2048,h=7,w=7,k=512",
                          "c=64,h=56,w=56,k=64,r=3,s=3,pad=1",
                          "c=128,h=28,w=28,k=128,r=3,s=3,pad=1",
                          "c=256,h=14,w=14,k=256,r=3,s=3,pad=1",
                          "c=512,h=7,w=7,k=512,r=3,s=3,pad=1",
                          "c=3,h=224,w=224,k=64,r=7,s=7,stride=2,pad=3",
                          "c=128,h=56,w=56,k=128,r=3,s=3,stride=2,pad=1",
                          "c=256,h=56,w=56,k=512,stride=2",
                          "c=128,h=56,w=56,k=128,r=3,s=3,pad=1,groups=32",
                          "c=128,h=28,w=28,k=128,r=3,s=3,pad=2,dilation=2",
                          "n=8,c=64,h=28,w=28,k=64,r=3,s=3,pad=1"};
  Texts texts;
  for (const char* shape : shapes) texts.push_back(fmt::format("conv2d:{},nhwc=1,constant=1", shape));
  repeat(texts.size(), texts, [&] {
    const std::int64_t window = 2 * rng.between(0, 2) + 1;
    const std::int64_t n = rng.below(4) == 0 ? 8 : 1, c = draw(rng, 8, 300), h = draw(rng, 7, 60);
    const std::int64_t w = draw(rng, 7, 60), k = draw(rng, 8, 300), stride = rng.between(1, 2);
    return fmt::format("conv2d:n={},c={},h={},w={},k={},r={},s={},stride={},pad={},nhwc=1,constant=1", n, c,
                       h, w, k, window, window, stride, window / 2);
  });
  return texts;
}

Texts depthwise(Rng& rng) {
  auto text = [](std::int64_t c, std::int64_t h, std::int64_t w, std::int64_t window, std::int64_t stride) {
    return fmt::format(
        "conv2d:c={0},h={1},w={2},k={0},r={3},s={3},stride={4},pad={5},groups={0},nhwc=1,constant=1", c, h, w,
        window, stride, window / 2);
  };
  Texts texts = {text(32, 112, 112, 3, 1), text(96, 112, 112, 3, 2), text(144, 56, 56, 3, 1),
                 text(144, 56, 56, 3, 2),  text(192, 28, 28, 3, 1),  text(384, 14, 14, 3, 1),
                 text(576, 14, 14, 3, 2),  text(960, 7, 7, 3, 1),    text(240, 28, 28, 5, 1),
                 text(672, 14, 14, 5, 1)};
  repeat(texts.size(), texts, [&] {
    const std::int64_t c = draw(rng, 8, 700), h = draw(rng, 7, 120), w = draw(rng, 7, 120);
    const std::int64_t window = 2 * rng.between(1, 2) + 1, stride = rng.between(1, 2);
    return text(c, h, w, window, stride);
  });
  return texts;
}

Texts reduction(Rng& rng) {
  Texts texts = {"softmax:rows=1536,cols=128",
                 "softmax:rows=4096,cols=4096",
                 "softmax:rows=1000000,cols=8",
                 "softmax:rows=8,cols=1000000",
                 "layernorm:rows=4096,cols=768",
                 "layernorm:rows=128,cols=384",
                 "sum:rows=4096,cols=4096",
                 "sum:rows=4096,cols=4096,axis=0",
                 "sum:rows=8,cols=1000000",
                 "transpose:rows=4096,cols=4096",
                 "transpose:rows=512,cols=512",
                 "gelu:size=16777216",
                 "gelu:size=393216",
                 "add:size=16777216,epilogue=relu",
                 "add:size=65536,epilogue=relu"};
  const char* kinds[] = {"softmax", "layernorm", "sum", "transpose"};
  std::size_t kind = 0;
  repeat(texts.size(), texts, [&] {
    const std::int64_t rows = draw(rng, 8, 3000), cols = draw(rng, 8, 3000);
    return fmt::format("{}:rows={},cols={}", kinds[kind++ % 4], rows, cols);
  });
  return texts;
}

Texts fused(Rng& rng) {
  Texts texts = {"chain:size=16777216",
                 "swiglu:rows=4096,cols=4096",
                 "addnorm:rows=4096,cols=768",
                 "matmul:m=128,n=3072,k=768,constant=1,epilogue=bias+gelu",
                 "matmul:m=512,n=1024,k=1024,constant=1,epilogue=bias+silu",
                 "inverted_residual:c=24,h=56,w=56,nhwc=1,constant=1",
                 "inverted_residual:c=64,h=14,w=14,nhwc=1,constant=1"};
  repeat(2, texts, [&] { return fmt::format("chain:size={}", draw(rng, 10000, 4000000)); });
  repeat(2, texts, [&] {
    const std::int64_t rows = draw(rng, 16, 2000), cols = draw(rng, 64, 4000);
    return fmt::format("swiglu:rows={},cols={}", rows, cols);
  });
  repeat(2, texts, [&] {
    const std::int64_t rows = draw(rng, 16, 2000), cols = draw(rng, 64, 4000);
    return fmt::format("addnorm:rows={},cols={}", rows, cols);
  });
  repeat(2, texts, [&] {
    const std::int64_t m = draw(rng, 8, 512), n = draw(rng, 64, 2000), k = draw(rng, 64, 2000);
    return fmt::format("matmul:m={},n={},k={},constant=1,epilogue=bias+gelu", m, n, k);
  });
  return texts;
}

Texts attention(Rng& rng) {
  Texts texts;
  for (int s : {16, 128, 512, 1024}) texts.push_back(fmt::format("attention:h=12,s={},d=64", s));
  for (int s : {128, 512}) texts.push_back(fmt::format("attention:h=12,s={},d=64,causal=1", s));
  texts.emplace_back("attention:h=12,s=128,s_kv=512,d=64");
  repeat(texts.size(), texts, [&] {
    const std::int64_t h = draw(rng, 1, 12), s = draw(rng, 16, 600), s_kv = draw(rng, 16, 600),
                       d = 32 * rng.between(1, 3);
    return fmt::format("attention:h={},s={},s_kv={},d={}", h, s, s_kv, d);
  });
  return texts;
}

struct Suite {
  std::string_view name;
  Texts (*make)(Rng&);
};
constexpr Suite suites[] = {{"gemm", gemm},           {"small", small},         {"conv", conv},
                            {"depthwise", depthwise}, {"reduction", reduction}, {"fused", fused},
                            {"attention", attention}};

Texts model_files(const std::string& folder) {
  Texts files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".onnx") files.push_back(entry.path().string());
  if (error || files.empty())
    throw_user_error("--suite models: '{}' is no folder with .onnx files; --models names one", folder);
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::vector<std::string> suite_names() {
  Texts names;
  for (const Suite& suite : suites) names.emplace_back(suite.name);
  names.emplace_back("models");
  return names;
}

std::vector<std::string> suite_workloads(const std::string& name, std::uint64_t seed,
                                         const std::string& model_folder) {
  if (name == "models") return model_files(model_folder);
  const auto suite = std::ranges::find(suites, name, &Suite::name);
  if (suite == std::end(suites))
    throw_user_error("--suite: unknown suite '{}'; accepted: {}", name, fmt::join(suite_names(), ", "));
  Rng rng(seed);
  return suite->make(rng);
}

}  // namespace tunesmith::tools
