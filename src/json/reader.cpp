#include "reader.h"

#include <algorithm>
#include <cstring>

#include "keys.h"
#include "token.h"

namespace agw::json {
namespace {

constexpr unsigned deepest = 512;
/// Nodes and bytes for which memory is kept from text to text.
constexpr std::size_t kept_nodes = 1U << 15;
constexpr std::size_t kept_bytes = 1U << 20;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Reader::Reader(Tape& tape, Workspace& workspace, std::span<const std::uint32_t> starts, const Limits& limits)
    : tape_(tape),
      workspace_(workspace),
      limits_(limits),
      text_(tape.text),
      at_(starts.data()),
      end_(at_ + starts.size()) {
  // Every value begins at a token of its own, so there are never more values than tokens.
  const std::size_t most = std::min(starts.size(), limits.max_nodes) + 1;
  tape_.nodes.need(most, kept_nodes);
  workspace_.open.need(most, kept_nodes);
  tape_.size = tape_.unescaped_size = 0;
  const std::size_t backslash = text_.find('\\');
  next_escape_ = static_cast<std::uint32_t>(std::min(backslash, text_.size()));
  // Resolving an escape never makes a string longer.
  if (backslash != std::string_view::npos) tape_.unescaped.need(text_.size(), kept_bytes);
}

bool Reader::stop(Error error) noexcept {
  error_ = error;
  return false;
}

Result<void, Error> Reader::read() {
  Node root;
  if (!read_value(root, 0)) return fail(error_);
  if (!done()) return fail(Error::invalid);
  root.key_begin = root.key_size = root.key_hash = 0;
  root.key_unescaped = false;
  tape_.nodes.data()[tape_.size++] = root;
  return {};
}

std::string_view Reader::take_token() noexcept {
  const std::uint32_t begin = *at_++;
  std::size_t end = done() ? text_.size() : *at_;
  while (is_space(text_[end - 1])) --end;
  return text_.substr(begin, end - begin);
}

bool Reader::take_punctuation(char wanted) noexcept {
  if (done() || front() != wanted) return stop(Error::invalid);
  ++at_;
  return true;
}

void Reader::place(Node& node, std::string_view token) const noexcept {
  node.begin = static_cast<std::uint32_t>(token.data() - text_.data());
  node.end = node.begin + static_cast<std::uint32_t>(token.size());
  node.first = node.size = 0;
  node.text_unescaped = false;
}

bool Reader::read_value(Node& node, unsigned depth) {
  if (done()) return stop(Error::invalid);
  if (++nodes_ > limits_.max_nodes) return stop(Error::too_large);
  switch (front()) {
    case '{': return read_object(node, depth + 1);
    case '[': return read_array(node, depth + 1);
    case '"': return read_string(node);
    case 't': return read_word(node, Kind::boolean, "true");
    case 'f': return read_word(node, Kind::boolean, "false");
    case 'n': return read_word(node, Kind::null, "null");
    default: return read_number(node);
  }
}

bool Reader::read_word(Node& node, Kind kind, std::string_view word) {
  const std::string_view token = take_token();
  if (token != word) return stop(Error::invalid);
  place(node, token);
  node.kind = kind;
  return true;
}

bool Reader::read_number(Node& node) {
  const std::string_view token = take_token();
  if (auto good = check_number(token); !good && !(limits_.any_values && good.error() == Error::number))
    return stop(good.error());
  place(node, token);
  node.kind = Kind::number;
  return true;
}

bool Reader::has_escape(std::uint32_t begin, std::uint32_t end) noexcept {
  if (next_escape_ >= end) return false;
  if (next_escape_ < begin) next_escape_ = static_cast<std::uint32_t>(std::min(text_.find('\\', begin), text_.size()));
  return next_escape_ < end;
}

bool Reader::take_string(Node* node, Inside& inside) noexcept {
  const std::string_view token = take_token();
  if (token.size() < 2 || token.back() != '"') return stop(Error::invalid);
  if (node != nullptr) place(*node, token);
  inside.raw = token.substr(1, token.size() - 2);
  const auto begin = static_cast<std::uint32_t>(inside.raw.data() - text_.data());
  inside.escaped = has_escape(begin, begin + static_cast<std::uint32_t>(inside.raw.size()));
  return true;
}

bool Reader::resolve_key(Node& node, std::string_view inside) noexcept {
  const auto length = unescape(inside, tape_.unescaped.data() + tape_.unescaped_size, Escapes::strict);
  if (!length) return stop(length.error());
  node.key_begin = tape_.unescaped_size;
  node.key_size = static_cast<std::uint32_t>(*length);
  tape_.unescaped_size += node.key_size;
  return true;
}

bool Reader::read_string(Node& node) {
  Inside inside{};
  if (!take_string(&node, inside)) return false;
  node.kind = Kind::string;
  node.text_unescaped = inside.escaped;
  if (!inside.escaped) return true;
  node.size = unresolved;
  if (auto good = check_escapes(inside.raw, limits_.any_values ? Escapes::any : Escapes::strict); !good)
    return stop(good.error());
  return true;
}

bool Reader::read_key(Node& node) {
  if (done() || front() != '"') return stop(Error::invalid);
  Inside inside{};
  if (!take_string(nullptr, inside)) return false;
  node.key_unescaped = inside.escaped;
  node.key_begin = static_cast<std::uint32_t>(inside.raw.data() - text_.data());
  node.key_size = static_cast<std::uint32_t>(inside.raw.size());
  if (inside.escaped && !resolve_key(node, inside.raw)) return false;
  node.key_hash = hash_key(tape_.key_of(node));
  return true;
}

void Reader::push(const Node& node) noexcept { workspace_.open.data()[open_++] = node; }

/// The children move from the open ones to the tape, side by side.
void Reader::close(Node& node, std::uint32_t first_open) noexcept {
  node.first = tape_.size;
  node.size = open_ - first_open;
  if (node.size > 0)
    std::memcpy(tape_.nodes.data() + tape_.size, workspace_.open.data() + first_open, node.size * sizeof(Node));
  tape_.size += node.size;
  open_ = first_open;
  node.end = at_[-1] + 1;
  node.text_unescaped = false;
}

bool Reader::read_array(Node& node, unsigned depth) {
  if (depth > std::min(limits_.max_depth, deepest)) return stop(Error::too_deep);
  node.kind = Kind::array;
  node.begin = *at_++;
  const std::uint32_t first = open_;
  if (!done() && front() == ']') {
    ++at_;
    close(node, first);
    return true;
  }
  while (true) {
    Node element;
    element.key_begin = element.key_size = element.key_hash = 0;
    element.key_unescaped = false;
    if (!read_value(element, depth)) return false;
    push(element);
    if (!done() && front() == ']') break;
    if (!take_punctuation(',')) return false;
  }
  ++at_;
  close(node, first);
  return true;
}

bool Reader::read_object(Node& node, unsigned depth) {
  if (depth > std::min(limits_.max_depth, deepest)) return stop(Error::too_deep);
  node.kind = Kind::object;
  node.begin = *at_++;
  const std::uint32_t first = open_;
  if (!done() && front() == '}') {
    ++at_;
    close(node, first);
    return true;
  }
  while (true) {
    Node member;
    if (!read_key(member) || !take_punctuation(':') || !read_value(member, depth)) return false;
    push(member);
    if (!done() && front() == '}') break;
    if (!take_punctuation(',')) return false;
  }
  ++at_;
  const std::span<const Node> members(workspace_.open.data() + first, open_ - first);
  if (depth <= limits_.keys_depth)
    if (auto unique = check_keys(tape_, members, workspace_.keys); !unique) return stop(unique.error());
  close(node, first);
  return true;
}

}  // namespace agw::json
