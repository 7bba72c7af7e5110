#include "agw/json/document.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>

#include "agw/base/encoding.h"

namespace agw::json {
namespace {

namespace sj = simdjson::ondemand;

constexpr std::uint32_t none = 0xFFFFFFFF;
constexpr std::size_t longest_number = 64;
/// Objects up to this size are compared pair by pair; larger ones by sorting.
constexpr std::size_t few_keys = 8;

struct Node {
  Kind kind;
  std::string_view raw;
  std::string_view text;  // strings, unescaped
  std::string_view key;
  std::uint32_t first = none;  // child
  std::uint32_t next = none;   // sibling
  std::uint32_t size = 0;
};

/// Bytes that fold_key leaves as they are, so that folding can be skipped.
bool is_plain_key(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7F && !(c >= 'A' && c <= 'Z'); });
}

Error error_of(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR: return Error::utf8;
    case simdjson::DEPTH_ERROR: return Error::too_deep;
    case simdjson::CAPACITY: return Error::too_large;
    case simdjson::NUMBER_ERROR: return Error::number;
    default: return Error::invalid;
  }
}

std::string_view trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

}  // namespace

std::string_view to_string(Error error) noexcept {
  switch (error) {
    case Error::invalid: return "not valid JSON";
    case Error::utf8: return "not valid UTF-8";
    case Error::too_deep: return "nested too deeply";
    case Error::too_large: return "too large";
    case Error::number: return "a number out of range";
    case Error::key_duplicate: return "a key twice";
    case Error::nul: return "a NUL character";
  }
  return "not valid JSON";
}

struct Document::State {
  sj::parser parser;
  std::string padded;
  std::string_view original;
  Limits limits;
  std::vector<Node> nodes;
  std::vector<std::uint32_t> keys;       // scratch of the duplicate check
  std::deque<std::string> unescaped;     // stable addresses

  /// The same bytes in the caller's text instead of the padded copy.
  std::string_view in_original(std::string_view part) const {
    return original.substr(static_cast<std::size_t>(part.data() - padded.data()), part.size());
  }

  Result<std::uint32_t, Error> add(Kind kind, std::string_view raw) {
    if (nodes.size() >= limits.max_nodes) return fail(Error::too_large);
    nodes.push_back({.kind = kind, .raw = raw, .text = {}, .key = {}});
    return static_cast<std::uint32_t>(nodes.size() - 1);
  }

  /// A string without escapes is a span of the original; others are kept unescaped.
  Result<std::string_view, Error> characters(std::string_view raw, std::string_view decoded) {
    const std::string_view inside = raw.substr(1, raw.size() - 2);
    if (decoded.find('\0') != std::string_view::npos) return fail(Error::nul);
    if (inside.find('\\') == std::string_view::npos) return inside;
    if (!is_utf8(decoded)) return fail(Error::utf8);
    unescaped.emplace_back(decoded);
    return std::string_view(unescaped.back());
  }

  template <class Source>
  Result<std::uint32_t, Error> walk(Source&& value, unsigned depth);
  template <class Source>
  Result<std::uint32_t, Error> walk_object(Source& value, unsigned depth);
  template <class Source>
  Result<std::uint32_t, Error> walk_array(Source& value, unsigned depth);
  template <class Source>
  Result<std::uint32_t, Error> walk_string(Source& value);
  template <class Source>
  Result<std::uint32_t, Error> walk_number(Source& value);
  Result<void, Error> check_keys(std::uint32_t object);
};

template <class Source>
Result<std::uint32_t, Error> Document::State::walk_string(Source& value) {
  std::string_view token = value.raw_json_token();
  std::string_view decoded;
  if (auto code = value.get_string().get(decoded)) return fail(error_of(code));
  const std::string_view raw = in_original(trimmed(token));
  auto text = characters(raw, decoded);
  if (!text) return fail(text.error());
  auto node = add(Kind::string, raw);
  if (node) nodes[*node].text = *text;
  return node;
}

