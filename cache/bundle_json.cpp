#include "cache/bundle_json.h"

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace tunesmith::cache {
namespace {

using nlohmann::json;

/// Names the field in the message; thrown and caught in this file only.
struct BadField {
  std::string message;
};

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (unsigned char c : bytes) text += fmt::format("{:02x}", c);
  return text;
}

std::string from_hex(const std::string& text, const char* name) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0)
      throw BadField{fmt::format("'{}' is not hexadecimal", name)};
    bytes.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  if (text.size() % 2 != 0) throw BadField{fmt::format("'{}' is not hexadecimal", name)};
  return bytes;
}

/// A byte string: as text where it is UTF-8.
json bytes_json(const std::string& bytes) {
  try {
    (void)json(bytes).dump();
    return bytes;
  } catch (const json::type_error&) {
    return {{"hex", to_hex(bytes)}};
  }
}

json number_json(double value) { return std::isinf(value) ? json("inf") : json(value); }

/// Reads the fields of an object; every field must be there and every field must be read.
class Fields {
 public:
  explicit Fields(const json& object) : object_(object) {}

  std::string bytes(const char* name) {
    const json& value = at(name);
    if (value.is_string()) return value.get<std::string>();
    if (value.is_object() && value.size() == 1 && value.contains("hex") && value["hex"].is_string())
      return from_hex(value["hex"].get<std::string>(), name);
    throw BadField{fmt::format("'{}' is not a text", name)};
  }
  std::int64_t integer(const char* name, std::int64_t low, std::int64_t high) {
    return integer(at(name), name, low, high);
  }
  double number(const char* name) {
    const json& value = at(name);
    if (value.is_string() && value == "inf") return std::numeric_limits<double>::infinity();
    if (!value.is_number()) throw BadField{fmt::format("'{}' is not a number", name)};
    return value.get<double>();
  }
  std::vector<std::int64_t> integers(const char* name) {
    const json& value = at(name);
    if (!value.is_array() || value.size() > max_extents)
      throw BadField{fmt::format("'{}' is not a short list", name)};
    std::vector<std::int64_t> result;
    for (const json& item : value)
      result.push_back(integer(item, name, 1, std::numeric_limits<std::int64_t>::max()));
    return result;
  }
  Digest digest(const char* name) {
    const json& value = at(name);
    const auto parsed = value.is_string() ? Digest::from_hex(value.get<std::string>()) : std::nullopt;
    if (!parsed) throw BadField{fmt::format("'{}' is not 64 hexadecimal digits", name)};
    return *parsed;
  }
  void finish() const {
    if (object_.size() != count_) throw BadField{"it has fields that are not known"};
  }

 private:
  const json& at(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end()) throw BadField{fmt::format("'{}' is missing", name)};
    ++count_;
    return *found;
  }
  static std::int64_t integer(const json& value, const char* name, std::int64_t low, std::int64_t high) {
    const bool fits =
        value.is_number_integer() &&
        (!value.is_number_unsigned() ||
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
      throw BadField{fmt::format("'{}' is not an integer from {} to {}", name, low, high)};
    return value.get<std::int64_t>();
  }

  const json& object_;
  std::size_t count_ = 0;
};

constexpr std::int64_t max_int = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t min_time = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t max_time = std::numeric_limits<std::int64_t>::max();

json to_json(const BundleHeader& header) { return {{"tunesmith_bundle", header.version}}; }

json to_json(const BundleEnd& end) { return {{"end", end.lines}, {"digest", end.digest.hex()}}; }

json to_json(const Retraction& r) {
  return {{"retract", r.subject.hex()},
          {"reason", bytes_json(r.reason)},
          {"source", bytes_json(r.source)},
          {"created_us", r.created_us},
          {"hash", retraction_hash(r).hex()}};
}

