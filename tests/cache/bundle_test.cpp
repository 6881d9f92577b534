// Bundles: exact round trips, and every bad line reported while the rest is kept.
#include "cache/bundle.h"

#include <gmock/gmock.h>

#include <sstream>

#include "cache/bundle_json.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::contents;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::TemporaryFolder;

class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    from_ = open_store(folder_.file("from.db"));
    to_ = open_store(folder_.file("to.db"));
  }
  std::string export_all(Store& store) {
    std::ostringstream out;
    const auto report = export_bundle(store, {}, out);
    EXPECT_TRUE(report) << report.error().message;
    return out.str();
  }
  ImportReport import_text(const std::string& text, const Refuse& refuse = {}) {
    std::istringstream in(text);
    auto report = import_bundle(*to_, in, refuse);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *std::move(report) : ImportReport{};
  }
  std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  std::string join(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> from_, to_;
};

TEST_F(BundleTest, CarriesEveryFieldAndArrivesAsForeign) {
  Rng rng(7);
  std::vector<Record> rows;
  for (int i = 0; i < 300; ++i) rows.push_back(testing::random_record(rng));
  ASSERT_TRUE(from_->put(rows));
  const std::string text = export_all(*from_);
  const ImportReport report = import_text(text);
  auto expected = contents(*from_);
  EXPECT_EQ(report.added, expected.size());
  EXPECT_EQ(report.rejected, 0u);
  EXPECT_TRUE(report.issues.empty());
  for (auto& [hash, record] : expected) record.trust = Trust::foreign;
  EXPECT_EQ(contents(*to_), expected);
  EXPECT_EQ(export_all(*to_), text) << "equal sets give equal bytes";
  EXPECT_EQ(import_text(text).present, expected.size());
}

TEST_F(BundleTest, CarriesRetractionsAsForeign) {
  const Retraction r{schedule_key("x", 1, 0), "bad\n", "me", 3, Trust::measured_here};
  ASSERT_TRUE(from_->retract(std::span(&r, 1)));
  EXPECT_EQ(import_text(export_all(*from_)).retractions, 1u);
  ASSERT_EQ(to_->retractions()->size(), 1u);
  EXPECT_EQ(to_->retractions()->front().trust, Trust::foreign);
}

TEST_F(BundleTest, GoldenLine) {
  Record r = make_record(std::string("split\xff", 6), 0.1);
  r.max_error = std::numeric_limits<double>::infinity();
  r.message = "tab\there \"quoted\" ä";
  EXPECT_EQ(
      write_line(r),
      R"({"created_us":1700000000000000,"extents":[64,64],"family":"matmul f32 A x B x A",)"
      R"("hash":"12e52d160348b531be1b8cb3da58f422bb32f4aa455d6668fddd8bc0cf2d8b40","language_major":1,)"
      R"("language_minor":0,"mad_ns":0.0,"max_error":"inf","median_ns":0.1,"message":"tab\there \"quoted\" ä",)"
      R"("protocol":"timer=steady cache=warm threads=1","samples":9,"schedule":{"hex":"73706c6974ff"},)"
      R"("seed":"seed=1 generation=0","source":"host=test","status":"ok","target":"zen4 avx512 cores=2",)"
      R"("target_kind":"cpu","toolchain":"language=1.0 llvm=19","workload":"canon 1\nmatmul f32 64x64x64\n"})");
}

TEST_F(BundleTest, ReportsBadLinesByNumberAndKeepsTheRest) {
  std::vector<Record> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(make_record("schedule " + std::to_string(i), 1000 + i));
  ASSERT_TRUE(from_->put(rows));
  std::vector<std::string> lines = lines_of(export_all(*from_));
  ASSERT_EQ(lines.size(), 22u);
  const auto replace = [](std::string& text, const std::string& what, const std::string& with) {
    ASSERT_NE(text.find(what), std::string::npos) << text;
    text.replace(text.find(what), what.size(), with);
  };
  lines[2] = "garbage";
  lines[4] = "[1,2]";
  replace(lines[6], "\"median_ns\":1", "\"median_ns\":9");
  replace(lines[8], "\"samples\":9", "\"samples\":-9");
  replace(lines[10], "\"source\":\"host=test\",", "");
  replace(lines[12], "\"samples\":9", "\"samples\":9,\"new\":1");
  replace(lines[14], "\"status\":\"ok\"", "\"status\":\"fine\"");
  lines[16] = lines[16].substr(0, lines[16].size() / 2);

  const ImportReport report = import_text(join(lines));
  EXPECT_EQ(report.added, 12u);
  EXPECT_EQ(report.rejected, 8u);
  std::map<std::size_t, std::string> issues;
  for (const LineIssue& issue : report.issues) issues[issue.line] = issue.message;
  EXPECT_EQ(issues.size(), 9u);
  EXPECT_THAT(issues[3], HasSubstr("not JSON"));
  EXPECT_THAT(issues[5], HasSubstr("not a JSON object"));
  EXPECT_THAT(issues[7], HasSubstr("differ from its hash"));
  EXPECT_THAT(issues[9], HasSubstr("samples"));
  EXPECT_THAT(issues[11], HasSubstr("'source' is missing"));
  EXPECT_THAT(issues[13], HasSubstr("not known"));
  EXPECT_THAT(issues[15], HasSubstr("'fine'"));
  EXPECT_THAT(issues[17], HasSubstr("not JSON"));
  EXPECT_THAT(issues[22], HasSubstr("lost or changed"));
}

