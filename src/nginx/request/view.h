// nginx's request as the core sees it.
#pragma once

#include <string>
#include <string_view>

#include "../nginx.h"
#include "agw/gateway/request.h"

namespace agw::nginx {

[[nodiscard]] inline std::string_view view(const ngx_str_t& text) noexcept {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

/// Copies into the pool; null data if there is no memory.
[[nodiscard]] ngx_str_t pool_copy(ngx_pool_t* pool, std::string_view text) noexcept;

class RequestHeaders final : public Headers {
 public:
  explicit RequestHeaders(ngx_http_request_t* r) noexcept : r_(r) {}
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept override;
  [[nodiscard]] unsigned count(std::string_view name) const noexcept override;
  void each(Visit visit, void* context) const override;

 private:
  ngx_http_request_t* r_;
};

}  // namespace agw::nginx