json to_json(const Record& r) {
  return {{"workload", bytes_json(r.workload)},
          {"family", bytes_json(r.family)},
          {"extents", r.extents},
          {"target_kind", bytes_json(r.target_kind)},
          {"target", bytes_json(r.target)},
          {"toolchain", bytes_json(r.toolchain)},
          {"protocol", bytes_json(r.protocol)},
          {"schedule", bytes_json(r.schedule)},
          {"language_major", r.language_major},
          {"language_minor", r.language_minor},
          {"status", to_string(r.status)},
          {"median_ns", number_json(r.median_ns)},
          {"mad_ns", number_json(r.mad_ns)},
          {"samples", r.samples},
          {"max_error", number_json(r.max_error)},
          {"message", bytes_json(r.message)},
          {"seed", bytes_json(r.seed)},
          {"source", bytes_json(r.source)},
          {"created_us", r.created_us},
          {"hash", measurement_hash(r).hex()}};
}

Record record_of(Fields fields) {
  Record r;
  r.workload = fields.bytes("workload");
  r.family = fields.bytes("family");
  r.extents = fields.integers("extents");
  r.target_kind = fields.bytes("target_kind");
  r.target = fields.bytes("target");
  r.toolchain = fields.bytes("toolchain");
  r.protocol = fields.bytes("protocol");
  r.schedule = fields.bytes("schedule");
  r.language_major = static_cast<int>(fields.integer("language_major", 0, max_int));
  r.language_minor = static_cast<int>(fields.integer("language_minor", 0, max_int));
  const std::string status = fields.bytes("status");
  if (const auto known = status_from_string(status))
    r.status = *known;
  else
    throw BadField{fmt::format("status '{}' is not known", status)};
  r.median_ns = fields.number("median_ns");
  r.mad_ns = fields.number("mad_ns");
  r.samples = static_cast<std::int32_t>(fields.integer("samples", 0, max_int));
  r.max_error = fields.number("max_error");
  r.message = fields.bytes("message");
  r.seed = fields.bytes("seed");
  r.source = fields.bytes("source");
  r.created_us = fields.integer("created_us", min_time, max_time);
  r.trust = Trust::foreign;
  const Digest hash = fields.digest("hash");
  fields.finish();
  if (auto valid = validate(r); !valid) throw BadField{valid.error().message};
  if (measurement_hash(r) != hash) throw BadField{"its contents differ from its hash"};
  return r;
}

Retraction retraction_of(Fields fields) {
  Retraction r;
  r.subject = fields.digest("retract");
  r.reason = fields.bytes("reason");
  r.source = fields.bytes("source");
  r.created_us = fields.integer("created_us", min_time, max_time);
  r.trust = Trust::foreign;
  const Digest hash = fields.digest("hash");
  fields.finish();
  if (r.reason.size() > max_message_bytes || r.source.size() > max_message_bytes)
    throw BadField{"its reason or source is too long"};
  if (retraction_hash(r) != hash) throw BadField{"its contents differ from its hash"};
  return r;
}

BundleLine line_of(const json& object) {
  Fields fields(object);
  if (object.contains("tunesmith_bundle")) {
    const BundleHeader header{static_cast<int>(fields.integer("tunesmith_bundle", 1, max_int))};
    if (header.version == bundle_version) fields.finish();
    return header;
  }
  if (object.contains("end")) {
    BundleEnd end;
    end.lines = static_cast<std::size_t>(fields.integer("end", 0, max_time));
    end.digest = fields.digest("digest");
    fields.finish();
    return end;
  }
  if (object.contains("retract")) return retraction_of(fields);
  return record_of(fields);
}

}  // namespace

std::string write_line(const BundleLine& line) {
  return std::visit([](const auto& value) { return to_json(value); }, line).dump();
}

Expected<BundleLine, Error> parse_line(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (object.is_discarded()) return Unexpected(Error{"not JSON"});
  if (!object.is_object()) return Unexpected(Error{"not a JSON object"});
  try {
    return line_of(object);
  } catch (const BadField& bad) {
    return Unexpected(Error{bad.message});
  }
}

Digest chain_digest(const Digest& before, std::string_view line) {
  return CanonicalWriter().digest(before).text(line).finish();
}

}  // namespace tunesmith::cache
