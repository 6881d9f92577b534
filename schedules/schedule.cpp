#include "schedules/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ir/support/check.h"

namespace tunesmith::schedules {
namespace {

constexpr std::pair<Tail, std::string_view> tails[] = {
    {Tail::peel, "peel"}, {Tail::mask, "mask"}, {Tail::overlap, "overlap"}};
std::string_view to_string(Tail tail) {
  return std::ranges::find(tails, tail, [](const auto& t) { return t.first; })->second;
}

std::string list(const std::vector<LoopId>& loops) {
  std::string text;
  for (const LoopId& loop : loops) text += (text.empty() ? "" : ", ") + to_string(loop);
  return text;
}

std::string print(const Split& s) {
  return fmt::format("split({}, {}, {})", to_string(s.loop), s.factor, to_string(s.tail));
}
std::string print(const Fuse& s) {
  return fmt::format("fuse({}, {})", to_string(s.outer), to_string(s.inner));
}
std::string print(const Reorder& s) { return fmt::format("reorder({})", list(s.loops)); }
std::string print(const Annotate& s) {
  return fmt::format("{}({})", ir::to_string(s.kind), to_string(s.loop));
}
std::string print(const ComputeAt& s) {
  return fmt::format("compute_at(s{}, {}, {})", s.stage, to_string(s.loop), ir::to_string(s.scope));
}
std::string print(const ComputeInline& s) { return fmt::format("compute_inline(s{})", s.stage); }
std::string print(const ReverseComputeAt& s) {
  return fmt::format("reverse_compute_at(s{}, {})", s.stage, to_string(s.loop));
}
std::string print(const StageBuffer& s) {
  return fmt::format("stage(b{}, s{}, {}, {}, {})", ir::index_of(s.buffer), s.reader,
                     s.at ? to_string(*s.at) : "root", ir::to_string(s.scope), ir::to_string(s.layout));
}
std::string print(const Accumulate& s) {
  return fmt::format("accumulate(s{}, {}, {})", s.stage, to_string(s.at), ir::to_string(s.scope));
}
std::string print(const Rfactor& s) {
  return fmt::format("rfactor(s{}, a{}, {})", s.stage, s.axis, s.factor);
}
std::string print(const Pad& s) { return fmt::format("pad(s{}, a{}, {})", s.stage, s.axis, s.factor); }
std::string print(const Prefetch& s) {
  return fmt::format("prefetch(b{}, s{}, {})", ir::index_of(s.buffer), s.reader, s.ahead);
}
std::string print(const Streaming& s) { return fmt::format("streaming(s{})", s.stage); }

constexpr ir::LoopKind annotation_kinds[] = {
    ir::LoopKind::serial,   ir::LoopKind::parallel, ir::LoopKind::vectorize, ir::LoopKind::unroll,
    ir::LoopKind::block_x,  ir::LoopKind::block_y,  ir::LoopKind::block_z,   ir::LoopKind::thread_x,
    ir::LoopKind::thread_y, ir::LoopKind::thread_z,
};

/// Reads the text from the left. The first thing that does not fit is kept; what is read after it is
/// meaningless.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expected<Schedule, Error> run() {
    Schedule schedule;
    skip_spaces();
    while (at_ < text_.size() && error_.empty()) {
      step_start_ = at_;
      step_ = schedule.size();
      schedule.push_back(step());
      skip_spaces();
      if (at_ < text_.size()) expect(";");
      skip_spaces();
    }
    if (error_.empty()) return schedule;
    const std::string_view rest = text_.substr(step_start_);
    return Unexpected(make_error("schedule step {} '{}': {}", step_, rest.substr(0, rest.find(';')), error_));
  }

