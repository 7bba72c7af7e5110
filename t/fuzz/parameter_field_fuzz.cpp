// A request's head, as its bytes lie in a host's buffers: which dropped fields are found again, held against a slow
// reader that takes the head apart line by line.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/mcp/parameter_field.h"

#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

using Found = std::vector<std::pair<std::string, std::string>>;

Found found_in(std::string_view head) {
  Found out;
  const std::string_view whole = head;
  while (const auto field = mcp::next_dropped_parameter(head)) {
    expect(field->name.data() >= whole.data() && field->name.end() <= field->value.begin() &&
               field->value.end() <= head.data(),
           "a field is of the bytes that were taken");
    out.emplace_back(field->name, field->value);
  }
  return out;
}

bool is_letter_or_digit(unsigned char c) {
  return c < 0x80 && std::strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-", c) != nullptr &&
         c != 0;
}

std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool capital = c >= 'A' && c <= 'Z';
    out += capital ? static_cast<char>(c - 'A' + 'a') : is_letter_or_digit(static_cast<unsigned char>(c)) ? c : '-';
  }
  return out;
}

Found obvious(std::string_view head) {
  Found out;
  std::string line;
  for (const char c : head) {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const std::size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    bool good = colon != std::string::npos && folded(name.substr(0, 10)) == "mcp-param-" && name.size() > 9;
    good = good && name[3] == '-' && name[9] == '-';
    std::size_t odd = 0;
    for (const unsigned char each : name) {
      if (is_letter_or_digit(each)) continue;
      ++odd;
      good = good && each != 0 && std::strchr("!#$%&'*+.^_`|~", each) != nullptr;
    }
    std::string value = colon == std::string::npos ? std::string() : line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.erase(0, 1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
    for (const unsigned char each : value) good = good && (each >= 0x20 || each == '\t') && each != 0x7F;
    if (good && odd > 0) out.emplace_back(std::move(name), std::move(value));
    line.clear();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  const Found found = found_in(head);
  expect(found == obvious(head), "what is found is what stands there");

  // A head that didn't fit lies in several buffers, cut at the end of a line.
  const std::size_t cut = head.find('\n', size / 2);
  if (cut != std::string_view::npos) {
    Found parts = found_in(head.substr(0, cut + 1));
    for (auto& field : found_in(head.substr(cut + 1))) parts.push_back(std::move(field));
    expect(parts == found, "the same in two buffers");
  }
  for (const auto& [name, value] : found) {
    expect(!mcp::is_twin_of_any(name), "what is found has a parameter's name");
    for (const auto& [other, unused] : found)
      expect(mcp::fold_alike(name, other) == (folded(name) == folded(other)),
             "names fold as the loosest server folds them");
  }
  const std::string_view name = head.substr(0, head.find(':'));
  for (const char* const field : {"mcp-name", "mcp-method", "mcp-protocol-version", "last-event-id"})
    expect(mcp::is_twin_of_any(name) || !mcp::is_twin(name, field), "a twin of one is one of any");
  return 0;
}
