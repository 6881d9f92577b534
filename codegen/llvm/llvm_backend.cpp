#include <fmt/format.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/raw_ostream.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "codegen/backend.h"
#include "codegen/llvm/compile.h"
#include "codegen/llvm/emitter.h"
#include "codegen/llvm/loader.h"
#include "ir/support/env.h"
#include "ir/support/log.h"

namespace tunesmith::codegen {
namespace {

/// Bumped when the generated code of any nest may change.
constexpr int code_generator_version = 5;

/// Writes what TUNESMITH_DUMP_DIR asks for; a dump that fails is logged, never fatal.
void dump(const std::string& kernel, const char* extension, const std::string& text) {
  static std::atomic<int> counter{0};
  const auto folder = env_value("TUNESMITH_DUMP_DIR");
  if (!folder) return;
  const auto path = std::filesystem::path(*folder) / fmt::format("{:05}_{}.{}", counter++, kernel, extension);
  std::ofstream file(path);
  file << text;
  if (!file) log(LogLevel::error, "cannot write {}", path.string());
}

class LlvmBackend final : public Backend {
 public:
  LlvmBackend(CpuTarget target, std::unique_ptr<Loader> loader)
      : target_(std::move(target)), loader_(std::move(loader)) {}

  std::string toolchain() const override {
    return fmt::format("backend=llvm version={}\n{}\n", code_generator_version, pipeline_name());
  }

  Expected<Object, Error> compile(const ir::LoopNest& nest) const override {
    llvm::LLVMContext context;
    Object object;
    auto module = build(nest, context, object);
    if (!module) return Unexpected(module.error());
    if (env_value("TUNESMITH_DUMP_DIR")) dump(nest.name, "ll", print(**module));
    auto code = emit_object(**module, target_);
    if (!code) return Unexpected(code.error());
    object.code = std::move(*code);
    return object;
  }

  Expected<std::unique_ptr<Executable>, Error> load(Object object) const override {
    return loader_->load(std::move(object));
  }

  Expected<std::string, Error> source(const ir::LoopNest& nest) const override {
    llvm::LLVMContext context;
    Object object;
    auto module = build(nest, context, object);
    if (!module) return Unexpected(module.error());
    return print(**module);
  }

  Expected<std::string, Error> assembly(const ir::LoopNest& nest) const override {
    llvm::LLVMContext context;
    Object object;
    auto module = build(nest, context, object);
    if (!module) return Unexpected(module.error());
    return emit_assembly(**module, target_);
  }

 private:
  Expected<std::unique_ptr<llvm::Module>, Error> build(const ir::LoopNest& nest, llvm::LLVMContext& context,
                                                       Object& object) const {
    std::unique_ptr<llvm::Module> module;
    try {
      module = Emitter(nest, target_, context).emit(object);
    } catch (const EmitError& error) {
      return Unexpected(make_error("{}", error.message));
    }
    if (auto optimised = optimise(*module, target_); !optimised) return Unexpected(optimised.error());
    return module;
  }

  static std::string print(const llvm::Module& module) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module.print(stream, nullptr);
    return text;
  }

  CpuTarget target_;
  std::unique_ptr<Loader> loader_;
};

}  // namespace

Expected<std::unique_ptr<Backend>, Error> make_llvm_backend(const CpuTarget& target) {
  auto loader = Loader::create();
  if (!loader) return Unexpected(loader.error());
  return std::unique_ptr<Backend>(std::make_unique<LlvmBackend>(target, std::move(*loader)));
}

}  // namespace tunesmith::codegen
