#include "json_reader.h"

#include <algorithm>

namespace agw::grants {

void Node::expect_object(std::initializer_list<std::string_view> known) const {
  if (!json_is_object(value_)) fail_with("must be an object");
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(const_cast<json_t*>(value_), key, value) {
    if (std::find(known.begin(), known.end(), std::string_view(key)) != known.end()) continue;
    std::string names;
    for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    fail_with("has an unknown key \"" + std::string(key) + "\"; known are " + names);
  }
}

void Node::each_member(const std::function<void(const std::string&, const Node&)>& visit) const {
  if (!json_is_object(value_)) fail_with("must be an object");
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(const_cast<json_t*>(value_), key, value) { visit(key, Node(value, below(key))); }
}

std::string Node::below(std::string_view key) const { return (path_.empty() ? "" : path_ + ".") + std::string(key); }

void Node::each_element(const std::function<void(const Node&)>& visit) const {
  if (!json_is_array(value_)) fail_with("must be a list");
  for (std::size_t i = 0; i < json_array_size(value_); ++i)
    visit(Node(json_array_get(value_, i), path_ + "[" + std::to_string(i) + "]"));
}

std::optional<Node> Node::member(const char* key) const {
  const json_t* value = json_object_get(value_, key);
  if (value == nullptr) return std::nullopt;
  return Node(value, below(key));
}

Node Node::required(const char* key) const {
  auto found = member(key);
  if (!found) fail_with("needs \"" + std::string(key) + "\"");
  return *found;
}

std::string Node::text() const {
  if (!json_is_string(value_)) fail_with("must be a string");
  return {json_string_value(value_), json_string_length(value_)};
}

bool Node::flag() const {
  if (!json_is_boolean(value_)) fail_with("must be true or false");
  return json_is_true(value_);
}

WallTime Node::time() const {
  const auto parsed = parse_rfc3339(text());
  if (!parsed) fail_with("must be a time as 2026-12-31T00:00:00Z");
  return *parsed;
}

std::vector<std::string> Node::texts() const {
  std::vector<std::string> out;
  each_element([&](const Node& item) { out.push_back(item.text()); });
  return out;
}

std::string Node::text_or(const char* key, std::string fallback) const {
  const auto found = member(key);
  return found ? found->text() : std::move(fallback);
}

std::optional<WallTime> Node::time_if(const char* key) const {
  const auto found = member(key);
  if (!found) return std::nullopt;
  return found->time();
}

}  // namespace agw::grants
