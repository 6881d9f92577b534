#include "runtime/kernel_loader.h"

#include <gmock/gmock.h>

#include <atomic>
#include <mutex>

#include "ir/canonical.h"
#include "schedules/space.h"
#include "tests/runtime/model_testing.h"

namespace tunesmith::runtime {
namespace {

using ::testing::HasSubstr;
using testing::Tensor;
using tracer::DType;

/// Counts what is compiled; refuses everything where that is asked for.
class CountingBackend final : public codegen::Backend {
 public:
  explicit CountingBackend(std::shared_ptr<const codegen::Backend> inner) : inner_(std::move(inner)) {}
  std::string toolchain() const override { return inner_->toolchain() + suffix; }
  Expected<codegen::Object, Error> compile(const ir::LoopNest& nest) const override {
    ++compiled;
    if (refuses) return Unexpected(make_error("no registers left"));
    return inner_->compile(nest);
  }
  Expected<std::unique_ptr<codegen::Executable>, Error> load(codegen::Object object) const override {
    return inner_->load(std::move(object));
  }
  Expected<std::string, Error> source(const ir::LoopNest& nest) const override {
    return inner_->source(nest);
  }
  Expected<std::string, Error> assembly(const ir::LoopNest& nest) const override {
    return inner_->assembly(nest);
  }

  mutable std::atomic<int> compiled{0};
  bool refuses = false;
  std::string suffix;

 private:
  std::shared_ptr<const codegen::Backend> inner_;
};

class MemoryObjects final : public cache::ObjectStore {
 public:
  std::optional<std::vector<std::byte>> get(const Digest& key) override {
    const std::scoped_lock lock(mutex_);
    const auto it = objects.find(key.hex());
    return it != objects.end() ? std::optional(it->second) : std::nullopt;
  }
  bool put(const Digest& key, std::span<const std::byte> bytes) override {
    const std::scoped_lock lock(mutex_);
    objects[key.hex()].assign(bytes.begin(), bytes.end());
    return true;
  }
  std::uint64_t size_bytes() override { return 0; }

  std::map<std::string, std::vector<std::byte>> objects;

 private:
  std::mutex mutex_;
};

class KernelLoader : public ::testing::Test {
 protected:
  KernelLoader() {
    backend_ = std::make_shared<CountingBackend>(environment_.backend);
    environment_.backend = backend_;
  }

  Expected<std::vector<LoadedKernel>, Error> load(const ScheduleTexts& chosen = {}) {
    backend_->compiled = 0;
    return load_kernels(program_.steps, environment_, &objects_, chosen);
  }
  std::vector<LoadedKernel> load_all(const ScheduleTexts& chosen = {}) {
    auto loaded = load(chosen);
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return std::move(*loaded);
  }

  tuner::Environment environment_ = testing::model_options(1).environment;
  std::shared_ptr<CountingBackend> backend_;
  MemoryObjects objects_;
  // Two equal products and something else between them.
  tracer::Program program_ =
      tracer::make_program(tracer::trace([](Tensor x, Tensor w) { return matmul(softmax(matmul(x, w)), w); },
                                         {{DType::f32, {12, 12}}, {DType::f32, {12, 12}}}));
};

TEST_F(KernelLoader, EqualKernelsAreCompiledOnce) {
  ASSERT_EQ(program_.steps.size(), 3u);
  const auto loaded = load_all();
  EXPECT_EQ(backend_->compiled, 2);
  EXPECT_EQ(loaded[0].executable, loaded[2].executable);
  EXPECT_NE(loaded[0].executable, loaded[1].executable);
  for (const LoadedKernel& kernel : loaded) {
    EXPECT_EQ(kernel.origin, tuner::Origin::fallback);
    EXPECT_FALSE(kernel.from_object_store);
  }
}

TEST_F(KernelLoader, LaterProgramsTakeTheCodeFromTheStore) {
  load_all();
  EXPECT_EQ(objects_.objects.size(), 2u);
  for (const LoadedKernel& kernel : load_all()) EXPECT_TRUE(kernel.from_object_store);
  EXPECT_EQ(backend_->compiled, 0);
  backend_->suffix = "newer";
  for (const LoadedKernel& kernel : load_all()) EXPECT_FALSE(kernel.from_object_store);
  EXPECT_EQ(backend_->compiled, 2) << "code of another toolchain is not taken";
}

TEST_F(KernelLoader, DamagedCodeIsCompiledAnew) {
  load_all();
  const auto whole = objects_.objects;
  for (auto& [key, bytes] : objects_.objects) bytes.resize(bytes.size() / 2);
  for (const LoadedKernel& kernel : load_all()) EXPECT_FALSE(kernel.from_object_store);
  EXPECT_EQ(objects_.objects, whole) << "mended";

  for (auto& [key, bytes] : objects_.objects) {
    auto object = codegen::Object::deserialise(bytes);
    ASSERT_TRUE(object);
    object->code.assign(object->code.size(), std::byte{0x5a});  // of the right form, but no machine code
    bytes = object->serialise();
  }
  for (const LoadedKernel& kernel : load_all()) EXPECT_FALSE(kernel.from_object_store);
  EXPECT_EQ(objects_.objects, whole);
}

TEST_F(KernelLoader, ChosenSchedulesComeFirst) {
  const ir::Kernel& kernel = program_.steps[0].kernel;
  const std::string workload = digest(ir::canonical_text(kernel)).hex();
  const schedules::Space space = schedules::make_cpu_space(kernel, environment_.machine(), 1);
  Rng rng(4);
  const std::string schedule = schedules::print_schedule(space.to_schedule(space.random_candidate(rng)));
  auto loaded = load_all({{workload, schedule}});
  EXPECT_EQ(loaded[0].origin, tuner::Origin::tuned);
  EXPECT_EQ(loaded[1].origin, tuner::Origin::fallback);
  EXPECT_EQ(loaded[2].origin, tuner::Origin::tuned);
  for (const char* useless : {"brew coffee", "vectorize(s9.a9)"})
    EXPECT_EQ(load_all({{workload, useless}})[0].origin, tuner::Origin::fallback) << useless;
}

TEST_F(KernelLoader, AFailureNamesTheStep) {
  backend_->refuses = true;
  const auto loaded = load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("step 0 (matmul): no registers left"));
}

}  // namespace
}  // namespace tunesmith::runtime
