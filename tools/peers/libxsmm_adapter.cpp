// libxsmm: small products by kernels that it generates for their size. A module of its own, because the
// library is static and has headers only; built where these are installed. Runs on one thread.
#include <libxsmm.h>

#include <chrono>

#include "tools/peers/peer.h"

namespace tunesmith::tools {
namespace {

/// What the library is made for; beyond it its own advice is a BLAS.
constexpr std::int64_t most_products = 128 * 128 * 128;

class ProductRun final : public PeerRun {
 public:
  ProductRun(libxsmm_smmfunction kernel, const PeerWork& work)
      : kernel_(kernel),
        op_(*work.op),
        a_(work.operand("a")),
        b_(work.operand("b")),
        c_(ir::DType::f32, work.output_shapes.at(0)) {}

  Expected<double, Error> run(std::int64_t repeat) override {
    const float *a = a_.values<float>().data(), *b = b_.values<float>().data();
    float* c = c_.mutable_values<float>().data();
    const std::int64_t mk = op_["m"] * op_["k"], kn = op_["k"] * op_["n"], mn = op_["m"] * op_["n"];
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < repeat; ++i)
      for (std::int64_t batch = 0; batch < op_["b"]; ++batch)
        kernel_(b + batch * kn, a + batch * mk, c + batch * mn);  // by columns: C^T = B^T A^T
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  Expected<std::vector<ir::HostTensor>, Error> outputs() override { return std::vector{c_}; }

 private:
  libxsmm_smmfunction kernel_;
  OpText op_;
  ir::HostTensor a_, b_, c_;
};

class Libxsmm final : public Peer {
 public:
  Libxsmm() { libxsmm_init(); }

  std::string version() const override { return "libxsmm " LIBXSMM_VERSION; }
  Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) override {
    if (work.op == nullptr || work.op->name != "matmul" || work.op->dtype != ir::DType::f32 ||
        !work.op->epilogue.empty())
      return std::unique_ptr<PeerRun>();
    const OpText& op = *work.op;
    if (op["transpose_a"] != 0 || op["transpose_b"] != 0 || op["m"] * op["n"] * op["k"] > most_products)
      return std::unique_ptr<PeerRun>();
    const auto m = static_cast<libxsmm_blasint>(op["m"]), n = static_cast<libxsmm_blasint>(op["n"]),
               k = static_cast<libxsmm_blasint>(op["k"]);
    const float alpha = 1, beta = 0;
    const int flags = LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_PREFETCH_NONE;
    const libxsmm_smmfunction kernel =
        libxsmm_smmdispatch(n, m, k, &n, &k, &n, &alpha, &beta, &flags, &prefetch);
    if (kernel == nullptr) return std::unique_ptr<PeerRun>();
    return std::unique_ptr<PeerRun>(std::make_unique<ProductRun>(kernel, work));
  }
};

}  // namespace

extern "C" Peer* tunesmith_make_libxsmm_peer() { return new Libxsmm; }

}  // namespace tunesmith::tools
