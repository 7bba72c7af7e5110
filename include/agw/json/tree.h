// JSON as a tree, for what is read seldom: configuration, metadata, key sets, claims, policies.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <jansson.h>

namespace agw::json {

struct TreeDeleter {
  void operator()(json_t* value) const noexcept { json_decref(value); }
};
using Tree = std::unique_ptr<json_t, TreeDeleter>;

struct TreeError {
  int line = 0;  ///< from 1
  std::string message;
};

/// One array or object in strict JSON (RFC 8259) and nothing behind it; null if the text is
/// anything else. No key twice, valid UTF-8, and no NUL, raw or escaped: jansson itself reads past a raw one in
/// places, and what takes values for C strings would read another value.
[[nodiscard]] Tree read_tree(std::string_view text, TreeError* error = nullptr);

}  // namespace agw::json
