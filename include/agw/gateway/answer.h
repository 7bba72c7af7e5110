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

/// What a backend answered, to its last byte.
struct BackendAnswer {
  int status = 0;
  std::string content_type;
  std::string location;  ///< the field of that name, or empty
  std::string body;      ///< without any encoding
};

}  // namespace agw::gateway
