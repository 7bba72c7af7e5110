// What the fuzzers have in common: a claim that must hold, and lines cut off the input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string_view>

namespace agw::fuzz {

/// Ends the run with the input saved; the message names the invariant in libFuzzer's log.
inline void expect(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", invariant);
  std::abort();
}

/// The same for a claim that says itself what it is.
inline void expect(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s:%u\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

/// The next line, without its end; empty behind the last one.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return line;
}

}  // namespace agw::fuzz
