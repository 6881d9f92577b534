#include "codegen/cuda/cubin.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "ir/support/check.h"

namespace tunesmith::codegen::cuda {
namespace {

constexpr std::uint16_t machine_cuda = 190;
constexpr std::size_t instruction_bytes = 16;

struct OpcodeRow {
  Opcode opcode;
  std::string_view name;
  std::uint16_t code;  // the low 9 bits of an instruction; the next 3 tell the form of its operands
};
constexpr std::array opcodes = {
    OpcodeRow{Opcode::ffma, "FFMA", 0x023},         OpcodeRow{Opcode::hmma, "HMMA", 0x03c},
    OpcodeRow{Opcode::hgmma, "HGMMA", 0x1f0},       OpcodeRow{Opcode::ldsm, "LDSM", 0x03b},
    OpcodeRow{Opcode::local_load, "LDL", 0x183},    OpcodeRow{Opcode::local_store, "STL", 0x187},
    OpcodeRow{Opcode::global_load, "LDG", 0x181},   OpcodeRow{Opcode::global_store, "STG", 0x186},
    OpcodeRow{Opcode::shared_load, "LDS", 0x184},   OpcodeRow{Opcode::shared_store, "STS", 0x188},
    OpcodeRow{Opcode::async_copy, "LDGSTS", 0x1ae}, OpcodeRow{Opcode::bulk_load, "UTMALDG", 0x1b4},
    OpcodeRow{Opcode::barrier, "BAR", 0x11d},       OpcodeRow{Opcode::shuffle, "SHFL", 0x189},
};

// Attributes of .nv.info sections.
constexpr std::uint8_t with_sized_value = 4;
constexpr std::uint8_t attribute_registers = 0x2f, attribute_min_stack = 0x12;

Error damaged(std::string_view what) { return make_error("the cubin is damaged: {}", what); }

/// A read that stays inside of `bytes`.
template <class T>
std::optional<T> read_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::optional<std::string> string_at(std::span<const std::byte> table, std::uint64_t offset) {
  if (offset >= table.size()) return std::nullopt;
  const auto* first = reinterpret_cast<const char*>(table.data()) + offset;
  const auto* last = static_cast<const char*>(std::memchr(first, 0, table.size() - offset));
  return last == nullptr ? std::nullopt : std::optional(std::string(first, last));
}

struct Section {
  std::string name;
  Elf64_Shdr header{};
  std::span<const std::byte> bytes;  // none where the file holds none
};

Expected<std::vector<Section>, Error> read_sections(std::span<const std::byte> image) {
  const auto header = read_at<Elf64_Ehdr>(image, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64)
    return Unexpected(damaged("no ELF file"));
  if (header->e_machine != machine_cuda) return Unexpected(make_error("an ELF file of another machine than CUDA"));
  std::vector<Section> sections;
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = read_at<Elf64_Shdr>(image, header->e_shoff + i * header->e_shentsize);
    if (!section) return Unexpected(damaged("a section header lies outside"));
    Section& added = sections.emplace_back();
    added.header = *section;
    if (section->sh_type == SHT_NOBITS) continue;
    if (section->sh_offset > image.size() || image.size() - section->sh_offset < section->sh_size)
      return Unexpected(damaged("a section lies outside"));
    added.bytes = image.subspan(section->sh_offset, section->sh_size);
  }
  if (header->e_shstrndx >= sections.size()) return Unexpected(damaged("it has no section names"));
  for (Section& section : sections) {
    auto name = string_at(sections[header->e_shstrndx].bytes, section.header.sh_name);
    if (!name) return Unexpected(damaged("a section name lies outside"));
    section.name = std::move(*name);
  }
  return sections;
}

/// Names of the symbols, by their index.
Expected<std::vector<std::string>, Error> read_symbols(const std::vector<Section>& sections) {
  std::vector<std::string> names;
  for (const Section& section : sections) {
    if (section.header.sh_type != SHT_SYMTAB) continue;
    if (section.header.sh_link >= sections.size()) return Unexpected(damaged("symbols without names"));
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.bytes.size(); at += sizeof(Elf64_Sym)) {
      auto name = string_at(sections[section.header.sh_link].bytes, read_at<Elf64_Sym>(section.bytes, at)->st_name);
      if (!name) return Unexpected(damaged("a symbol's name lies outside"));
      names.push_back(std::move(*name));
    }
  }
  return names;
}