TEST_F(BundleTest, TellsWhenLinesAreMissing) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a"), make_record("b")}));
  std::vector<std::string> lines = lines_of(export_all(*from_));
  ImportReport report = import_text(join({lines[0], lines[1], lines[3]}));
  EXPECT_EQ(report.added, 1u);
  ASSERT_EQ(report.issues.size(), 1u);
  EXPECT_THAT(report.issues[0].message, HasSubstr("lost or changed"));
  report = import_text(join({lines[0], lines[1], lines[2]}));
  EXPECT_EQ(report.added, 1u);
  ASSERT_EQ(report.issues.size(), 1u);
  EXPECT_THAT(report.issues[0].message, HasSubstr("cut short"));
}

TEST_F(BundleTest, ReadsSeveralBundlesInOneFile) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a")}));
  const std::string one = export_all(*from_);
  ASSERT_TRUE(from_->put(std::vector{make_record("b")}));
  const ImportReport report = import_text(one + export_all(*from_));
  EXPECT_EQ(report.added, 2u);
  EXPECT_EQ(report.present, 1u);
  EXPECT_TRUE(report.issues.empty());
}

TEST_F(BundleTest, SkipsALineThatIsTooLong) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a")}));
  const std::vector<std::string> lines = lines_of(export_all(*from_));
  const ImportReport report = import_text(join({lines[0], std::string(max_line_bytes + 1, 'x'), lines[1]}));
  EXPECT_EQ(report.added, 1u);
  EXPECT_THAT(report.issues[0].message, HasSubstr("longer than"));
  EXPECT_EQ(report.issues[0].line, 2u);
}

TEST_F(BundleTest, RefusesWhatIsNoBundleOrNewer) {
  std::istringstream text("hello\nworld\n");
  EXPECT_THAT(import_bundle(*to_, text).error().message, HasSubstr("not a bundle"));
  std::istringstream nothing("");
  EXPECT_THAT(import_bundle(*to_, nothing).error().message, HasSubstr("not a bundle"));
  std::istringstream newer("{\"tunesmith_bundle\":2,\"more\":1}\n");
  EXPECT_THAT(import_bundle(*to_, newer).error().message, HasSubstr("version 2"));
}

TEST_F(BundleTest, TheCallerMayRefuseRecords) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a"), make_record("b")}));
  const ImportReport report = import_text(export_all(*from_), [](const Record& r) {
    return r.schedule == "a" ? std::optional<std::string>("the schedule is not legal") : std::nullopt;
  });
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(report.rejected, 1u);
  EXPECT_THAT(report.issues[0].message, HasSubstr("not legal"));
}

TEST_F(BundleTest, ExportsWhatTheFilterShows) {
  Record other = make_record("b");
  other.target = "another";
  ASSERT_TRUE(from_->put(std::vector{make_record("a"), other}));
  Filter filter;
  filter.target_kind = "cpu";
  filter.target = "another";
  std::ostringstream out;
  EXPECT_EQ(export_bundle(*from_, filter, out)->records, 1u);
}

TEST_F(BundleTest, FilesAppearWholeOrNotAtAll) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a")}));
  const std::string path = folder_.file("records.jsonl");
  ASSERT_TRUE(export_bundle_file(*from_, {}, path));
  EXPECT_EQ(import_bundle_file(*to_, path)->added, 1u);
  const auto failed = export_bundle_file(*from_, {}, folder_.file("missing/records.jsonl"));
  EXPECT_THAT(failed.error().message, HasSubstr("missing/records.jsonl"));
  EXPECT_THAT(import_bundle_file(*to_, folder_.file("nothing")).error().message, HasSubstr("No such file"));
  EXPECT_THAT(import_bundle_file(*to_, folder_.path().string()).error().message, HasSubstr("folder"));
  if (std::filesystem::exists("/dev/full")) {
    std::ofstream full("/dev/full");
    EXPECT_FALSE(export_bundle(*from_, {}, full));
  }
}

TEST_F(BundleTest, AReadOnlyStoreGivesTheError) {
  ASSERT_TRUE(from_->put(std::vector{make_record("a")}));
  std::istringstream in(export_all(*from_));
  auto reader = open_store(folder_.file("to.db"), OpenMode::read_only);
  EXPECT_THAT(import_bundle(*reader, in).error().message, HasSubstr("reading only"));
}

}  // namespace
}  // namespace tunesmith::cache
