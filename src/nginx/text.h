// nginx's strings as the core's, and back.
#pragma once

#include <string_view>

#include "nginx.h"

namespace agw::nginx {

[[nodiscard]] inline std::string_view view(const ngx_str_t& text) noexcept {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

/// Copies into the pool, with a NUL behind it; null data if there is no memory.
[[nodiscard]] inline ngx_str_t pool_copy(ngx_pool_t* pool, std::string_view text) noexcept {
  ngx_str_t out{};
  out.data = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
  if (out.data == nullptr) return out;
  out.len = text.size();
  *ngx_cpymem(out.data, text.data(), text.size()) = '\0';
  return out;
}

}  // namespace agw::nginx
