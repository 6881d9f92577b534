#include "cache/bundle.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>

#include "cache/bundle_json.h"
#include "ir/support/whole_file.h"

namespace tunesmith::cache {
namespace {

constexpr std::size_t import_batch = 1024;

/// Writes lines and keeps the digest of those between header and end.
class LineWriter {
 public:
  explicit LineWriter(std::ostream& out) : out_(out) { out_ << write_line(BundleHeader{}) << '\n'; }

  bool write(const BundleLine& line) {
    const std::string text = write_line(line);
    digest_ = chain_digest(digest_, text);
    ++lines_;
    out_ << text << '\n';
    return out_.good();
  }
  bool finish() {
    out_ << write_line(BundleEnd{lines_, digest_}) << '\n';
    out_.flush();
    return out_.good();
  }

 private:
  std::ostream& out_;
  Digest digest_;
  std::size_t lines_ = 0;
};

enum class ReadLine { line, too_long, end };

/// A line without its break; one that is too long is skipped.
ReadLine read_line(std::istream& in, std::string& line) {
  line.clear();
  bool too_long = false;
  std::streambuf& buffer = *in.rdbuf();
  using Traits = std::streambuf::traits_type;
  for (auto c = buffer.sbumpc();; c = buffer.sbumpc()) {
    if (Traits::eq_int_type(c, Traits::eof())) {
      if (line.empty() && !too_long) return ReadLine::end;
      break;
    }
    if (Traits::to_char_type(c) == '\n') break;
    if (line.size() < max_line_bytes)
      line.push_back(Traits::to_char_type(c));
    else
      too_long = true;
  }
  return too_long ? ReadLine::too_long : ReadLine::line;
}

class Importer {
 public:
  Importer(Store& store, const Refuse& refuse) : store_(store), refuse_(refuse) {}

  Expected<ImportReport, Error> run(std::istream& in) {
    std::string text;
    while (true) {
      const ReadLine read = read_line(in, text);
      if (read == ReadLine::end) break;
      ++line_;
      if (read == ReadLine::too_long) {
        reject(fmt::format("longer than {} bytes", max_line_bytes));
      } else if (auto taken = take_line(text); !taken) {
        return Unexpected(taken.error());
      }
    }
    if (auto stored = store_records(); !stored) return Unexpected(stored.error());
    if (!seen_header_ && report_.added + report_.present + report_.retractions == 0)
      return Unexpected(Error{"this is not a bundle of tuning records: it has no header line and no record"});
    if (open_) issue("the bundle is cut short: its last line is missing");
    return std::move(report_);
  }

 private:
  void issue(std::string message) {
    if (report_.issues.size() < ImportReport::max_issues)
      report_.issues.push_back({line_, std::move(message)});
  }
  void reject(std::string message) {
    ++report_.rejected;
    issue(std::move(message));
  }

  Expected<void, Error> take_line(const std::string& text) {
    auto line = parse_line(text);
    if (!line) {
      count_line(text);
      reject(line_ == 1 ? fmt::format("no header of a bundle: {}", line.error().message)
                        : line.error().message);
      return {};
    }
    if (const auto* header = std::get_if<BundleHeader>(&*line)) return take_header(*header);
    if (const auto* end = std::get_if<BundleEnd>(&*line)) {
      if (!open_ || end->lines != lines_ || end->digest != digest_)
        issue("lines of the bundle were lost or changed: they differ from its last line");
      open_ = false;
      return {};
    }
    count_line(text);
    if (auto* retraction = std::get_if<Retraction>(&*line)) {
      auto stored = store_.retract(std::span(retraction, 1));
      if (stored) ++report_.retractions;
      return stored;
    }
    return take_record(std::get<Record>(*std::move(line)));
  }

  Expected<void, Error> take_header(const BundleHeader& header) {
    if (header.version > bundle_version)
      return Unexpected(make_error("line {}: a bundle of version {}; this Tunesmith reads version {}", line_,
                                   header.version, bundle_version));
    if (open_) issue("a bundle begins before the one above has its last line");
    seen_header_ = open_ = true;
    digest_ = Digest();
    lines_ = 0;
    return {};
  }

  void count_line(const std::string& text) {
    digest_ = chain_digest(digest_, text);
    ++lines_;
  }

  Expected<void, Error> take_record(Record record) {
    if (refuse_) {
      if (auto reason = refuse_(record)) {
        reject(*std::move(reason));
        return {};
      }
    }
    records_.push_back(std::move(record));
    return records_.size() < import_batch ? Expected<void, Error>() : store_records();
  }

  Expected<void, Error> store_records() {
    const auto added = store_.import_records(records_);
    if (!added) return Unexpected(added.error());
    report_.added += added->added;
    report_.present += added->present;
    records_.clear();
    return {};
  }

  Store& store_;
  const Refuse& refuse_;
  ImportReport report_;
  std::vector<Record> records_;
  std::size_t line_ = 0;
  bool seen_header_ = false;
  bool open_ = false;      // after a header, before its last line
  std::size_t lines_ = 0;  // since the header
  Digest digest_;
};

}  // namespace

Expected<ExportReport, Error> export_bundle(Store& store, const Filter& filter, std::ostream& out) {
  ExportReport report;
  LineWriter writer(out);
  Filter ordered = filter;
  ordered.by_hash = true;
  bool good = true;
  const auto damaged = store.visit(ordered, [&](const Record& record) {
    ++report.records;
    return good = writer.write(record);
  });
  if (!damaged) return Unexpected(damaged.error());
  report.damaged = *damaged;
  const auto retractions = store.retractions();
  if (!retractions) return Unexpected(retractions.error());
  for (const Retraction& retraction : *retractions) good = good && writer.write(retraction);
  report.retractions = retractions->size();
  if (!good || !writer.finish()) return Unexpected(Error{"writing the bundle failed"});
  return report;
}

bool is_bundle_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string beginning(64, '\0');
  file.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  return beginning.starts_with("{\"tunesmith_bundle\":");
}

Expected<ExportReport, Error> export_bundle_file(Store& store, const Filter& filter,
                                                 const std::string& path) {
  WholeFile file(path);
  auto report = export_bundle(store, filter, file.stream());
  if (!report && file.stream().good()) return report;
  if (const int code = file.commit(); code != 0)
    return Unexpected(make_error("cannot write the bundle '{}': {}", path, std::strerror(code)));
  return report;
}

Expected<ImportReport, Error> import_bundle(Store& store, std::istream& in, const Refuse& refuse) {
  return Importer(store, refuse).run(in);
}

Expected<ImportReport, Error> import_bundle_file(Store& store, const std::string& path,
                                                 const Refuse& refuse) {
  if (std::filesystem::is_directory(path))
    return Unexpected(make_error("'{}' is a folder, not a bundle", path));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Unexpected(make_error("cannot read the bundle '{}': {}", path, std::strerror(errno)));
  auto report = import_bundle(store, file, refuse);
  if (!report) return Unexpected(make_error("bundle '{}': {}", path, report.error().message));
  return report;
}

}  // namespace tunesmith::cache
