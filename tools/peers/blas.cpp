// OpenBLAS, BLIS: cblas_sgemm of a library that is loaded at run time.
#include <dlfcn.h>

#include <chrono>

#include "tools/peers/peer.h"

namespace tunesmith::tools {
namespace {

// The interface of the reference BLAS (netlib.org/blas), row-major.
constexpr int row_major = 101, no_transpose = 111, transpose = 112;
using Sgemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);

class GemmRun final : public PeerRun {
 public:
  GemmRun(Sgemm sgemm, const PeerWork& work)
      : sgemm_(sgemm),
        op_(*work.op),
        a_(work.operand("a")),
        b_(work.operand("b")),
        c_(ir::DType::f32, work.output_shapes.at(0)) {}

  Expected<double, Error> run(std::int64_t repeat) override {
    float* c = c_.mutable_values<float>().data();
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < repeat; ++i) run_once(c);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  Expected<std::vector<ir::HostTensor>, Error> outputs() override { return std::vector{c_}; }

 private:
  void run_once(float* c) const {
    const int m = static_cast<int>(op_["m"]), n = static_cast<int>(op_["n"]), k = static_cast<int>(op_["k"]);
    const bool ta = op_["transpose_a"] != 0, tb = op_["transpose_b"] != 0;
    const std::int64_t mk = op_["m"] * op_["k"], kn = op_["k"] * op_["n"], mn = op_["m"] * op_["n"];
    for (std::int64_t batch = 0; batch < op_["b"]; ++batch)
      sgemm_(row_major, ta ? transpose : no_transpose, tb ? transpose : no_transpose, m, n, k, 1.0f,
             a_.values<float>().data() + batch * mk, ta ? m : k, b_.values<float>().data() + batch * kn,
             tb ? k : n, 0.0f, c + batch * mn, n);
  }

  Sgemm sgemm_;
  OpText op_;
  ir::HostTensor a_, b_, c_;
};

class Blas final : public Peer {
 public:
  Blas(Sgemm sgemm, void (*set_threads)(std::int64_t), std::string version)
      : sgemm_(sgemm), set_threads_(set_threads), version_(std::move(version)) {}

  std::string version() const override { return version_; }
  Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) override {
    if (work.op == nullptr || work.op->name != "matmul" || work.op->dtype != ir::DType::f32 ||
        !work.op->epilogue.empty())
      return std::unique_ptr<PeerRun>();
    set_threads_(work.threads);
    return std::unique_ptr<PeerRun>(std::make_unique<GemmRun>(sgemm_, work));
  }

 private:
  Sgemm sgemm_;
  void (*set_threads_)(std::int64_t);
  std::string version_;
};

}  // namespace

Expected<std::unique_ptr<Peer>, Error> open_blas(const std::string& library,
                                                 std::string_view threads_symbol) {
  // Never closed: BLAS libraries keep threads of their own.
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Unexpected(make_error("{} is not installed", library));
  const auto sgemm = reinterpret_cast<Sgemm>(::dlsym(handle, "cblas_sgemm"));
  const auto set_threads =
      reinterpret_cast<void (*)(std::int64_t)>(::dlsym(handle, std::string(threads_symbol).c_str()));
  if (sgemm == nullptr || set_threads == nullptr)
    return Unexpected(make_error("{} lacks cblas_sgemm or {}", library, threads_symbol));
  const auto config = reinterpret_cast<const char* (*)()>(::dlsym(handle, "openblas_get_config"));
  return std::unique_ptr<Peer>(
      std::make_unique<Blas>(sgemm, set_threads, config != nullptr ? config() : library));
}

}  // namespace tunesmith::tools
