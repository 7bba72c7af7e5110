// Reads a policy's JSON strictly, knowing where it stands.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/time.h"
#include "agw/grants/policy_file.h"
#include "agw/json/tree.h"

namespace agw::grants {

/// What a reader throws to its entry point; never leaves the room.
struct Malformed {
  PolicyError error;
};

/// One JSON value and its path, for messages.
class Node {
 public:
  Node(const json_t* value, std::string path) : value_(value), path_(std::move(path)) {}

  [[noreturn]] void fail_with(const std::string& message) const { throw Malformed{{0, path_, message}}; }

  /// The members must be among `known`.
  void expect_object(std::initializer_list<std::string_view> known) const;
  void each_member(const std::function<void(const std::string& key, const Node& value)>& visit) const;
  void each_element(const std::function<void(const Node& value)>& visit) const;
  [[nodiscard]] std::optional<Node> member(const char* key) const;
  [[nodiscard]] Node required(const char* key) const;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool flag() const;
  [[nodiscard]] WallTime time() const;
  [[nodiscard]] std::vector<std::string> texts() const;
  [[nodiscard]] bool is_integer() const { return json_is_integer(value_); }
  [[nodiscard]] std::int64_t integer() const { return json_integer_value(value_); }

  [[nodiscard]] std::string text_or(const char* key, std::string fallback = {}) const;
  [[nodiscard]] std::optional<WallTime> time_if(const char* key) const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[nodiscard]] std::string below(std::string_view key) const;

  const json_t* value_;
  std::string path_;
};

}  // namespace agw::grants
