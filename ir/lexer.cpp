#include "ir/lexer.h"

#include <fmt/format.h>

#include <array>

#include "ir/printer.h"

namespace tunesmith::ir {
namespace {

constexpr std::array<std::string_view, 8> two_character_symbols = {
    "==", "!=", "<=", ">=", "<<", ">>", "//", "->"};
constexpr std::string_view one_character_symbols = "()[]{}:;,=+-*/%<>&|^!~";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    for (skip_space(); at_ < text_.size(); skip_space()) add_token();
    tokens_.push_back(begin_token(Token::Kind::end));
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) {
      if (text_[at_] == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      }
      ++at_;
    }
  }

  Token begin_token(Token::Kind kind) const {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.column = static_cast<int>(at_ - line_start_) + 1;
    token.first_of_line = tokens_.empty() || tokens_.back().line != line_;
    return token;
  }

  void end_token(Token token, std::size_t start) {
    token.text = text_.substr(start, at_ - start);
    tokens_.push_back(token);
  }

  void add_token() {
    const std::size_t start = at_;
    if (is_identifier_start(peek()) || peek() == '$') {
      Token token = begin_token(Token::Kind::name);
      do ++at_;
      while (is_identifier_part(peek()));
      const std::string_view word = text_.substr(start, at_ - start);
      if (word != "inf" && word != "nan") return end_token(token, start);
      token.kind = Token::Kind::floating;
      return end_number(token, start);
    }
    if (is_digit(peek())) return add_number();
    Token token = begin_token(Token::Kind::symbol);
    for (std::string_view symbol : two_character_symbols)
      if (text_.substr(at_).starts_with(symbol)) {
        at_ += 2;
        return end_token(token, start);
      }
    if (one_character_symbols.find(peek()) == std::string_view::npos)
      throw ParseFault{fmt::format("line {}, column {}: a character that no text form has (code {})",
                                   token.line, token.column, static_cast<unsigned char>(peek()))};
    ++at_;
    end_token(token, start);
  }

  void add_number() {
    const std::size_t start = at_;
    Token token = begin_token(Token::Kind::integer);
    while (is_digit(peek())) ++at_;
    if (peek() == '.' && is_digit(peek(1))) {
      token.kind = Token::Kind::floating;
      do ++at_;
      while (is_digit(peek()));
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (peek() == 'e' && is_digit(peek(1 + sign))) {
      token.kind = Token::Kind::floating;
      at_ += 1 + sign;
      while (is_digit(peek())) ++at_;
    }
    end_number(token, start);
  }

  /// Takes the dtype where one follows at once: 5:i32.
  void end_number(Token token, std::size_t start) {
    token.dtype = token.kind == Token::Kind::integer ? index_dtype : DType::f32;
    token.text = text_.substr(start, at_ - start);
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_identifier_part(text_[end])) ++end;
    const auto dtype = peek() == ':' ? dtype_from_string(text_.substr(at_ + 1, end - at_ - 1)) : std::nullopt;
    if (dtype && is_float(*dtype) == (token.kind == Token::Kind::floating)) {
      token.dtype = *dtype;
      at_ = end;
    }
    tokens_.push_back(token);
  }

  std::string_view text_;
  std::size_t at_ = 0, line_start_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace tunesmith::ir