template <class Source>
Result<std::uint32_t, Error> Document::State::walk_number(Source& value) {
  std::string_view token = value.raw_json_token();
  token = trimmed(token);
  if (token.size() > longest_number) return fail(Error::number);
  sj::number number;
  if (auto code = value.get_number().get(number)) return fail(code == simdjson::NUMBER_ERROR ? Error::number : error_of(code));
  return add(Kind::number, in_original(token));
}

template <class Source>
Result<std::uint32_t, Error> Document::State::walk_array(Source& value, unsigned depth) {
  sj::array array;
  if (auto code = value.get_array().get(array)) return fail(error_of(code));
  auto self = add(Kind::array, {});
  if (!self) return self;
  std::uint32_t last = none;
  for (auto element : array) {
    sj::value child;
    if (auto code = element.get(child)) return fail(error_of(code));
    auto node = walk(child, depth + 1);
    if (!node) return node;
    (last == none ? nodes[*self].first : nodes[last].next) = *node;
    last = *node;
    ++nodes[*self].size;
  }
  return self;
}

template <class Source>
Result<std::uint32_t, Error> Document::State::walk_object(Source& value, unsigned depth) {
  sj::object object;
  if (auto code = value.get_object().get(object)) return fail(error_of(code));
  auto self = add(Kind::object, {});
  if (!self) return self;
  std::uint32_t last = none;
  for (auto field : object) {
    sj::field entry;
    if (auto code = std::move(field).get(entry)) return fail(error_of(code));
    const char* const key_begin = entry.key().raw();
    std::string_view decoded;
    if (auto code = entry.unescaped_key().get(decoded)) return fail(error_of(code));
    // simdjson gives the key's first character; its end is the next quote that no backslash hides.
    const char* key_end = key_begin;
    while (*key_end != '"') key_end += *key_end == '\\' ? 2 : 1;
    const std::string_view quoted(key_begin - 1, static_cast<std::size_t>(key_end - key_begin) + 2);
    auto key = characters(in_original(quoted), decoded);
    if (!key) return fail(key.error());
    auto node = walk(entry.value(), depth + 1);
    if (!node) return node;
    nodes[*node].key = *key;
    (last == none ? nodes[*self].first : nodes[last].next) = *node;
    last = *node;
    ++nodes[*self].size;
  }
  if (auto unique = check_keys(*self); !unique) return fail(unique.error());
  return self;
}

template <class Source>
Result<std::uint32_t, Error> Document::State::walk(Source&& value, unsigned depth) {
  if (depth > limits.max_depth) return fail(Error::too_deep);
  sj::json_type type{};
  if (auto code = value.type().get(type)) return fail(error_of(code));
  switch (type) {
    case sj::json_type::object: return walk_object(value, depth);
    case sj::json_type::array: return walk_array(value, depth);
    case sj::json_type::string: return walk_string(value);
    case sj::json_type::number: return walk_number(value);
    case sj::json_type::boolean: {
      const std::string_view token = value.raw_json_token();
      bool flag = false;
      if (auto code = value.get_bool().get(flag)) return fail(error_of(code));
      return add(Kind::boolean, in_original(trimmed(token)));
    }
    case sj::json_type::null: {
      const std::string_view token = value.raw_json_token();
      bool is_null = false;
      if (auto code = value.is_null().get(is_null)) return fail(error_of(code));
      if (!is_null || trimmed(token) != "null") return fail(Error::invalid);
      return add(Kind::null, in_original(trimmed(token)));
    }
  }
  return fail(Error::invalid);
}

/// No two keys of one object may be the same, or be taken for the same by a lax reader.
Result<void, Error> Document::State::check_keys(std::uint32_t object) {
  const Node& self = nodes[object];
  if (self.size < 2) return {};
  bool plain = true;
  keys.clear();
  for (std::uint32_t child = self.first; child != none; child = nodes[child].next) {
    keys.push_back(child);
    plain = plain && is_plain_key(nodes[child].key);
  }
  if (plain && keys.size() <= few_keys) {
    for (std::size_t i = 0; i < keys.size(); ++i)
      for (std::size_t j = i + 1; j < keys.size(); ++j)
        if (nodes[keys[i]].key == nodes[keys[j]].key) return fail(Error::key_duplicate);
    return {};
  }
  std::vector<std::string> folded;
  folded.reserve(keys.size());
  for (const std::uint32_t child : keys) folded.push_back(fold_key(nodes[child].key));
  std::sort(folded.begin(), folded.end());
  if (std::adjacent_find(folded.begin(), folded.end()) != folded.end()) return fail(Error::key_duplicate);
  return {};
}

