// One request as the host shows it to the course.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/io/headers.h"
#include "agw/model/reason.h"

namespace agw::identity {
struct ClientCertificate;
}  // namespace agw::identity

namespace agw::gateway {

/// Views are valid while the request lives.
class Request {
 public:
  virtual ~Request() = default;
  [[nodiscard]] virtual std::string_view id() const noexcept = 0;  ///< request id, 32 hex digits
  [[nodiscard]] virtual std::string_view method() const noexcept = 0;
  [[nodiscard]] virtual std::string_view raw_path() const noexcept = 0;  ///< as sent, without query
  [[nodiscard]] virtual std::string_view path() const noexcept = 0;      ///< what locations matched
  [[nodiscard]] virtual std::string_view query() const noexcept = 0;     ///< raw
  [[nodiscard]] virtual std::string_view client_ip() const noexcept = 0;
  [[nodiscard]] virtual const Headers& headers() const noexcept = 0;
  /// What a variable of the host's configuration holds now, by the handle that the host gave a condition; nothing: it
  /// isn't set for this request.
  [[nodiscard]] virtual std::optional<std::string_view> variable(std::intptr_t handle) const = 0;
  /// The client's certificate by the host's own TLS, never by a header; null: the connection has none that the host
  /// vouches for.
  [[nodiscard]] virtual const identity::ClientCertificate* client_certificate() const { return nullptr; }
  /// The whole body, exactly as it will be forwarded; body_too_large over `max_bytes`. A body that
  /// nginx has buffered in a file is read from it without blocking for long (bounded by max_bytes). Valid
  /// while the course runs.
  [[nodiscard]] virtual ValueTask<Result<std::string_view, Reason>> body(std::size_t max_bytes) = 0;
};

}  // namespace agw::gateway