/// Calls back with attribute, symbol and value of the entries that have such.
template <class Visit>
void for_each_attribute(std::span<const std::byte> info, Visit visit) {
  struct Head {
    std::uint8_t format, attribute;
    std::uint16_t size;  // or the value itself
  };
  for (std::uint64_t at = 0; const auto head = read_at<Head>(info, at);) {
    at += sizeof(Head);
    if (head->format != with_sized_value) continue;
    const auto symbol = read_at<std::uint32_t>(info, at), value = read_at<std::uint32_t>(info, at + 4);
    if (head->size == 8 && symbol && value) visit(head->attribute, *symbol, *value);
    at += head->size;
  }
}

void count_instructions(std::span<const std::byte> code, CubinKernel& kernel) {
  for (std::uint64_t at = 0; at + instruction_bytes <= code.size(); at += instruction_bytes) {
    const std::uint64_t low = *read_at<std::uint64_t>(code, at), high = *read_at<std::uint64_t>(code, at + 8);
    ++kernel.instructions;
    const auto row = std::ranges::find(opcodes, static_cast<std::uint16_t>(low & 0x1ff), &OpcodeRow::code);
    if (row == opcodes.end()) continue;
    ++kernel.counts[row->opcode];
    const std::uint64_t access_width = (high >> 9) & 7;  // bits 73 to 75: 4, 5, 6 for 4, 8, 16 bytes
    if (access_width == 6) ++kernel.wide_counts[row->opcode];
  }
}

std::int64_t count_in(const std::map<Opcode, std::int64_t>& counts, Opcode opcode) {
  const auto it = counts.find(opcode);
  return it == counts.end() ? 0 : it->second;
}

}  // namespace

std::string_view to_string(Opcode opcode) {
  const auto row = std::ranges::find(opcodes, opcode, &OpcodeRow::opcode);
  TS_CHECK(row != opcodes.end(), "an opcode without a row");
  return row->name;
}

std::int64_t CubinKernel::count(Opcode opcode) const { return count_in(counts, opcode); }
std::int64_t CubinKernel::wide_count(Opcode opcode) const { return count_in(wide_counts, opcode); }

Expected<std::vector<CubinKernel>, Error> read_cubin(std::span<const std::byte> image) {
  const auto sections = read_sections(image);
  if (!sections) return Unexpected(sections.error());
  const auto symbols = read_symbols(*sections);
  if (!symbols) return Unexpected(symbols.error());
  constexpr std::string_view code_prefix = ".text.", shared_prefix = ".nv.shared.";
  std::vector<CubinKernel> kernels;
  for (const Section& section : *sections)
    if (section.name.starts_with(code_prefix)) {
      CubinKernel& kernel = kernels.emplace_back();
      kernel.name = section.name.substr(code_prefix.size());
      count_instructions(section.bytes, kernel);
    }
  auto kernel_named = [&](std::string_view name) -> CubinKernel* {
    const auto it = std::ranges::find(kernels, name, &CubinKernel::name);
    return it == kernels.end() ? nullptr : &*it;
  };
  for (const Section& section : *sections) {
    if (section.name.starts_with(shared_prefix))
      if (CubinKernel* kernel = kernel_named(section.name.substr(shared_prefix.size())))
        kernel->static_shared_bytes = static_cast<std::int64_t>(section.header.sh_size);
    if (section.name != ".nv.info") continue;
    for_each_attribute(section.bytes, [&](std::uint8_t attribute, std::uint32_t symbol, std::uint32_t value) {
      CubinKernel* kernel = symbol < symbols->size() ? kernel_named((*symbols)[symbol]) : nullptr;
      if (kernel == nullptr) return;
      if (attribute == attribute_registers) kernel->registers = static_cast<int>(value);
      if (attribute == attribute_min_stack) kernel->stack_bytes = value;
    });
  }
  std::ranges::sort(kernels, {}, &CubinKernel::name);
  return kernels;
}

}  // namespace tunesmith::codegen::cuda
