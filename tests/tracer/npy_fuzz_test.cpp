// Damaged .npy files: a UserError of one line or a tensor whose elements are those of the file, never a
// crash.
#include "ir/support/error.h"
#include "tests/tracer/npy_text.h"
#include "tests/tracer/onnx_model_writer.h"
#include "tests/tracer/random_values.h"
#include "tracer/npy.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

/// Empty where the reader holds its promise, else what went wrong.
std::string broken_promise(const std::string& bytes) {
  try {
    const ir::HostTensor tensor = parse_npy(as_bytes(bytes));
    if (tensor.byte_size() > bytes.size()) return "more elements than the file has";
  } catch (const UserError& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) return "a message of many lines";
  } catch (const std::exception& error) {
    return std::string("an exception that is no UserError: ") + error.what();
  }
  return {};
}

std::vector<std::string> files() {
  Rng rng(1);
  std::vector<std::string> result;
  for (const ir::DType dtype : {ir::DType::f32, ir::DType::i64, ir::DType::boolean})
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {3}, {2, 0, 5}, {2, 3}})
      result.push_back(format_npy(random_tensor(rng, dtype, shape)));
  result.push_back(npy_text("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "1234", 2));
  return result;
}

TEST(NpyFuzz, EveryByteReplacedIsSurvived) {
  for (const std::string& file : files())
    for (std::size_t at = 0; at < file.size(); ++at)
      for (int value = 0; value < 256; value += at < 10 ? 1 : 7) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(value);
        ASSERT_EQ(broken_promise(damaged), "") << "byte " << at << " is " << value;
      }
}

TEST(NpyFuzz, HeadersOfRandomPiecesAreSurvived) {
  const std::string_view pieces[] = {"{",
                                     "}",
                                     "(",
                                     ")",
                                     ",",
                                     ":",
                                     "'descr'",
                                     "'shape'",
                                     "'<f4'",
                                     "'|b1'",
                                     "'>i8'",
                                     "True",
                                     "False",
                                     "3",
                                     "0",
                                     "-1",
                                     " ",
                                     "'fortran_order'",
                                     "9223372036854775807",
                                     "4294967296",
                                     "'",
                                     "\"",
                                     "[",
                                     "\n",
                                     "1.5",
                                     "None",
                                     "\xff"};
  const std::string_view good[] = {"{", "'descr'", ":", "'<f4'",   ",", "'fortran_order'",
                                   ":", "False",   ",", "'shape'", ":", "(",
                                   "2", ",",       ")", "}"};
  for (std::uint64_t round = 0; round < 30'000; ++round) {
    const std::uint64_t seed = first_seed(round);
    Rng rng(seed);
    std::string header;
    for (const std::string_view piece : good) {
      if (rng.below(12) == 0) header += pieces[rng.below(std::size(pieces))];
      if (rng.below(12) != 0) header += piece;
    }
    ASSERT_EQ(broken_promise(npy_text(header, "12345678", 1 + static_cast<int>(rng.below(2)))), "")
        << "seed " << seed << ": " << header;
  }
}

}  // namespace
}  // namespace tunesmith::tracer
