// nginx's request as the core sees it.
#pragma once

#include <string_view>

#include "agw/gateway/request.h"

#include "../nginx.h"
#include "../text.h"

namespace agw::nginx {

class RequestHeaders final : public Headers {
 public:
  explicit RequestHeaders(ngx_http_request_t* r) noexcept : r_(r) {}
  [[nodiscard]] Found find(std::string_view name) const noexcept override;
  void each(Visit visit, void* context) const override;

 private:
  ngx_http_request_t* r_;
};

}  // namespace agw::nginx
