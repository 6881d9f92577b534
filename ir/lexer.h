// Internal: splits the text forms into tokens, and the errors that parsing reports.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/dtype.h"

namespace tunesmith::ir {

struct Token {
  enum class Kind : std::uint8_t { name, integer, floating, symbol, end };
  Kind kind = Kind::end;
  std::string_view text;      // without the dtype of a number
  DType dtype = index_dtype;  // of a number: written as 5:i32 or 1.5:f16
  int line = 1, column = 1;
  bool first_of_line = false;
};

/// Thrown inside the parser only; the entry points turn it into an Error.
struct ParseFault {
  std::string message;
};

/// The last token has kind `end`. A name may contain '.' and may start with '$'. Throws ParseFault.
std::vector<Token> tokenize(std::string_view text);

}  // namespace tunesmith::ir
