// The answer that repeats get.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agw::idempotency {

struct KeptAnswer {
  int status = 200;
  std::string content_type;
  std::string location;     ///< of a resource that was made; may be empty
  std::string body;         ///< for MCP without the response's id
  bool has_id = false;
  std::size_t id_at = 0;    ///< where the repeat's own id goes into `body`
};

/// The record's text, before it is sealed.
[[nodiscard]] std::string write_answer(const KeptAnswer& answer);
/// Nothing where it isn't one, to the last byte.
[[nodiscard]] std::optional<KeptAnswer> read_answer(std::string_view text);

/// The body with that id (raw JSON) in it.
[[nodiscard]] std::string body_for(const KeptAnswer& answer, std::string_view id);

}  // namespace agw::idempotency
