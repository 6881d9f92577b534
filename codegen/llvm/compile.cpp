// The pipeline is minimal by measurement: kernels are written as explicit vectors with bumped pointers, so
// that SROA, common sub-expressions, instruction combining and loop-invariant motion give the speed of -O3 at
// a quarter of its time. Loop strength reduction in the code generator is off for the same reason.
#include "codegen/llvm/compile.h"

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace tunesmith::codegen {
namespace {

void initialise_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
    // An option of the process: other users of the same libLLVM lose loop strength reduction too. There is none of a target.
    auto& options = llvm::cl::getRegisteredOptions();
    if (const auto it = options.find("disable-lsr"); it != options.end())
      it->second->addOccurrence(0, "disable-lsr", "true");
  });
}

std::string joined_features(const CpuTarget& target) {
  std::string text;
  for (const std::string& feature : target.features) text += (text.empty() ? "" : ",") + feature;
  return text;
}

/// One target machine a thread and target: they are not thread-safe and dear to make.
llvm::TargetMachine& target_machine(const CpuTarget& target) {
  initialise_llvm();
  thread_local std::map<std::string, std::unique_ptr<llvm::TargetMachine>> machines;
  const std::string features = joined_features(target);
  auto& machine = machines[target.microarchitecture + features];
  if (!machine) {
    const std::string triple = llvm::sys::getProcessTriple();
    std::string error;
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
    TS_CHECK(found != nullptr, error);
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
    machine.reset(found->createTargetMachine(triple, target.microarchitecture, features, options,
                                             llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                             llvm::CodeGenOptLevel::Default, true));
  }
  return *machine;
}

Expected<void, Error> emit_file(llvm::Module& module, const CpuTarget& target, llvm::CodeGenFileType type,
                                llvm::SmallVectorImpl<char>& out) {
  llvm::raw_svector_ostream stream(out);
  llvm::legacy::PassManager passes;
  if (target_machine(target).addPassesToEmitFile(passes, stream, nullptr, type))
    return Unexpected(make_error("LLVM cannot emit code for {}", target.microarchitecture));
  passes.run(module);
  return {};
}

}  // namespace

std::string pipeline_name() {
  return "llvm=" LLVM_VERSION_STRING " passes=sroa,early-cse,instcombine,simplifycfg,licm,early-cse lsr=off";
}

Expected<void, Error> optimise(llvm::Module& module, const CpuTarget& target) {
  llvm::TargetMachine& machine = target_machine(target);
  module.setTargetTriple(machine.getTargetTriple().str());
  module.setDataLayout(machine.createDataLayout());
  std::string broken;
  llvm::raw_string_ostream stream(broken);
  TS_CHECK(!llvm::verifyModule(module, &stream), stream.str());

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);

  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
  passes.addPass(llvm::EarlyCSEPass(true));
  for (llvm::Function& function : module)
    if (!function.isDeclaration()) passes.run(function, functions);

  for (llvm::Function& function : module)
    for (llvm::BasicBlock& block : function)
      for (llvm::Instruction& instruction : block)
        if (llvm::isa<llvm::AllocaInst>(instruction) && instruction.getName().starts_with("reg"))
          return Unexpected(make_error("a register buffer did not become register values"));
  return {};
}

Expected<std::vector<std::byte>, Error> emit_object(llvm::Module& module, const CpuTarget& target) {
  llvm::SmallVector<char, 0> out;
  if (auto emitted = emit_file(module, target, llvm::CodeGenFileType::ObjectFile, out); !emitted)
    return Unexpected(emitted.error());
  std::vector<std::byte> bytes(out.size());
  std::memcpy(bytes.data(), out.data(), out.size());
  return bytes;
}

Expected<std::string, Error> emit_assembly(llvm::Module& module, const CpuTarget& target) {
  llvm::SmallVector<char, 0> out;
  if (auto emitted = emit_file(module, target, llvm::CodeGenFileType::AssemblyFile, out); !emitted)
    return Unexpected(emitted.error());
  return std::string(out.data(), out.size());
}

}  // namespace tunesmith::codegen
