// A response that the gateway gives itself.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agw::gateway {

struct Answer {
  int status = 503;
  std::string content_type;  ///< empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace agw::gateway
