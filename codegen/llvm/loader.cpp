#include "codegen/llvm/loader.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>

namespace tunesmith::codegen {
namespace {

namespace orc = llvm::orc;

std::string text_of(llvm::Error error) { return llvm::toString(std::move(error)); }

/// The functions that generated code may call; nothing else of the process is visible to it.
struct Symbol {
  const char* name;
  void* address;
};

#define TS_MATH_FUNCTION(name)                                                    \
  {#name, reinterpret_cast<void*>(static_cast<double (*)(double)>(name))}, {      \
#name "f", reinterpret_cast < void*>(static_cast <float (*)(float)>(name##f)) \
  }
const Symbol runtime_symbols[] = {
    TS_MATH_FUNCTION(exp),
    TS_MATH_FUNCTION(exp2),
    TS_MATH_FUNCTION(expm1),
    TS_MATH_FUNCTION(log),
    TS_MATH_FUNCTION(log2),
    TS_MATH_FUNCTION(log1p),
    TS_MATH_FUNCTION(sin),
    TS_MATH_FUNCTION(cos),
    TS_MATH_FUNCTION(tan),
    TS_MATH_FUNCTION(asin),
    TS_MATH_FUNCTION(acos),
    TS_MATH_FUNCTION(atan),
    TS_MATH_FUNCTION(sinh),
    TS_MATH_FUNCTION(cosh),
    TS_MATH_FUNCTION(asinh),
    TS_MATH_FUNCTION(acosh),
    TS_MATH_FUNCTION(atanh),
    TS_MATH_FUNCTION(tanh),
    TS_MATH_FUNCTION(erf),
    TS_MATH_FUNCTION(floor),
    TS_MATH_FUNCTION(ceil),
    TS_MATH_FUNCTION(trunc),
    TS_MATH_FUNCTION(rint),
    TS_MATH_FUNCTION(sqrt),
    {"pow", reinterpret_cast<void*>(static_cast<double (*)(double, double)>(pow))},
    {"powf", reinterpret_cast<void*>(static_cast<float (*)(float, float)>(powf))},
    {"fmod", reinterpret_cast<void*>(static_cast<double (*)(double, double)>(fmod))},
    {"fmodf", reinterpret_cast<void*>(static_cast<float (*)(float, float)>(fmodf))},
    {"fmax", reinterpret_cast<void*>(static_cast<double (*)(double, double)>(fmax))},
    {"fmaxf", reinterpret_cast<void*>(static_cast<float (*)(float, float)>(fmaxf))},
    {"fmin", reinterpret_cast<void*>(static_cast<double (*)(double, double)>(fmin))},
    {"fminf", reinterpret_cast<void*>(static_cast<float (*)(float, float)>(fminf))},
    {"ldexp", reinterpret_cast<void*>(static_cast<double (*)(double, int)>(ldexp))},
    {"ldexpf", reinterpret_cast<void*>(static_cast<float (*)(float, int)>(ldexpf))},
    {"fma", reinterpret_cast<void*>(static_cast<double (*)(double, double, double)>(fma))},
    {"fmaf", reinterpret_cast<void*>(static_cast<float (*)(float, float, float)>(fmaf))},
    {"atan2", reinterpret_cast<void*>(static_cast<double (*)(double, double)>(atan2))},
    {"atan2f", reinterpret_cast<void*>(static_cast<float (*)(float, float)>(atan2f))},
    {"memcpy", reinterpret_cast<void*>(&std::memcpy)},
    {"memset", reinterpret_cast<void*>(&std::memset)},
    {"memmove", reinterpret_cast<void*>(&std::memmove)},
};
#undef TS_MATH_FUNCTION

}  // namespace

struct Loader::Session {
  std::unique_ptr<orc::LLJIT> jit;
  orc::JITDylib* runtime = nullptr;
  std::atomic<std::uint64_t> next{0};
};

class LoadedExecutable final : public Executable {
 public:
  LoadedExecutable(std::shared_ptr<Loader::Session> session, orc::JITDylib& library, Object object)
      : session_(std::move(session)), library_(&library), object_(std::move(object)) {}
  ~LoadedExecutable() override {
    llvm::consumeError(session_->jit->getExecutionSession().removeJITDylib(*library_));
  }

  Expected<void, Error> resolve() {
    auto find = [&](const std::string& name) { return session_->jit->lookup(*library_, name); };
    auto run = find(object_.symbol + "_run");
    if (!run) return Unexpected(make_error("the compiled kernel has no entry: {}", text_of(run.takeError())));
    run_ = run->toPtr<EntryPoint>();
    if (!object_.has_prepare) return {};
    auto prepare = find(object_.symbol + "_prepare");
    if (!prepare)
      return Unexpected(make_error("the compiled kernel has no prepare: {}", text_of(prepare.takeError())));
    prepare_ = prepare->toPtr<EntryPoint>();
    return {};
  }

  const Object& object() const override { return object_; }
  void run(void* const* buffers, const std::int64_t* dims, Context* context) const override {
    run_(buffers, dims, context);
  }
  void prepare(void* const* buffers, const std::int64_t* dims, Context* context) const override {
    if (prepare_ != nullptr) prepare_(buffers, dims, context);
  }

 private:
  std::shared_ptr<Loader::Session> session_;
  orc::JITDylib* library_;
  Object object_;
  EntryPoint run_ = nullptr;
  EntryPoint prepare_ = nullptr;
};

Loader::Loader(std::shared_ptr<Session> session) : session_(std::move(session)) {}
Loader::~Loader() = default;

Expected<std::unique_ptr<Loader>, Error> Loader::create() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto session = std::make_shared<Session>();
  auto jit = orc::LLJITBuilder().create();
  if (!jit)
    return Unexpected(make_error("LLVM's just-in-time linker does not start: {}", text_of(jit.takeError())));
  session->jit = std::move(*jit);
  session->runtime = &session->jit->getExecutionSession().createBareJITDylib("runtime");
  orc::SymbolMap symbols;
  for (const Symbol& symbol : runtime_symbols)
    symbols[session->jit->mangleAndIntern(symbol.name)] = {orc::ExecutorAddr::fromPtr(symbol.address),
                                                           llvm::JITSymbolFlags::Exported};
  if (auto error = session->runtime->define(orc::absoluteSymbols(std::move(symbols))))
    return Unexpected(make_error("LLVM refuses the runtime's symbols: {}", text_of(std::move(error))));
  return std::unique_ptr<Loader>(new Loader(std::move(session)));
}

Expected<std::unique_ptr<Executable>, Error> Loader::load(Object object) {
  // A library a kernel: equal symbol names do not meet, and removing the library frees its memory.
  auto& execution = session_->jit->getExecutionSession();
  orc::JITDylib& library = execution.createBareJITDylib(fmt::format("kernel{}", session_->next++));
  library.addToLinkOrder(*session_->runtime);
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(
      llvm::StringRef(reinterpret_cast<const char*>(object.code.data()), object.code.size()), "kernel");
  auto executable = std::make_unique<LoadedExecutable>(session_, library, std::move(object));
  if (auto error = session_->jit->addObjectFile(library, std::move(buffer)))
    return Unexpected(make_error("the compiled kernel does not load: {}", text_of(std::move(error))));
  if (auto resolved = executable->resolve(); !resolved) return Unexpected(resolved.error());
  return std::unique_ptr<Executable>(std::move(executable));
}

}  // namespace tunesmith::codegen
