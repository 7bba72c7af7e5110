// One line of configuration: its words, its place, and what is said when it is wrong.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"

#include "../nginx.h"
#include "../text.h"

namespace agw::nginx {

/// What is wrong and what to write instead, without the place; empty if nginx has said it already.
using Checked = Result<void, std::string>;
/// Words of a line, the directive's name first. They live as long as the configuration's pool.
using Words = std::span<const std::string_view>;

/// A line of a configuration file. `file` lives as long as the configuration's pool.
struct Place {
  std::string_view file;
  ngx_uint_t line = 0;
};

[[nodiscard]] std::vector<std::string_view> words_of(const ngx_conf_t* cf);
[[nodiscard]] Place place_of(const ngx_conf_t* cf) noexcept;

/// Collects what is wrong with a configuration as a whole: each problem is one line of the log.
class Problems {
 public:
  explicit Problems(ngx_log_t* log) noexcept : log_(log) {}
  void error(const Place& place, const std::string& message) noexcept;
  void warning(const Place& place, const std::string& message) noexcept;
  [[nodiscard]] bool any() const noexcept { return any_; }

 private:
  ngx_log_t* log_;
  bool any_ = false;
};

/// `a, b or c`
[[nodiscard]] std::string listed(Words names, std::string_view last = "or");
[[nodiscard]] std::string quoted(std::string_view text);

/// `key=value`; nothing if the word has no `=` or no key.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>> option(std::string_view word) noexcept;

/// One of a closed set of words.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};
template <class T>
Result<T, std::string> choose(std::string_view name, std::string_view word, std::span<const Choice<T>> choices) {
  std::vector<std::string_view> words;
  for (const auto& choice : choices) {
    if (choice.word == word) return choice.value;
    words.push_back(choice.word);
  }
  return fail(quoted(name) + " is " + quoted(word) + "; write " + listed(words));
}

struct TimeLimits {
  Milliseconds least;
  Milliseconds most;
};
/// nginx's syntax: 30s, 5m, 700ms; a bare number is seconds.
[[nodiscard]] Result<Milliseconds, std::string> time_value(std::string_view name, std::string_view word,
                                                           TimeLimits limits);
/// nginx's syntax: 16k, 8m.
[[nodiscard]] Result<std::size_t, std::string> size_value(std::string_view name, std::string_view word,
                                                          std::size_t least, std::size_t most);

/// Absolute: relative paths are beside nginx.conf, as those of certificates.
[[nodiscard]] std::string full_path(ngx_conf_t* cf, std::string_view path);

/// scope-token of RFC 6749 section 3.3.
[[nodiscard]] bool is_scope(std::string_view word) noexcept;
/// Adds scopes, each once; several may stand in one quoted word.
[[nodiscard]] Checked add_scopes(std::string_view name, std::string_view text, std::vector<std::string>& scopes);
/// [A-Za-z0-9._-]+, not beginning with a dot.
[[nodiscard]] bool is_name(std::string_view word) noexcept;

}  // namespace agw::nginx