 private:
  void fail(std::string_view expected) {
    if (!error_.empty()) return;
    const std::string_view rest = text_.substr(at_, 16);
    error_ = fmt::format("expected {} at '{}' (offset {})", expected, rest, at_);
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    skip_spaces();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) fail(fmt::format("'{}'", token));
  }
  std::string_view word() {
    skip_spaces();
    const std::size_t start = at_;
    auto is_part = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    while (at_ < text_.size() && is_part(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  template <class Integer>
  Integer number() {
    Integer value{};
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{}) fail("a number");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }
  std::int64_t integer() {
    skip_spaces();
    return number<std::int64_t>();
  }
  std::uint32_t index(std::string_view prefix) {
    expect(prefix);
    return number<std::uint32_t>();
  }
  void comma() { expect(","); }

  LoopId loop() {
    LoopId id;
    id.stage = index("s");
    expect(".");
    id.fused = take("f");
    if (!id.fused) expect("a");
    id.axis = number<std::uint32_t>();
    while (text_.substr(at_, 1) == ".") {
      ++at_;
      const bool inner = text_.substr(at_, 1) == "1";
      if (!inner && text_.substr(at_, 1) != "0") fail("0 or 1");
      if (id.path >> 31) fail("at most 31 splits of a loop");
      if (!error_.empty()) return id;
      ++at_;
      id = inner ? id.inner() : id.outer();
    }
    return id;
  }
  Tail tail() {
    const std::string_view name = word();
    const auto known = std::ranges::find(tails, name, [](const auto& t) { return t.second; });
    if (known != std::end(tails)) return known->first;
    fail("peel, mask or overlap");
    return Tail::peel;
  }
  ir::Scope scope() {
    const std::string_view name = word();
    for (ir::Scope s : {ir::Scope::global, ir::Scope::local, ir::Scope::registers, ir::Scope::shared})
      if (ir::to_string(s) == name) return s;
    fail("global, local, registers or shared");
    return ir::Scope::local;
  }
  ir::Layout layout() {
    ir::Layout result;
    if (take("row_major")) return result;
    expect("(");
    do {
      ir::LayoutDim dim;
      skip_spaces();
      dim.dim = number<std::int32_t>();
      if (take(":")) dim.block = integer();
      result.order.push_back(dim);
    } while (take(",") && error_.empty());
    expect(")");
    return result;
  }

  Step step() {
    const std::string_view name = word();
    expect("(");
    const Step result = arguments(name);
    expect(")");
    return result;
  }
  // Braced initialisers are evaluated from left to right, as the text is read.
  Step arguments(std::string_view name) {
    if (name == "split") return Split{loop(), (comma(), integer()), (comma(), tail())};
    if (name == "fuse") return Fuse{loop(), (comma(), loop())};
    if (name == "reorder") {
      Reorder reorder;
      if (text_.substr(at_, 1) == ")") return reorder;
      do reorder.loops.push_back(loop());
      while (take(",") && error_.empty());
      return reorder;
    }
    if (name == "compute_at") return ComputeAt{index("s"), (comma(), loop()), (comma(), scope())};
    if (name == "compute_inline") return ComputeInline{index("s")};
    if (name == "reverse_compute_at") return ReverseComputeAt{index("s"), (comma(), loop())};
    if (name == "stage") return stage_buffer();
    if (name == "accumulate") return Accumulate{index("s"), (comma(), loop()), (comma(), scope())};
    if (name == "rfactor") return Rfactor{index("s"), (comma(), index("a")), (comma(), integer())};
    if (name == "pad") return Pad{index("s"), (comma(), index("a")), (comma(), integer())};
    if (name == "prefetch")
      return Prefetch{ir::BufferId{index("b")}, (comma(), index("s")), (comma(), integer())};
    if (name == "streaming") return Streaming{index("s")};
    for (ir::LoopKind kind : annotation_kinds)
      if (ir::to_string(kind) == name) return Annotate{loop(), kind};
    fail("the name of a step before this");
    return Streaming{};
  }
  Step stage_buffer() {
    StageBuffer step;
    step.buffer = ir::BufferId{index("b")};
    comma();
    step.reader = index("s");
    comma();
    if (!take("root")) step.at = loop();
    comma();
    step.scope = scope();
    comma();
    step.layout = layout();
    return step;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t step_start_ = 0;
  std::size_t step_ = 0;
  std::string error_;
};

}  // namespace

std::string to_string(const LoopId& loop) {
  std::string text = fmt::format("s{}.{}{}", loop.stage, loop.fused ? "f" : "a", loop.axis);
  int bits = 0;
  for (std::uint32_t p = loop.path; p > 1; p >>= 1) ++bits;
  while (bits-- > 0) text += (loop.path >> bits) & 1 ? ".1" : ".0";
  return text;
}

std::string print_step(const Step& step) {
  return std::visit([](const auto& s) { return print(s); }, step);
}

std::string print_schedule(const Schedule& schedule) {
  std::string text;
  for (const Step& step : schedule) text += (text.empty() ? "" : "; ") + print_step(step);
  return text;
}

Expected<Schedule, Error> parse_schedule(std::string_view text) { return Parser(text).run(); }

}  // namespace tunesmith::schedules
