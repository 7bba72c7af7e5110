#include "agw/json/document.h"

#include <algorithm>
#include <cstring>

#include "keys.h"
#include "reader.h"
#include "structure.h"
#include "tape.h"

namespace agw::json {
namespace {

constexpr std::size_t largest_text = 1U << 30;  // offsets are 32 bits wide

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
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
    case Error::key_lookalike: return "two keys of one object that look alike";
    case Error::nul: return "a NUL character";
  }
  return "not valid JSON";
}

struct Document::State {
  Structure structure;
  Workspace workspace;
  Tape tape;

  [[nodiscard]] Node& node(std::uint32_t index) noexcept { return tape.nodes.data()[index]; }
  [[nodiscard]] const Node& node(std::uint32_t index) const noexcept { return tape.nodes.data()[index]; }
};

Document::Document() : state_(std::make_unique<State>()) {}
Document::~Document() = default;

Result<Value, Error> Document::read(std::string_view text, const Limits& limits) {
  if (text.size() > std::min(limits.max_bytes, largest_text)) return fail(Error::too_large);
  if (text.empty()) return fail(Error::invalid);
  const auto refuse = [text](Error error) {
        // A raw NUL is no token and stands in no string, so it always ends here.
    const bool nul = error != Error::too_large && text.find('\0') != std::string_view::npos;
    return fail(nul ? Error::nul : error);
  };
  const auto starts = state_->structure.find(text);
  if (!starts) return refuse(starts.error());
  state_->tape.text = text;
  Reader reader(state_->tape, state_->workspace, *starts, limits);
  if (auto read = reader.read(); !read) return refuse(read.error());
  return Value(this, state_->tape.size - 1);
}

Kind Value::kind() const noexcept { return document_->state_->node(node_).kind; }

std::string_view Value::raw() const noexcept {
  const Node& node = document_->state_->node(node_);
  return document_->state_->tape.text.substr(node.begin, node.end - node.begin);
}

std::string_view Value::text() const noexcept {
  Document::State& state = *document_->state_;
  return state.tape.text_of(state.node(node_));
}

std::string_view Value::key() const noexcept { return document_->state_->tape.key_of(document_->state_->node(node_)); }

std::size_t Value::size() const noexcept {
  const Node& node = document_->state_->node(node_);
  return node.kind == Kind::object || node.kind == Kind::array ? node.size : 0;
}

bool Value::is_written_as_integer() const noexcept {
  if (kind() != Kind::number) return false;
  std::string_view digits = raw();
  if (digits.starts_with('-')) digits.remove_prefix(1);
  return is_digits(digits);
}

std::optional<std::int64_t> Value::integer() const noexcept {
  if (!is_written_as_integer()) return std::nullopt;
  std::string_view digits = raw();
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.size() > 16) return std::nullopt;
  std::int64_t value = 0;
  for (char c : digits) value = value * 10 + (c - '0');
  constexpr std::int64_t interoperable = (std::int64_t{1} << 53) - 1;  // RFC 8259 section 6
  if (value > interoperable || (negative && value == 0)) return std::nullopt;
  return negative ? -value : value;
}

std::optional<bool> Value::boolean() const noexcept {
  if (kind() != Kind::boolean) return std::nullopt;
  return raw() == "true";
}

std::optional<Value> Value::member(std::string_view name) const noexcept {
  const auto& state = *document_->state_;
  const Node& self = state.node(node_);
  if (self.kind != Kind::object) return std::nullopt;
  for (std::uint32_t child = self.first; child < self.first + self.size; ++child)
    if (state.tape.key_of(state.node(child)) == name) return Value(document_, child);
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
  return {document_, document_->state_->node(node_).first + static_cast<std::uint32_t>(index)};
}

Value::Iterator Value::begin() const noexcept { return Iterator(child(0)); }
Value::Iterator Value::end() const noexcept { return Iterator(child(size())); }

Names::Names(std::span<const std::string_view> names) {
  for (const std::string_view name : names) entries_.push_back({name, hash_key(name)});
}

std::size_t Names::find(const Value& member) const noexcept {
  const auto& state = *member.document_->state_;
  const Node& node = state.node(member.node_);
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].hash == node.key_hash && state.tape.key_of(node) == entries_[i].name) return i;
  return none;
}

std::string_view Value::lookalike_among(const Names& names) const noexcept {
  const auto& state = *document_->state_;
  const Node& self = state.node(node_);
  if (self.kind != Kind::object) return {};
  for (std::uint32_t child = self.first; child < self.first + self.size; ++child) {
    const Node& member = state.node(child);
    for (const auto& [name, hash] : names.entries_) {
      if (hash != member.key_hash) continue;
      const std::string_view key = state.tape.key_of(member);
      if (key == name) break;
      if (folds_alike(key, name)) return name;
    }
  }
  return {};
}

bool Value::has_lookalike_of(std::string_view name) const noexcept {
  return !lookalike_among(Names(std::span(&name, 1))).empty();
}

}  // namespace agw::json