Document::Document() : state_(std::make_unique<State>()) {}
Document::~Document() = default;

Result<Value, Error> Document::read(std::string_view text, const Limits& limits) {
  State& state = *state_;
  state.nodes.clear();
  state.unescaped.clear();
  state.limits = limits;
  state.original = text;
  if (text.size() > limits.max_bytes) return fail(Error::too_large);
  if (text.find('\0') != std::string_view::npos) return fail(Error::nul);
  if (text.starts_with("\xEF\xBB\xBF")) return fail(Error::invalid);  // RFC 8259 section 8.1: no BOM
  state.padded.assign(text);
  state.padded.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  sj::document document;
  if (auto code = state.parser.iterate(state.padded.data(), state.padded.size(), state.padded.capacity()).get(document))
    return fail(error_of(code));
  bool scalar = false;
  if (auto code = document.is_scalar().get(scalar)) return fail(error_of(code));
  if (scalar) return fail(Error::invalid);  // no message is a bare scalar, and simdjson reads those apart
  sj::value root_value;
  if (auto code = document.get_value().get(root_value)) return fail(error_of(code));
  auto root = state.walk(root_value, 1);
  if (!root) return fail(root.error());
  // Whatever follows the value would still have a place to be read from.
  const char* rest = nullptr;
  if (!document.current_location().get(rest)) return fail(Error::invalid);
  return Value(this, *root);
}

Kind Value::kind() const noexcept { return document_->state_->nodes[node_].kind; }
std::string_view Value::raw() const noexcept { return document_->state_->nodes[node_].raw; }
std::string_view Value::text() const noexcept { return document_->state_->nodes[node_].text; }
std::string_view Value::key() const noexcept { return document_->state_->nodes[node_].key; }
std::size_t Value::size() const noexcept { return document_->state_->nodes[node_].size; }

std::optional<std::int64_t> Value::integer() const noexcept {
  if (kind() != Kind::number) return std::nullopt;
  std::string_view digits = raw();
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 16) return std::nullopt;
  std::int64_t value = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  constexpr std::int64_t interoperable = (std::int64_t{1} << 53) - 1;  // RFC 8259 section 6
  if (value > interoperable || (negative && value == 0)) return std::nullopt;
  return negative ? -value : value;
}

std::optional<bool> Value::boolean() const noexcept {
  if (kind() != Kind::boolean) return std::nullopt;
  return raw() == "true";
}

std::optional<Value> Value::member(std::string_view name) const noexcept {
  if (kind() != Kind::object) return std::nullopt;
  const auto& nodes = document_->state_->nodes;
  for (std::uint32_t child = nodes[node_].first; child != none; child = nodes[child].next)
    if (nodes[child].key == name) return Value(document_, child);
  return std::nullopt;
}

std::optional<Value> Value::at(std::initializer_list<std::string_view> path) const noexcept {
  std::optional<Value> here = *this;
  for (const std::string_view name : path) {
    here = here->member(name);
    if (!here) return std::nullopt;
  }
  return here;
}

Value Value::child(std::size_t index) const noexcept {
  const auto& nodes = document_->state_->nodes;
  std::uint32_t child = nodes[node_].first;
  while (index-- > 0) child = nodes[child].next;
  return {document_, child};
}

bool Value::has_lookalike_of(std::string_view name) const noexcept {
  if (kind() != Kind::object) return false;
  const auto& nodes = document_->state_->nodes;
  for (std::uint32_t child = nodes[node_].first; child != none; child = nodes[child].next) {
    const std::string_view key = nodes[child].key;
    if (key == name) continue;
    if (is_plain_key(key)) {
      // Without capitals and odd letters a key folds to itself.
      if (is_plain_key(name)) continue;
      if (key.size() != name.size()) continue;
    }
    if (fold_key(key) == fold_key(name)) return true;
  }
  return false;
}

}  // namespace agw::json
