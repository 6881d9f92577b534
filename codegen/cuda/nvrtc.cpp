#include "codegen/cuda/nvrtc.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "codegen/cuda/library.h"
#include "ir/support/check.h"
#include "ir/support/env.h"

namespace tunesmith::codegen::cuda {
namespace {

namespace fs = std::filesystem;

using Program = struct NvrtcProgram*;

constexpr std::array file_names = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};

/// -modify-stack-limit would change the stack limit of the whole process; -no-cache keeps compile times honest and files
/// out of the user's home; -minimal leaves out what the generated source does not use.
constexpr std::array<const char*, 7> flags = {"-std=c++17",  "-default-device", "-minimal",  "-no-cache",
                                              "-modify-stack-limit=false", "-Xptxas=-v", "-Xptxas=-O3"};

/// Folders with an NVRTC outside of the loader's own places.
std::vector<fs::path> folders() {
  std::vector<fs::path> found;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* home = std::getenv(variable)) found.push_back(fs::path(home) / "lib64");
  found.emplace_back("/usr/local/cuda/lib64");
  std::error_code ignored;
  if (const char* environment = std::getenv("VIRTUAL_ENV"))
    for (const fs::directory_entry& python : fs::directory_iterator(fs::path(environment) / "lib", ignored))
      for (const char* package : {"cu13", "cuda_nvrtc"})
        found.push_back(python.path() / "site-packages" / "nvidia" / package / "lib");
  return found;
}

/// The compiler's second half lies beside it, where the loader does not look: loaded first, it is found.
void load_builtins(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& file : fs::directory_iterator(folder, ignored)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with("libnvrtc-builtins.so.") && ::dlopen(file.path().c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  }
}

Expected<Library, Error> open_library() {
  std::vector<std::string> names;
  if (const auto chosen = env_value("TUNESMITH_NVRTC")) {
    load_builtins(fs::path(*chosen).parent_path());
    names = {*chosen};
  } else {
    names.assign(file_names.begin(), file_names.end());
    for (const fs::path& folder : folders())
      for (const char* name : file_names)
        if (std::error_code ignored; fs::exists(folder / name, ignored)) {
          load_builtins(folder);
          names.push_back((folder / name).string());
        }
  }
  auto library = Library::open(names);
  if (library) return library;
  return Unexpected(make_error("NVRTC is missing: {}; install CUDA's nvrtc package, or `pip install nvidia-cuda-nvrtc` into "
                               "the active Python environment, or set TUNESMITH_NVRTC to the file",
                               library.error().message));
}

}  // namespace

struct Nvrtc::Api {
  explicit Api(Library opened) : library(std::move(opened)) {}

  Library library;
  int (*get_version)(int*, int*) = nullptr;
  int (*get_arch_count)(int*) = nullptr;
  int (*get_archs)(int*) = nullptr;
  const char* (*get_error)(int) = nullptr;
  int (*create)(Program*, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  int (*compile)(Program, int, const char* const*) = nullptr;
  int (*get_cubin_size)(Program, std::size_t*) = nullptr;
  int (*get_cubin)(Program, char*) = nullptr;
  int (*get_log_size)(Program, std::size_t*) = nullptr;
  int (*get_log)(Program, char*) = nullptr;

  /// The first function that is missing.
  std::optional<std::string> bind() {
    std::optional<std::string> missing;
    auto find = [&](const char* name, auto*& function) {
      if (!library.find(name, function) && !missing) missing = name;
    };
    find("nvrtcVersion", get_version);
    find("nvrtcGetNumSupportedArchs", get_arch_count);
    find("nvrtcGetSupportedArchs", get_archs);
    find("nvrtcGetErrorString", get_error);
    find("nvrtcCreateProgram", create);
    find("nvrtcDestroyProgram", destroy);
    find("nvrtcCompileProgram", compile);
    find("nvrtcGetCUBINSize", get_cubin_size);
    find("nvrtcGetCUBIN", get_cubin);
    find("nvrtcGetProgramLogSize", get_log_size);
    find("nvrtcGetProgramLog", get_log);
    return missing;
  }

  std::string log_of(Program program) const {
    std::size_t size = 0;
    if (get_log_size(program, &size) != 0 || size <= 1) return {};
    std::string text(size, '\0');
    if (get_log(program, text.data()) != 0) return {};
    text.resize(size - 1);
    return text;
  }
};

Nvrtc::Nvrtc(std::unique_ptr<Api> api) : api_(std::move(api)) {}
Nvrtc::Nvrtc(Nvrtc&&) noexcept = default;
Nvrtc& Nvrtc::operator=(Nvrtc&&) noexcept = default;
Nvrtc::~Nvrtc() = default;

Expected<Nvrtc, Error> Nvrtc::load() {
  auto library = open_library();
  if (!library) return Unexpected(library.error());
  auto api = std::make_unique<Api>(std::move(*library));
  if (const auto missing = api->bind())
    return Unexpected(make_error("'{}' is not an NVRTC of CUDA 12 or newer: it has no {}", api->library.path(), *missing));
  return Nvrtc(std::move(api));
}

std::string Nvrtc::version() const {
  int major = 0, minor = 0;
  TS_CHECK(api_->get_version(&major, &minor) == 0, "NVRTC gives no version");
  return fmt::format("{}.{}", major, minor);
}

std::string Nvrtc::path() const { return api_->library.path(); }

std::vector<int> Nvrtc::architectures() const {
  int count = 0;
  TS_CHECK(api_->get_arch_count(&count) == 0, "NVRTC gives no architectures");
  std::vector<int> result(static_cast<std::size_t>(count));
  TS_CHECK(api_->get_archs(result.data()) == 0, "NVRTC gives no architectures");
  std::ranges::sort(result);
  return result;
}

Expected<Cubin, Error> Nvrtc::compile(const std::string& source, std::string_view architecture) const {
  Program program = nullptr;
  if (const int code = api_->create(&program, source.c_str(), "kernel.cu", 0, nullptr, nullptr); code != 0)
    return Unexpected(make_error("NVRTC: {}", api_->get_error(code)));
  struct Destroyer {
    const Api& api;
    Program program;
    ~Destroyer() { api.destroy(&program); }
  } const destroyer{*api_, program};

  const std::string target = fmt::format("-arch={}", architecture);
  std::vector<const char*> options(flags.begin(), flags.end());
  options.push_back(target.c_str());
  const int code = api_->compile(program, static_cast<int>(options.size()), options.data());
  std::string log = api_->log_of(program);
  if (code != 0)
    return Unexpected(make_error("NVRTC for {}: {}{}{}", architecture, api_->get_error(code), log.empty() ? "" : "\n", log));
  std::size_t size = 0;
  if (const int failed = api_->get_cubin_size(program, &size); failed != 0 || size == 0)
    return Unexpected(make_error("NVRTC gives no machine code for {}: a real architecture such as sm_90 is needed", architecture));
  Cubin cubin{std::vector<std::byte>(size), std::move(log)};
  if (const int failed = api_->get_cubin(program, reinterpret_cast<char*>(cubin.image.data())); failed != 0)
    return Unexpected(make_error("NVRTC: {}", api_->get_error(failed)));
  return cubin;
}

std::string Nvrtc::toolchain() const { return fmt::format("nvrtc={}\nflags={}", version(), fmt::join(flags, " ")); }

}  // namespace tunesmith::codegen::cuda
