// Nvrtc: CUDA C++ text to machine code of one architecture, by NVIDIA's run-time compiler, which is looked for at run time.
//
// Thread safety: compile() may be called from several threads at once, and scales with them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda {

struct Cubin {
  std::vector<std::byte> image;  // an ELF file, for cuModuleLoadData
  std::string log;               // warnings of the compiler and of ptxas
};

class Nvrtc {
 public:
  /// Looks at $TUNESMITH_NVRTC, the loader's own places, $CUDA_HOME, /usr/local/cuda and the Python environment's
  /// nvidia packages. The error says what was tried and what to install.
  static Expected<Nvrtc, Error> load();
  Nvrtc(Nvrtc&&) noexcept;
  Nvrtc& operator=(Nvrtc&&) noexcept;
  ~Nvrtc();

  std::string version() const;  // "13.0"
  std::string path() const;     // of the library
  /// Compute capabilities that it compiles for, e.g. 90; ascending.
  std::vector<int> architectures() const;

  /// `architecture`: e.g. "sm_90a". The source needs no header: none is looked for. The error holds the compiler's log.
  Expected<Cubin, Error> compile(const std::string& source, std::string_view architecture) const;
  /// What determines a cubin besides source and architecture: version and flags. Part of the toolchain key.
  std::string toolchain() const;

 private:
  struct Api;
  explicit Nvrtc(std::unique_ptr<Api> api);
  std::unique_ptr<Api> api_;
};

}  // namespace tunesmith::codegen::cuda
