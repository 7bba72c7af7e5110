// What the MCP reader makes of bodies. Lines in: the header fields and the body, both in hex, a space between them.
// Lines out: `-`, or method, name and arguments in the form of bodies.py's canonical(), spaces between them.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/mcp/message.h"

#include "support/fakes.h"

namespace {

using namespace agw;

std::string unhex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return out;
}

std::string in_hex(std::string_view text) { return "s" + hex_encode(text); }

void append_number(std::string& out, std::string_view raw) {
  const double value = std::strtod(std::string(raw).c_str(), nullptr);
  const auto bits = value == 0 ? 0 : std::bit_cast<std::uint64_t>(value);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(bits >> static_cast<unsigned>(shift) & 0xFFU);
  out += "d" + hex_encode(bytes);
}

void append_canonical(std::string& out, json::Value value) {
  switch (value.kind()) {
    case json::Kind::null: out += 'n'; return;
    case json::Kind::boolean: out += *value.boolean() ? 't' : 'f'; return;
    case json::Kind::string: out += in_hex(value.text()); return;
    case json::Kind::number: append_number(out, value.raw()); return;
    case json::Kind::array:
      out += '[';
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out += ',';
        append_canonical(out, value.child(i));
      }
      out += ']';
      return;
    case json::Kind::object: break;
  }
  std::vector<std::pair<std::string, json::Value>> members;
  for (const json::Value member : value) members.emplace_back(in_hex(member.key()), member);
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    out += members[i].first + ":";
    append_canonical(out, members[i].second);
  }
  out += '}';
}

std::string read(json::Document& document, std::string_view fields, std::string_view body) {
  test::FakeHeaders headers;
  while (!fields.empty()) {
    const std::size_t end = std::min(fields.find('\n'), fields.size());
    const std::string_view line = fields.substr(0, end);
    const std::size_t colon = line.find(':');
    headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
    fields.remove_prefix(std::min(end + 1, fields.size()));
  }
  const auto message = mcp::read_message(document, body, headers, {});
  if (!message) return "-";
  std::string out = in_hex(message->method) + " " + in_hex(message->name) + " ";
  if (message->arguments) append_canonical(out, *message->arguments);
  return out;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  json::Document document;
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t space = line.find(' ');
    const std::string fields = unhex(line.substr(0, space));
    const std::string body = unhex(line.substr(space + 1));
    std::cout << read(document, fields, body) << "\n";
  }
  return 0;
}
